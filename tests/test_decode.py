"""Laws of decoding."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.labels import LEVELS, belief_map
from trainer.beliefs.decode import FOUND, _solved, decode

WIDTH, HEIGHT = 160, 120


def paint(points, stride=4, sigma=1.5, width=WIDTH, height=HEIGHT):
    """Belief maps as they are sent, in steps of 1/255."""
    points = np.asarray(points, dtype=float).reshape(-1, 2)
    painted = belief_map(points, np.ones(len(points), bool), width, height, stride, sigma)
    return torch.from_numpy(painted)[None] / LEVELS


def exact(points, stride=4, sigma=1.5, width=WIDTH, height=HEIGHT):
    """Belief maps before they are rounded."""
    cells = (np.asarray(points, dtype=float).reshape(-1, 2, 1) + 0.5) / stride - 0.5
    gx = np.exp(-((np.arange(width // stride) - cells[:, 0]) ** 2) / (2 * sigma**2))
    gy = np.exp(-((np.arange(height // stride) - cells[:, 1]) ** 2) / (2 * sigma**2))
    return torch.from_numpy(gy[:, :, None] * gx[:, None, :])[None]


inside = st.tuples(st.floats(-0.5, WIDTH - 0.51), st.floats(-0.5, HEIGHT - 0.51))
sigmas = st.sampled_from([1.0, 1.5, 2.0, 3.0])


@given(st.lists(inside, min_size=1, max_size=8), sigmas)
@settings(max_examples=200, deadline=None)
def test_peak_of_belief_is_the_keypoint(points, sigma):
    peaks = decode(exact(points, sigma=sigma), 4)
    assert np.abs(peaks.pixels[0] - points).max() < 0.05
    assert peaks.found.all()


@given(st.floats(-0.5, 319.4), st.floats(-0.5, 239.4), st.sampled_from([1, 2, 8, 16]), sigmas)
@settings(max_examples=100, deadline=None)
def test_the_law_holds_at_every_stride(x, y, stride, sigma):
    belief = exact([(x, y)], stride, sigma, width=320, height=240)
    assert np.abs(decode(belief, stride).pixels[0, 0] - (x, y)).max() < 0.0125 * stride


@given(st.floats(4.0, WIDTH - 5.0), st.floats(4.0, HEIGHT - 5.0))
@settings(max_examples=200, deadline=None)
def test_eight_bits_keep_the_keypoint(x, y):
    assert np.abs(decode(paint([(x, y)]), 4).pixels[0, 0] - (x, y)).max() < 0.05


@given(st.floats(-0.5, 4.0), st.floats(-0.5, 4.0))
@settings(max_examples=100, deadline=None)
def test_eight_bits_cost_little_even_in_a_corner(x, y):
    assert np.abs(decode(paint([(x, y)]), 4).pixels[0, 0] - (x, y)).max() < 0.12


@given(inside, st.floats(0.2, 1.0))
@settings(max_examples=50, deadline=None)
def test_a_fainter_peak_lies_at_the_same_place(point, factor):
    belief = paint([point])
    full, faint = decode(belief, 4), decode(factor * belief, 4)
    assert np.abs(full.pixels - faint.pixels).max() < 0.02
    assert np.allclose(faint.scores, factor * full.scores, atol=1e-6)


def test_each_map_is_decoded_on_its_own():
    points = np.array([[10.0, 20.0], [100.3, 57.7], [159.0, 119.0]])
    together = decode(paint(points), 4)
    alone = [decode(paint([p]), 4).pixels[0, 0] for p in points]
    assert np.allclose(together.pixels[0], alone, atol=1e-6)


def test_the_higher_peak_wins():
    belief = torch.maximum(paint([(30.0, 30.0)]), 0.6 * paint([(120.0, 80.0)]))
    assert np.abs(decode(belief, 4).pixels[0, 0] - (30, 30)).max() < 0.05


def test_a_lone_bright_cell_loses_to_a_peak():
    belief = 0.7 * paint([(120.0, 80.0)])
    belief[0, 0, 3, 3] = 1.0
    assert np.abs(decode(belief, 4).pixels[0, 0] - (120, 80)).max() < 0.05


def test_noise_moves_a_peak_by_less_than_a_cell():
    torch.manual_seed(0)
    points = np.random.default_rng(0).uniform(10, 100, (50, 2))
    noisy = (paint(points) + 0.05 * torch.randn(1, 50, 30, 40)).clamp(0, 1)
    assert np.abs(decode(noisy, 4).pixels[0] - points).max() < 2.0


def test_an_empty_map_is_not_found():
    peaks = decode(torch.zeros(2, 3, 30, 40), 4)
    assert not peaks.found.any()
    assert np.isfinite(peaks.pixels).all()


def test_a_peak_at_the_threshold_is_found():
    cell = (0.5 * 4 - 0.5, 0.5 * 4 - 0.5)  # the centre of cell 0
    belief = paint([cell]).double()
    assert decode(belief * FOUND, 4).scores[0, 0] == np.float32(FOUND)
    assert not decode(belief * FOUND * 0.99, 4).found.any()


@given(st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_any_map_decodes_to_within_a_few_cells_of_the_frame(seed):
    belief = torch.rand(2, 3, 30, 40, generator=torch.Generator().manual_seed(seed)) ** 8
    peaks = decode(belief, 4)
    assert np.isfinite(peaks.pixels).all()
    assert peaks.pixels.min() > -8
    assert (peaks.pixels < [WIDTH + 8, HEIGHT + 8]).all()


@given(st.integers(0, 2**31), st.floats(-8, 0))
@settings(max_examples=50, deadline=None)
def test_elimination_solves_what_lapack_solves(seed, smallest):
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(5, 9, 4, dtype=torch.double, generator=generator)
    weights = 10 ** (smallest * torch.rand(5, 9, 1, dtype=torch.double, generator=generator))
    normal = points.mT @ (weights * points)
    true = torch.randn(5, 4, dtype=torch.double, generator=generator)
    right = (normal @ true[..., None])[..., 0]
    ours, lapack = _solved(normal, right), torch.linalg.solve(normal, right)
    bound = 1e-13 * torch.linalg.cond(normal)[:, None] + 1e-12
    assert ((ours - lapack).abs() <= bound * (1 + lapack.abs())).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 2), (1, 9)])
def test_maps_too_small_for_a_fit_give_their_highest_cell(shape):
    belief = torch.zeros(1, 1, *shape)
    belief[..., -1, -1] = 1.0
    peaks = decode(belief, 4)
    assert np.isfinite(peaks.pixels).all()
    assert np.abs(peaks.pixels[0, 0] - (np.array(shape[::-1]) - 0.5) * 4 + 0.5).max() <= 6.0
