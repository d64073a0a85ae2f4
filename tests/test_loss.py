"""Laws of the losses."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.beliefs.loss import per_sample, training_loss
from trainer.config.config import LossConfig

SHAPE = (3, 4, 6, 8)
KINDS = [LossConfig(k, f) for k in ("mse", "smooth-l1", "cross-entropy") for f in (0.0, 5.0)]


def peaks(count: int) -> torch.Tensor:
    """Maps of which so many hold one peak, the first of them in a corner; the rest are empty."""
    target = torch.zeros(SHAPE)
    x, y = torch.meshgrid(torch.arange(8.0), torch.arange(6.0), indexing="xy")
    for i in range(count):
        target.view(-1, 6, 8)[i] = torch.exp(-((x - i) ** 2 + (y - i) ** 2) / 2)
    return target


def maps(seed: int) -> torch.Tensor:
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("stages", [1, 2, 6])
@pytest.mark.parametrize("config", KINDS)
def test_all_zero_maps_have_loss_one_and_the_target_zero(config, stages):
    for target in (maps(0), peaks(5), peaks(1)):
        nothing = torch.zeros_like(target)
        assert training_loss([nothing] * stages, target, config) == pytest.approx(1.0)
        assert training_loss([target] * stages, target, config) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("config", KINDS)
def test_the_loss_is_the_mean_over_stages(config):
    target, a, b = maps(0), maps(1), maps(2)
    both = training_loss([a, b], target, config)
    alone = (training_loss([a], target, config) + training_loss([b], target, config)) / 2
    assert torch.allclose(both, alone)


@pytest.mark.parametrize("config", KINDS)
def test_every_loss_is_least_at_the_target(config):
    target = maps(0)
    assert training_loss([maps(1)], target, config) > training_loss([target], target, config)
    logits = torch.logit(target.clamp(0.01, 0.99)).requires_grad_()
    loss = training_loss([torch.sigmoid(logits)], target.clamp(0.01, 0.99), config)
    loss.backward()
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-6


def test_without_foreground_the_squared_error_is_relative_to_the_targets_energy():
    target, belief = maps(0), maps(1)
    expected = ((target - belief) ** 2).sum() / (target**2).sum()
    assert training_loss([belief], target, LossConfig("mse")).item() == pytest.approx(expected)


@pytest.mark.parametrize("config", KINDS)
def test_a_larger_frame_around_the_same_beliefs_changes_nothing(config):
    target, belief = peaks(3), 0.3 * peaks(3)
    larger = [torch.nn.functional.pad(m, (0, 40, 30, 0)) for m in (belief, target)]
    assert training_loss([larger[0]], larger[1], config).item() == pytest.approx(
        training_loss([belief], target, config).item(), rel=1e-3
    )


@pytest.mark.parametrize("config", KINDS)
def test_a_batch_without_any_keypoint_still_teaches_silence(config):
    target = torch.zeros(SHAPE)
    assert training_loss([target], target, config) == 0
    logits = torch.full(SHAPE, -3.0, requires_grad=True)
    loss = training_loss([torch.sigmoid(logits)], target, config)
    loss.backward()
    assert torch.isfinite(loss)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad > 0).all()


def test_foreground_weighs_a_peaks_cell_more():
    target = torch.zeros(1, 1, 2, 2)
    target[0, 0, 0, 0] = 1.0
    config = LossConfig("mse", foreground=9.0)
    at_peak, elsewhere = target.clone(), target.clone()
    at_peak[0, 0, 0, 0] -= 0.5
    elsewhere[0, 0, 1, 1] += 0.5
    assert training_loss([at_peak], target, config).item() == pytest.approx(
        10 * training_loss([elsewhere], target, config).item()
    )


@given(st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_an_empty_map_has_loss_one_per_sample(seed):
    in_frame = torch.ones(SHAPE[:2], dtype=torch.bool)
    assert torch.allclose(per_sample(torch.zeros(SHAPE), maps(seed), in_frame), torch.ones(3))


@given(st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_joints_out_of_the_frame_do_not_count(seed):
    target, belief = maps(seed), maps(seed + 1)
    in_frame = torch.ones(SHAPE[:2], dtype=torch.bool)
    in_frame[:, 1] = False
    kept = [0, 2, 3]
    expected = per_sample(belief[:, kept], target[:, kept], in_frame[:, kept])
    assert torch.allclose(per_sample(belief, target, in_frame), expected)


def test_a_sample_with_no_joint_in_the_frame_has_loss_zero():
    nothing = torch.zeros(SHAPE[:2], dtype=torch.bool)
    assert torch.equal(per_sample(maps(0), torch.zeros(SHAPE), nothing), torch.zeros(3))


def test_the_loss_of_a_sample_does_not_depend_on_the_others():
    target, belief = maps(0), maps(1)
    in_frame = torch.ones(SHAPE[:2], dtype=torch.bool)
    together = per_sample(belief, target, in_frame)
    alone = torch.cat(
        [per_sample(belief[i : i + 1], target[i : i + 1], in_frame[:1]) for i in range(3)]
    )
    assert torch.allclose(together, alone)


@pytest.mark.parametrize("config", KINDS)
def test_a_background_map_is_to_be_what_the_keypoints_leave(config):
    target = maps(0)
    background = 1 - target.amax(dim=1, keepdim=True)
    whole = torch.cat([target, background], dim=1)
    assert training_loss([whole], target, config) == pytest.approx(0.0, abs=1e-6)
    nothing = torch.cat([torch.zeros_like(target), torch.ones_like(background)], dim=1)
    assert training_loss([nothing], target, config) == pytest.approx(1.0)
    wrong = torch.cat([target, 1 - background], dim=1)
    assert training_loss([wrong], target, config) > 0


def test_foreground_weighs_the_background_map_where_a_keypoint_is():
    target = torch.zeros(1, 1, 2, 2)
    target[0, 0, 0, 0] = 1.0
    whole = torch.cat([target, 1 - target], dim=1)
    config = LossConfig("mse", foreground=9.0)
    at_peak, elsewhere = whole.clone(), whole.clone()
    at_peak[0, 1, 0, 0] += 0.5
    elsewhere[0, 1, 1, 1] -= 0.5
    assert training_loss([at_peak], target, config).item() == pytest.approx(
        10 * training_loss([elsewhere], target, config).item()
    )


def test_the_loss_of_a_sample_leaves_the_background_map_out():
    target, belief = maps(0), maps(1)
    in_frame = torch.ones(SHAPE[:2], dtype=torch.bool)
    more = torch.cat([belief, maps(2)[:, :1]], dim=1)
    assert torch.equal(per_sample(more, target, in_frame), per_sample(belief, target, in_frame))
