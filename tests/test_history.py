import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from feedback.controller import Controller
from feedback.history import (
    FILE,
    History,
    HistoryError,
    marginals,
    movement,
    prior_of,
    read_history,
)
from feedback.selection import HighLoss
from simulator.randomization.prior import JointPrior

N, D, K = 40, 3, 6
BINS = np.random.default_rng(0).integers(0, K, (N, D))
UNIFORM = JointPrior.uniform(-np.ones(D), np.ones(D), K)
ALPHAS = arrays(np.float64, (D, K), elements=st.floats(0.01, 1000))


def written(folder, epochs, enabled=True):
    """A history of that many epochs, and its controller."""
    controller = Controller(UNIFORM, enabled=enabled)
    history = History(folder)
    history.append(controller.observation)
    for epoch in range(epochs):
        controller.observe(epoch, np.random.default_rng(epoch).random(N), BINS)
        history.append(controller.observation)
    return controller


def test_what_is_appended_is_read_back(tmp_path):
    controller = written(tmp_path, 3)
    entries = read_history(tmp_path)
    assert [(e["version"], e["epoch"]) for e in entries] == [(0, -1), (1, 0), (2, 1), (3, 2)]
    last = prior_of(entries[-1])
    np.testing.assert_array_equal(last.alpha, controller.prior.alpha)
    assert entries[-1]["selected"] == controller.observation.selected.tolist()
    assert entries[-1]["losses"] == controller.observation.losses.tolist()
    np.testing.assert_array_equal(marginals(entries)[-1], last.marginal)


def test_an_entry_names_the_rule_that_selected(tmp_path):
    written(tmp_path, 1)
    assert [entry["rule"] for entry in read_history(tmp_path)] == [None, "HighLoss(share=0.1)"]


def test_a_history_older_than_rules_is_read_and_gone_on_with(tmp_path):
    controller = written(tmp_path, 1)
    path = tmp_path / FILE
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    for entry in entries:
        del entry["rule"]
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    assert [entry["rule"] for entry in read_history(tmp_path)] == [None, None]
    controller.observe(1, np.ones(N), BINS)
    History(tmp_path).append(controller.observation)
    assert [entry["version"] for entry in read_history(tmp_path)] == [0, 1, 2]


def test_no_file_is_an_empty_history(tmp_path):
    assert read_history(tmp_path) == []
    assert History(tmp_path).version == -1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cut", [1, 2, 100])
def test_a_half_written_last_line_is_left_out_and_cut_on_the_next_append(tmp_path, cut):
    controller = written(tmp_path, 2)
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes()[:-cut])
    assert [e["epoch"] for e in read_history(tmp_path)] == [-1, 0]
    History(tmp_path).append(controller.observation)
    assert [e["epoch"] for e in read_history(tmp_path)] == [-1, 0, 1]


def test_a_resumed_history_keeps_every_byte_of_the_earlier_one(tmp_path):
    controller = written(tmp_path, 2)
    before = (tmp_path / FILE).read_bytes()
    history = History(tmp_path)
    assert history.version == 2
    controller.observe(2, np.ones(N), BINS)
    history.append(controller.observation)
    after = (tmp_path / FILE).read_bytes()
    assert after.startswith(before)
    assert after.count(b"\n") == before.count(b"\n") + 1


def test_movement_after_a_resume_is_from_the_first_prior(tmp_path):
    controller = written(tmp_path, 2)
    controller.observe(2, np.ones(N), BINS)
    History(tmp_path).append(controller.observation)
    assert read_history(tmp_path)[-1]["movement"] == movement(UNIFORM, controller.prior)


def test_a_version_that_does_not_grow_is_refused(tmp_path):
    controller = written(tmp_path, 2)
    history = History(tmp_path)
    seen = controller.observation
    for version in (1, 2):
        other = replace(seen.prior, alpha=seen.prior.alpha + 1, version=version)
        with pytest.raises(HistoryError, match=f"version {version} of epoch 1 does not follow"):
            history.append(replace(seen, prior=other))
    assert len(read_history(tmp_path)) == 3


def test_with_feedback_off_the_epochs_are_still_written(tmp_path):
    written(tmp_path, 2, enabled=False)
    entries = read_history(tmp_path)
    assert [(e["version"], e["epoch"]) for e in entries] == [(0, -1), (0, 0), (0, 1)]
    assert entries[-1]["movement"]["total_variation_max"] == 0


def test_a_history_that_is_ahead_of_its_run_is_cut_to_where_the_run_goes_on(tmp_path):
    controller = written(tmp_path, 1)
    state, before = controller.state_dict(), (tmp_path / FILE).read_bytes()
    controller.observe(1, np.ones(N), BINS)
    History(tmp_path).append(controller.observation)  # and the run dies before its checkpoint
    history, resumed = History(tmp_path), Controller(UNIFORM)
    resumed.load_state(state)
    history.rewind(0)
    assert (tmp_path / FILE).read_bytes() == before
    resumed.observe(1, np.ones(N), BINS)
    history.append(resumed.observation)
    assert [e["version"] for e in read_history(tmp_path)] == [0, 1, 2]


def test_an_infinite_loss_is_valid_json(tmp_path):
    controller, history = Controller(UNIFORM, HighLoss(0.1)), History(tmp_path)
    controller.observe(0, np.full(N, np.inf), BINS)
    history.append(controller.observation)
    line = (tmp_path / FILE).read_text()
    assert json.loads(line, parse_constant=pytest.fail)["losses"] == [None] * 4


@pytest.mark.parametrize("line", ["[]", "{}", "x", '{"version": 1, "alpha": [[0]]}'])
def test_a_damaged_line_is_named(tmp_path, line):
    written(tmp_path, 1)
    with (tmp_path / FILE).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(HistoryError, match="line 3 is no prior"):
        read_history(tmp_path)


@given(ALPHAS)
def test_a_prior_that_stays_has_not_moved(alpha):
    prior = replace(UNIFORM, alpha=alpha)
    assert movement(prior, prior)["total_variation_max"] == 0


@given(ALPHAS, ALPHAS)
def test_movement_is_symmetric_and_a_share(a, b):
    first, last = replace(UNIFORM, alpha=a), replace(UNIFORM, alpha=b)
    there, back = movement(first, last), movement(last, first)
    np.testing.assert_allclose(there["total_variation"], back["total_variation"])
    assert 0 <= there["total_variation_mean"] <= there["total_variation_max"] <= 1
    assert there["entropy"] == back["entropy_first"]


@given(ALPHAS)
def test_divergence_from_uniform_is_that_of_the_definition(alpha):
    p = alpha / alpha.sum(axis=1, keepdims=True)
    expected = (p * np.log(p * K)).sum(axis=1)
    moved = movement(UNIFORM, replace(UNIFORM, alpha=alpha))
    np.testing.assert_allclose(moved["kl_uniform"], expected, atol=1e-12)


def test_total_variation_is_the_share_of_poses_that_changed_bins():
    one, other = np.full((1, 4), 1e-9), np.full((1, 4), 1e-9)
    one[0, :2], other[0, 1:3] = 1, 1
    ends = -np.ones(1), np.ones(1)
    moved = movement(JointPrior(one, *ends), JointPrior(other, *ends))
    assert moved["total_variation"] == pytest.approx([0.5])


def test_priors_of_other_shapes_cannot_be_compared():
    with pytest.raises(HistoryError, match=r"\(3, 6\).*\(3, 7\)"):
        movement(UNIFORM, JointPrior.uniform(-np.ones(D), np.ones(D), K + 1))
