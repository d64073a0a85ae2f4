"""Laws of painted belief maps: the simulator's, without its rounding."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from simulator.labels import LEVELS, belief_map
from trainer.beliefs.decode import decode
from trainer.beliefs.paint import paint


@given(
    seed=st.integers(0, 2**32 - 1),
    sigma=st.floats(0.5, 5),
    stride=st.sampled_from([2, 4, 8]),
)
def test_painting_on_the_device_is_what_the_simulator_paints(
    seed: int, sigma: float, stride: int
) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.uniform(-40, 120, (2, 5, 2))
    present = rng.random((2, 5)) < 0.7
    pixels[~present] = np.where(rng.random(((~present).sum(), 1)) < 0.5, np.nan, 7.0)
    painted = paint(
        torch.from_numpy(pixels).float(), torch.from_numpy(present), 96, 64, stride, sigma
    )
    assert painted.dtype == torch.float32
    for map_, points, here in zip(painted.numpy(), pixels, present, strict=True):
        expected = belief_map(points, here, 96, 64, stride, sigma)
        np.testing.assert_allclose(map_, expected / LEVELS, atol=0.5 / 255 + 2e-5)


def test_the_peak_of_a_painted_map_is_its_keypoint() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.uniform((0, 0), (159, 119), (40, 3, 2))
    maps = paint(
        torch.from_numpy(pixels).float(), torch.ones(40, 3, dtype=torch.bool), 160, 120, 4, 1.5
    )
    assert np.abs(decode(maps, 4).pixels - pixels).max() < 0.05
