"""Laws of the learner."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.batch import Batch
from trainer.config import OptimiserConfig
from trainer.learner import Learner, LearnerError, learning_rate
from trainer.presets import preset

CONFIG = preset("tiny")
JOINTS = 2


def batch(seed: int = 0, n: int = 4) -> Batch:
    """Random images with one bright square each; a keypoint on it, and one that never shows."""
    rng = np.random.default_rng(seed)
    cells = rng.integers(1, 7, (n, 2))
    images = torch.from_numpy(rng.integers(0, 60, (n, 3, 32, 32)).astype(np.uint8))
    beliefs = torch.zeros(n, JOINTS, 8, 8, dtype=torch.uint8)
    for i, (x, y) in enumerate(cells):
        images[i, :, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4] = 255
        beliefs[i, 0, y, x] = 255
    pixels = np.repeat((cells[:, None] + 0.5) * 4 - 0.5, JOINTS, axis=1)
    visibility = np.tile(np.array([2, 0], np.uint8), (n, 1))
    return Batch(images, beliefs, pixels, visibility, np.zeros((n, 6), np.int64))


def test_training_on_one_batch_lowers_its_loss():
    learner = Learner(CONFIG, JOINTS)
    losses = [learner.step(batch(), 0.3) for _ in range(30)]
    assert min(losses[-5:]) < 0.5 * losses[0]
    assert learner.steps == 30


def test_the_seed_decides_the_weights():
    one, same = Learner(CONFIG, JOINTS), Learner(CONFIG, JOINTS)
    other = Learner(dataclasses.replace(CONFIG, seed=1), JOINTS)
    first, second, third = (next(iter(x.network.parameters())) for x in (one, same, other))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_building_a_learner_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    Learner(CONFIG, JOINTS)
    assert torch.equal(torch.rand(1), expected)


def test_a_resumed_learner_goes_on_as_if_it_had_not_stopped():
    kept = Learner(CONFIG, JOINTS)
    for i in range(3):
        kept.step(batch(i), 0.3)
    resumed = Learner(dataclasses.replace(CONFIG, seed=9), JOINTS)
    weights = {name: value.clone() for name, value in kept.network.state_dict().items()}
    resumed.network.load_state_dict(weights)
    state = kept.state_dict()
    resumed.load_state_dict({**state, "optimiser": _copied(state["optimiser"])})
    assert resumed.steps == 3
    after = [learner.step(batch(7), 0.4) for learner in (kept, resumed)]
    assert after[0] == pytest.approx(after[1], rel=1e-5)
    last = [learner.step(batch(8), 0.4) for learner in (kept, resumed)]
    assert last[0] == pytest.approx(last[1], rel=1e-4)


def _copied(value):
    if isinstance(value, dict):
        return {k: _copied(v) for k, v in value.items()}
    return value.clone() if isinstance(value, torch.Tensor) else value


def test_a_loss_that_is_not_finite_stops_before_the_weights_move():
    learner = Learner(CONFIG, JOINTS)
    with torch.no_grad():
        next(iter(learner.network.parameters())).fill_(math.nan)
    others = [p.clone() for p in learner.network.parameters()][1:]
    with pytest.raises(LearnerError, match="step 0 is nan"):
        learner.step(batch(), 0.5)
    now = list(learner.network.parameters())[1:]
    assert all(torch.equal(a, b) for a, b in zip(others, now, strict=True))


def test_the_learning_rate_is_set_by_progress():
    learner = Learner(CONFIG, JOINTS)
    learner.step(batch(), 0.5)
    assert learner.optimiser.param_groups[0]["lr"] == learning_rate(CONFIG.optimiser, 0.5)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.5), st.floats(0, 1))
def test_the_learning_rate_climbs_then_falls_within_its_bounds(a, b, warmup, floor):
    config = OptimiserConfig(learning_rate=0.1, warmup=warmup, floor=floor)
    early, late = sorted((a, b))
    first, second = learning_rate(config, early), learning_rate(config, late)
    assert 0 <= first <= 0.1 * (1 + 1e-9)
    if late < warmup:
        assert first <= second
    if early >= warmup:
        assert first >= second - 1e-12


def test_the_learning_rate_peaks_after_the_warm_up_and_ends_at_the_floor():
    config = OptimiserConfig(learning_rate=0.1, warmup=0.1, floor=0.05)
    assert learning_rate(config, 0.1) == pytest.approx(0.1)
    assert learning_rate(config, 1.0) == pytest.approx(0.005)
