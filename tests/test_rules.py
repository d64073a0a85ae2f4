"""Laws of the rules that settings name."""

import typing

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from feedback.controller import Controller, ControllerError
from feedback.rules import (
    RULES,
    Adversarial,
    AtRandom,
    RuleName,
    Stratified,
    Stream,
    StreamRule,
    rule_named,
    variance_ratio,
)
from feedback.selection import HighLoss, SelectionError, rule_name
from simulator.randomization.prior import JointPrior
from trainer.config.config import ConfigError
from trainer.config.presets import preset

N, D, K = 400, 3, 8
UNIFORM = JointPrior.uniform(-np.ones(D), np.ones(D), K)
SEEDS = st.integers(0, 10_000)


def stream(seed: int, effect: float = 0.0, weights: float = 1.0) -> Stream:
    """Losses that have nothing to do with bins, but for bin 5 of joint 1."""
    rng = np.random.default_rng(seed)
    bins = rng.integers(0, K, (N, D))
    losses = rng.gamma(4, 0.1, N) + effect * (bins[:, 1] == 5)
    return Stream(losses, bins, np.full(N, weights))


def looked(rule, seed: int = 0) -> JointPrior:
    rng = np.random.default_rng(seed)
    controller = Controller(UNIFORM, rule)
    return controller.observe(1, rng.random(N), rng.integers(0, K, (N, D)), stream(seed, 0.5))


def test_every_name_has_a_rule_and_a_name_of_its_own_in_the_history() -> None:
    assert set(RULES) == set(typing.get_args(RuleName))
    assert len({rule_name(rule_named(name, 0.1, 0)) for name in RULES}) == len(RULES)


@pytest.mark.parametrize("name", RULES)
@given(seed=SEEDS)
def test_whatever_the_rule_a_prior_stays_a_prior_one_version_on_at_most(name, seed: int) -> None:
    after = looked(rule_named(name, 0.1, seed), seed)
    assert after.version - UNIFORM.version in (0, 1)
    assert (after.version == UNIFORM.version) == (name in ("uniform", "expected"))
    np.testing.assert_allclose(after.marginal.sum(axis=1), 1)


@given(SEEDS, st.floats(0, 1))
def test_random_selects_as_many_as_high_loss_and_the_same_again(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    losses, bins = rng.random(N), rng.integers(0, K, (N, D))
    losses[rng.random(N) < 0.1] = np.nan
    chosen = AtRandom(share, seed)(losses, bins)
    assert len(chosen) == len(HighLoss(share)(losses, bins)) == len(set(chosen.tolist()))
    assert not np.isnan(losses[chosen]).any()
    np.testing.assert_array_equal(chosen, AtRandom(share, seed)(losses, bins))


def test_random_does_not_look_at_losses() -> None:
    rng = np.random.default_rng(0)
    losses, bins = rng.random(N), rng.integers(0, K, (N, D))
    ranks = [losses[AtRandom(0.1, seed)(losses, bins)].mean() for seed in range(100)]
    assert abs(np.mean(ranks) - losses.mean()) < 0.02


@given(SEEDS)
def test_stratified_stays_nearly_uniform_where_bins_explain_nothing(seed: int) -> None:
    after = Stratified().moved(UNIFORM, stream(seed))
    means = np.abs(after.marginal * K - 1).max(axis=1)
    assert (means < 0.25).all()


@given(SEEDS)
def test_both_rules_that_watch_render_more_of_a_bin_that_is_hard(seed: int) -> None:
    for rule in (Stratified(), Adversarial()):
        after = rule.moved(UNIFORM, stream(seed, 1.0))
        assert after.marginal[1].argmax() == 5
        assert after.marginal[1, 5] > 1.5 / K


@given(SEEDS)
def test_shrinkage_keeps_nothing_where_f_is_at_most_1(seed: int) -> None:
    from feedback.rules import bin_means

    seen = stream(seed)
    F = variance_ratio(seen, *bin_means(seen, K))
    after = Stratified().moved(UNIFORM, seen)
    assume((F <= 1).any())
    np.testing.assert_allclose(after.marginal[F <= 1], 1 / K)


def test_f_is_that_of_an_analysis_of_variance() -> None:
    from scipy.stats import f_oneway

    from feedback.rules import bin_means

    seen = stream(3, 0.2)
    F = variance_ratio(seen, *bin_means(seen, K))
    for d in range(D):
        groups = [seen.losses[seen.bins[:, d] == k] for k in range(K)]
        assert F[d] == pytest.approx(f_oneway(*groups).statistic)


@given(SEEDS)
def test_samples_that_do_not_stand_for_uniform_poses_say_nothing(seed: int) -> None:
    own, other = stream(seed, 0.5), stream(seed + 1, 5.0, 0.0)
    both = Stream(
        np.concatenate([own.losses, other.losses]),
        np.concatenate([own.bins, other.bins]),
        np.concatenate([own.weights, other.weights]),
    )
    for rule in (Stratified(), Adversarial()):
        alone, mixed = (rule.moved(UNIFORM, s.uniform).alpha for s in (own, both))
        np.testing.assert_array_equal(alone, mixed)


def test_a_stream_of_nothing_moves_nothing() -> None:
    for rule in (Stratified(), Adversarial()):
        assert isinstance(rule, StreamRule)
        assert rule.moved(UNIFORM, Stream.none(D)) is UNIFORM


def test_the_adversary_goes_on_from_its_policy() -> None:
    once = Adversarial().moved(UNIFORM, stream(0, 1.0))
    twice = Adversarial().moved(once, stream(1, 1.0))
    assert twice.marginal[1, 5] > once.marginal[1, 5]


def test_expected_poses_are_counted_before_the_first_epoch_alone() -> None:
    controller = Controller(UNIFORM, rule_named("expected", 0.1, 0))
    counts = np.arange(D * K).reshape(D, K)
    np.testing.assert_array_equal(controller.expect(counts, "log").alpha, UNIFORM.alpha + counts)
    assert (controller.observation.epoch, controller.observation.rule) == (0, "log")
    assert controller.observe(1, np.ones(N), np.zeros((N, D), int)) is controller.prior
    with pytest.raises(ControllerError, match="before the first"):
        controller.expect(counts, "log")


def test_a_resumed_controller_goes_on_after_expected_poses() -> None:
    controller = Controller(UNIFORM)
    controller.expect(np.ones((D, K)), "log")
    other = Controller(UNIFORM)
    other.load_state(controller.state_dict())
    assert other.observation.epoch == 0
    np.testing.assert_array_equal(other.prior.alpha, controller.prior.alpha)


def test_a_share_out_of_range_is_named() -> None:
    with pytest.raises(SelectionError, match=r"share is 1\.5"):
        rule_named("random", 1.5, 0)


def test_rules_that_do_not_go_with_what_is_expected_are_refused() -> None:
    with pytest.raises(ConfigError, match="give the log of those poses: --expect"):
        preset("tiny").changed(**{"feedback.rule": "expected"})
    with pytest.raises(ConfigError, match=r"expect\.mode is poses"):
        preset("tiny").changed(**{"expect.log": "a.csv", "expect.mode": "poses"})
