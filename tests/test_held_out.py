"""Laws of the validation."""

import numpy as np
import pytest
import torch
from torch import nn

from trainer.batch import Batch
from trainer.evaluation.held_out import CHUNK, validate
from trainer.models import BeliefNetwork

NAMES = ("shoulder", "wrist")


class Oracle(BeliefNetwork):
    """Reads the belief maps off the image's first two channels: it always knows."""

    def __init__(self, gain=1.0):
        super().__init__(joints=2, stride=4)
        self.gain = nn.Parameter(torch.tensor(gain))
        self.modes = []

    def forward(self, images):
        self.modes.append(self.training)
        return [self.gain * images[:, :2, ::4, ::4].float() / 255.0]


@pytest.fixture(scope="module")
def held_out() -> Batch:
    rng = np.random.default_rng(0)
    n = CHUNK + 3
    pixels = rng.uniform(5, 40, (n, 2, 2))
    visibility = rng.integers(0, 3, (n, 2)).astype(np.uint8)
    visibility[0] = 2
    cells = (pixels + 0.5) / 4 - 0.5
    grid = np.exp(-((np.arange(12) - cells[..., None]) ** 2) / (2 * 1.5**2))
    maps = grid[:, :, 1, :, None] * grid[:, :, 0, None, :]
    beliefs = torch.from_numpy(np.rint(255 * maps * (visibility > 0)[..., None, None])).byte()
    images = torch.zeros(n, 3, 48, 48, dtype=torch.uint8)
    images[:, :2] = beliefs.repeat_interleave(4, 2).repeat_interleave(4, 3)
    masks = torch.zeros(n, 48, 48, dtype=torch.uint8)
    bins = rng.integers(0, 16, (n, 6))
    return Batch(images, masks, beliefs, pixels, visibility, bins, np.ones(n))


def test_a_network_that_knows_everything_errs_nowhere(held_out):
    result = validate(Oracle(), held_out, NAMES)
    assert result.losses == pytest.approx(np.zeros(len(held_out)))
    assert result.metrics["miss_rate"] == 0
    assert result.metrics["epe_mean_px"] < 0.1
    assert result.metrics["n_in_frame"] == held_out.in_frame.sum()
    assert set(result.metrics["joints"]) == set(NAMES)


def test_a_network_that_believes_nothing_misses_everything_at_loss_one(held_out):
    result = validate(Oracle(gain=0.0), held_out, NAMES)
    assert result.losses == pytest.approx(held_out.in_frame.any(axis=1).astype(float))
    assert result.metrics["miss_rate"] == 1
    assert result.metrics["mean_percent"] is None


def test_results_stand_in_the_order_of_the_samples(held_out):
    network = Oracle()
    whole = validate(network, held_out, NAMES)
    alone = [validate(network, one, NAMES) for one in held_out.chunks(1)]
    assert np.allclose(whole.losses, [v.losses[0] for v in alone])
    assert np.allclose(whole.peaks.pixels, [v.peaks.pixels[0] for v in alone])
    assert np.allclose(whole.errors.pixels, [v.errors.pixels[0] for v in alone])


class Shifted(Oracle):
    """Decodes by a rule of its own: a pixel further to the right."""

    def locate(self, belief):
        pixels, scores = super().locate(belief)
        return pixels + torch.tensor([1.0, 0.0]), scores


def test_keypoints_follow_from_the_networks_own_decoding(held_out):
    plain, shifted = (validate(n, held_out, NAMES).peaks for n in (Oracle(), Shifted()))
    assert np.allclose(shifted.pixels, plain.pixels + np.array([1.0, 0.0]))


class Backed(Oracle):
    """Puts out a background map after the keypoints' maps."""

    def __init__(self):
        super().__init__()
        self.maps = 3

    def forward(self, images):
        (belief,) = super().forward(images)
        return [torch.cat([belief, torch.ones_like(belief[:, :1])], dim=1)]


def test_a_background_map_changes_neither_losses_nor_keypoints(held_out):
    plain, backed = (validate(n, held_out, NAMES) for n in (Oracle(), Backed()))
    assert np.array_equal(plain.losses, backed.losses)
    assert np.array_equal(plain.peaks.pixels, backed.peaks.pixels)


@pytest.mark.parametrize("mode", [True, False])
def test_the_network_is_judged_in_evaluation_mode_and_left_in_its_own(held_out, mode):
    network = Oracle().train(mode)
    validate(network, held_out, NAMES)
    assert not any(network.modes)
    assert network.training is mode


def test_a_network_that_fails_is_left_in_its_mode_too(held_out):
    network = Oracle().train()
    small = Batch(held_out.images[:, :, :40], *list(vars(held_out).values())[1:])
    with pytest.raises(RuntimeError):
        validate(network, small, NAMES)
    assert network.training


def test_validation_leaves_no_gradients(held_out):
    network = Oracle()
    validate(network, held_out, NAMES)
    assert network.gain.grad is None
