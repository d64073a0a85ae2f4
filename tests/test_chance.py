"""Laws of the null: chance moves as far as chance moves, and losses farther."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.chance import (
    Chance,
    of_selections,
    of_stream,
    selected_bins,
    shift,
    too_few,
)
from feedback.controller import Controller
from feedback.history import History, movement, prior_of, read_history
from feedback.rules import AtRandom, Stratified, Stream
from feedback.selection import HighLoss
from simulator.randomization.prior import JointPrior

N, D, K = 120, 3, 6
UNIFORM = JointPrior.uniform(-np.ones(D), np.ones(D), K)


def history(tmp_path, rule, seed: int, effect: float, epochs: int = 4):
    """Entries of a run whose hard samples stay hard, in bin 2 of joint 0 or anywhere."""
    rng = np.random.default_rng(seed)
    bins = rng.integers(0, K, (N, D))
    lasting = rng.random(N) + effect * (bins[:, 0] == 2)
    controller, log = Controller(UNIFORM, rule), History(tmp_path / str(seed))
    (tmp_path / str(seed)).mkdir()
    log.append(controller.observation)
    for epoch in range(1, epochs + 1):
        losses = 0.8**epoch * (lasting + 0.2 * rng.random(N))
        controller.observe(epoch, losses, bins)
        log.append(controller.observation)
    return read_history(tmp_path / str(seed)), bins


def test_losses_that_have_nothing_to_do_with_bins_move_what_chance_moves(tmp_path) -> None:
    found = [
        of_selections(*history(tmp_path, HighLoss(0.2), seed, 0.0), last=True, draws=300)[-1]
        for seed in range(60)
    ]
    p = np.array([chance.p for chance in found if chance])
    assert len(p) == 60
    assert 0.3 < p.mean() < 0.7
    assert (p < 0.05).mean() < 0.15


def test_losses_that_follow_bins_move_farther_than_chance(tmp_path) -> None:
    entries, bins = history(tmp_path, HighLoss(0.2), 0, 2.0)
    last = of_selections(entries, bins)[-1]
    assert last is not None
    assert last.p < 0.01
    assert last.moved > last.high


def test_the_movement_is_the_prior_historys_own(tmp_path) -> None:
    entries, bins = history(tmp_path, HighLoss(0.2), 1, 1.0)
    every = of_selections(entries, bins)
    assert every[0] is None
    for entry, chance in zip(entries[1:], every[1:], strict=True):
        assert chance is not None
        moved = movement(UNIFORM, prior_of(entry))["total_variation_mean"]
        assert chance.moved == pytest.approx(moved)
    assert of_selections(entries, bins, last=True) == every[-1:]


def test_expected_poses_are_no_movement_by_losses(tmp_path) -> None:
    controller, log = Controller(UNIFORM, AtRandom(0.1)), History(tmp_path)
    log.append(controller.observation)
    counts = np.zeros((D, K))
    counts[:, 1] = 500
    controller.expect(counts, "log")
    log.append(controller.observation)
    bins = np.random.default_rng(0).integers(0, K, (N, D))
    assert of_selections(read_history(tmp_path), bins, last=True) == [None]
    controller.observe(1, np.ones(N), bins)
    log.append(controller.observation)
    (chance,) = of_selections(read_history(tmp_path), bins, last=True)
    assert chance is not None
    assert chance.moved < 0.05


@given(st.floats(0, 1), st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_p_is_a_share_and_falls_with_the_movement(moved: float, null: list[float]) -> None:
    low = Chance.of(moved, np.array(null))
    far = Chance.of(moved + 1.1, np.array(null))
    assert 0 < far.p <= low.p <= 1
    assert low.low <= low.high


def test_a_step_of_a_rule_that_watches_has_its_null_too() -> None:
    rng = np.random.default_rng(0)
    bins = rng.integers(0, K, (N, D))
    flat = Stream(rng.random(N), bins, np.ones(N))
    steep = Stream(rng.random(N) + (bins[:, 0] == 2), bins, np.ones(N))
    nothing, something = (of_stream(Stratified(), UNIFORM, s) for s in (flat, steep))
    assert nothing is not None
    assert something is not None
    assert something.p < 0.01 < nothing.p
    assert of_stream(Stratified(), UNIFORM, Stream.none(D)) is None


def test_bins_that_are_rendered_more_often_were_harder_and_become_less_so(tmp_path) -> None:
    found = selected_bins(history(tmp_path, HighLoss(0.2), 0, 2.0)[0])
    assert found is not None
    assert found["before"] > 1.1
    assert selected_bins(history(tmp_path, HighLoss(0.0), 2, 2.0)[0]) is None


@given(st.integers(1, 500), st.integers(2, 64))
def test_a_selection_of_fewer_than_five_per_bin_is_warned_of(selected: int, bins: int) -> None:
    assert (too_few(selected, bins) is None) == (selected >= 5 * bins)
    assert too_few(0, bins) is None


def test_shift_is_half_of_the_l1_distance() -> None:
    first, last = np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([[0.25, 0.75], [0.0, 1.0]])
    assert shift(first, last) == pytest.approx((0.25 + 1.0) / 2)
