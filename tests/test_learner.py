"""Laws of the learner."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from learner_parts import learner_of, weights

from trainer.batch import Batch
from trainer.config.presets import preset
from trainer.learning.learner import LearnerError
from trainer.learning.optimiser import learning_rate

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
    masks = torch.zeros(n, 32, 32, dtype=torch.uint8)
    return Batch(images, masks, beliefs, pixels, visibility, np.zeros((n, 6), np.int64), np.ones(n))


def test_training_on_one_batch_lowers_its_loss():
    learner = learner_of(CONFIG, JOINTS)
    losses = [learner.step(batch(), 0.3) for _ in range(30)]
    assert min(losses[-5:]) < 0.5 * losses[0]
    assert learner.steps == 30


def test_the_seed_decides_the_weights():
    one, same = learner_of(CONFIG, JOINTS), learner_of(CONFIG, JOINTS)
    other = learner_of(replace(CONFIG, seed=1), JOINTS)
    first, second, third = (next(iter(x.network.parameters())) for x in (one, same, other))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_building_a_learner_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    learner_of(CONFIG, JOINTS)
    assert torch.equal(torch.rand(1), expected)


def test_a_resumed_learner_goes_on_as_if_it_had_not_stopped():
    kept = learner_of(CONFIG, JOINTS)
    for i in range(3):
        kept.step(batch(i), 0.3)
    resumed = learner_of(replace(CONFIG, seed=9), JOINTS)
    resumed.load_state_dict(_copied(kept.state_dict()))
    assert resumed.steps == 3
    for i in (7, 8):
        after = [learner.step(batch(i), 0.4) for learner in (kept, resumed)]
        assert after[0] == after[1]
    for part in ("network", "ema"):
        mine, theirs = (weights(getattr(learner, part)) for learner in (kept, resumed))
        assert all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))


def _copied(value):
    if isinstance(value, dict):
        return {k: _copied(v) for k, v in value.items()}
    return value.clone() if isinstance(value, torch.Tensor) else value


def test_a_loss_that_is_not_finite_stops_before_the_weights_move():
    learner = learner_of(CONFIG, JOINTS)
    with torch.no_grad():
        next(iter(learner.network.parameters())).fill_(math.nan)
    others = [p.clone() for p in learner.network.parameters()][1:]
    with pytest.raises(LearnerError, match=r"at step 0 the loss is nan, .* --learning-rate"):
        learner.step(batch(), 0.5)
    now = list(learner.network.parameters())[1:]
    assert all(torch.equal(a, b) for a, b in zip(others, now, strict=True))


def test_the_learning_rate_is_set_by_progress():
    learner = learner_of(CONFIG, JOINTS)
    learner.step(batch(), 0.5)
    assert learner.optimiser.param_groups[0]["lr"] == learning_rate(CONFIG.optimiser, 0.5)


def test_what_is_judged_is_the_mean_of_what_was_trained():
    learner = learner_of(CONFIG, JOINTS)
    start = weights(learner.ema)
    learner.step(batch(), 0.3)
    trained = weights(learner.network)
    # The decay of the first step is 0.1.
    expected = [a + 0.9 * (b - a) for a, b in zip(start, trained, strict=True)]
    for mine, theirs in zip(weights(learner.ema), expected, strict=True):
        torch.testing.assert_close(mine, theirs)
    assert not any(w.requires_grad for w in learner.ema.parameters())


def test_without_an_average_the_network_itself_is_judged():
    config = replace(CONFIG, optimiser=replace(CONFIG.optimiser, ema=0.0))
    learner = learner_of(config, JOINTS)
    assert learner.ema is learner.network
    assert learner.state_dict()["ema"] is None


def test_the_average_does_not_change_how_the_network_is_trained():
    config = replace(CONFIG, optimiser=replace(CONFIG.optimiser, ema=0.0))
    with_average, without = learner_of(CONFIG, JOINTS), learner_of(config, JOINTS)
    for i in range(2):
        losses = [learner.step(batch(i), 0.3) for learner in (with_average, without)]
        assert losses[0] == losses[1]


def test_a_gradient_that_is_not_finite_stops_before_the_weights_move(monkeypatch):
    learner = learner_of(CONFIG, JOINTS)
    learner.step(batch(), 0.5)
    before = [w.detach().clone() for w in learner.network.parameters()]

    def steep(beliefs, target, config, mean):
        return torch.stack([b.sum() for b in beliefs]).sum().sub(3.0).mul(1e38)

    monkeypatch.setattr("trainer.learning.learner.training_loss", steep)
    with pytest.raises(LearnerError, match=r"at step 1 the .* is .*inf"):
        learner.step(batch(), 0.5)
    now = learner.network.parameters()
    assert all(torch.equal(a, b) for a, b in zip(before, now, strict=True))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_sixteen_bits_learn_as_32_do(precision):
    exact, short = (learner_of(replace(CONFIG, precision=p), JOINTS) for p in ("32", precision))
    for _ in range(20):
        losses = [learner.step(batch(), 0.3) for learner in (exact, short)]
        assert losses[0] == pytest.approx(losses[1], rel=0.25)
    assert all(w.dtype == torch.float32 for w in short.network.parameters())


def test_fp16_scales_gradients_and_keeps_the_scale():
    learner = learner_of(replace(CONFIG, precision="fp16"), JOINTS)
    learner.step(batch(), 0.3)
    kept = learner.state_dict()["scaler"]
    resumed = learner_of(replace(CONFIG, precision="fp16"), JOINTS)
    resumed.step(batch(), 0.3)
    resumed.scaler.update(4.0)
    resumed.load_state_dict(learner.state_dict())
    assert resumed.scaler.get_scale() == kept["scale"] > 4.0


def test_a_run_may_go_on_in_another_precision():
    state = learner_of(replace(CONFIG, precision="32"), JOINTS).state_dict()
    resumed = learner_of(replace(CONFIG, precision="fp16"), JOINTS)
    resumed.load_state_dict(state)
    assert resumed.scaler.get_scale() > 1.0
