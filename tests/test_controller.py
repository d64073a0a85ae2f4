import json
from dataclasses import replace

import numpy as np
import pytest

from feedback.controller import Controller, ControllerError
from feedback.posterior import bin_counts
from feedback.selection import FeedbackError, HighLoss, SelectionError
from simulator.randomization.prior import JointPrior

N, D, K = 60, 4, 8


@pytest.fixture
def prior():
    return JointPrior.uniform(-np.ones(D), np.ones(D), K)


@pytest.fixture
def bins():
    return np.random.default_rng(0).integers(0, K, (N, D))


@pytest.fixture
def losses():
    return np.random.default_rng(1).random(N)


def test_feedback_adds_the_counts_of_the_hardest_share(prior, losses, bins):
    after = Controller(prior, HighLoss(0.2), weight=3.0).observe(0, losses, bins)
    hardest = np.argsort(losses)[-12:]
    np.testing.assert_array_equal(after.alpha, prior.alpha + 3 * bin_counts(bins[hardest], K))
    assert after.version == 1


def test_with_feedback_off_the_prior_is_the_same_object(prior, losses, bins):
    controller = Controller(prior, enabled=False)
    assert controller.observe(0, losses, bins) is prior
    assert controller.observe(1, losses, bins) is prior
    assert controller.observation.selected.size == 0


def test_poses_that_stay_hard_are_rendered_more(prior, bins):
    controller = Controller(prior, HighLoss(0.1))
    losses = (bins[:, 2] == 5).astype(float)
    for epoch in range(10):
        controller.observe(epoch, losses, bins)
    assert controller.prior.marginal[2].argmax() == 5
    assert controller.prior.entropy[2] == controller.prior.entropy.min()


def test_nothing_to_select_leaves_the_prior(prior, bins):
    assert Controller(prior).observe(0, np.full(N, np.nan), bins) is prior
    assert Controller(prior, HighLoss(0.0)).observe(0, np.ones(N), bins) is prior


def test_observation_tells_what_was_selected(prior, losses, bins):
    controller = Controller(prior, HighLoss(0.1))
    assert controller.observation.epoch == -1
    controller.observe(3, losses, bins)
    seen = controller.observation
    assert (seen.epoch, len(seen.selected)) == (3, 6)
    assert seen.prior is controller.prior
    np.testing.assert_array_equal(seen.losses, np.sort(losses)[::-1][:6])


def test_a_resumed_controller_goes_on_as_if_never_stopped(prior, losses, bins):
    straight, stopped = Controller(prior), Controller(prior)
    for controller in (straight, stopped):
        controller.observe(0, losses, bins)
    resumed = Controller(prior)
    resumed.load_state(json.loads(json.dumps(stopped.state_dict())))
    for controller in (straight, resumed):
        controller.observe(1, losses[::-1], bins)
    assert resumed.state_dict() == straight.state_dict()


def test_a_state_of_another_shape_names_both(prior):
    other = Controller(JointPrior.uniform(-np.ones(D), np.ones(D), K + 1))
    with pytest.raises(ControllerError, match=rf"\({D}, {K + 1}\).*\({D}, {K}\)"):
        Controller(prior).load_state(other.state_dict())


@pytest.mark.parametrize("change", [{"alpha": "x"}, {"version": None}, {"alpha": [[-1.0] * K] * D}])
def test_a_damaged_state_is_refused(prior, change):
    controller = Controller(prior)
    with pytest.raises(ControllerError, match="saved"):
        controller.load_state(controller.state_dict() | change)
    assert controller.prior is prior


def test_an_epoch_is_observed_once(prior, losses, bins):
    controller = Controller(prior)
    controller.observe(1, losses, bins)
    with pytest.raises(ControllerError, match="epoch 1 was observed already"):
        controller.observe(1, losses, bins)


def test_a_weight_out_of_range_is_told_before_the_first_epoch(prior):
    with pytest.raises(FeedbackError, match="expected"):
        Controller(prior, weight=-1.0)


def middling(losses, bins):
    """A rule of a user's."""
    return np.argsort(losses)[20:25]


def test_the_rule_alone_chooses_what_is_counted(prior, losses, bins):
    controller = Controller(prior, middling)
    after = controller.observe(0, losses, bins)
    expected = prior.alpha + bin_counts(bins[middling(losses, bins)], K)
    np.testing.assert_array_equal(after.alpha, expected)
    assert controller.observation.rule == "middling"


def test_with_feedback_off_no_rule_is_asked(prior, losses, bins):
    controller = Controller(prior, lambda losses, bins: pytest.fail("asked"), enabled=False)
    controller.observe(0, losses, bins)
    assert controller.observation.rule is None


@pytest.mark.parametrize(
    ("chosen", "why"),
    [
        ([0, 0], "2 indices of 1 samples"),
        ([N], f"within 0 to {N - 1}"),
        ([-1], "from -1 to -1"),
        ([0.5], "float64"),
        ([[1]], r"shape \(1, 1\)"),
        (np.ones(N, bool), "bool"),
    ],
)
def test_a_selection_that_is_none_names_its_rule(prior, losses, bins, chosen, why):
    def wrong(losses, bins):
        return chosen

    controller = Controller(prior, wrong)
    with pytest.raises(SelectionError, match=f"rule .*wrong returned .*{why}"):
        controller.observe(0, losses, bins)
    assert controller.prior is prior


def test_a_run_goes_on_with_the_rule_that_it_began_with(prior, losses, bins):
    begun = Controller(prior, middling)
    begun.observe(0, losses, bins)
    with pytest.raises(ControllerError, match=r"rule middling .* HighLoss\(share=0.1\)"):
        Controller(prior).load_state(begun.state_dict())
    Controller(prior, middling).load_state(begun.state_dict())


def test_a_state_older_than_rules_is_gone_on_with(prior, losses, bins):
    begun, resumed = Controller(prior), Controller(prior)
    begun.observe(0, losses, bins)
    resumed.load_state({k: v for k, v in begun.state_dict().items() if k != "rule"})
    np.testing.assert_array_equal(resumed.prior.alpha, begun.prior.alpha)


def test_losses_and_bins_of_other_lengths_are_refused(prior, losses, bins):
    with pytest.raises(ControllerError, match=r"\(59,\).*\(60, 4\)"):
        Controller(prior).observe(0, losses[1:], bins)


def test_versions_grow_from_where_the_prior_stood(prior, losses, bins):
    assert Controller(replace(prior, version=4)).observe(0, losses, bins).version == 5
