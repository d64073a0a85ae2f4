"""Laws of framing."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.beliefs.decode import decode
from trainer.inference.letterbox import LONGEST, Framing

sides = st.integers(1, 3000)
TRAINED, MULTIPLE = (160, 120), 8


def test_a_photo_of_the_trained_size_is_left_as_it_is():
    framing = Framing.free(TRAINED, TRAINED, MULTIPLE)
    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    assert np.array_equal(framing.apply(image, (0, 0, 0)), image)
    assert np.array_equal(framing.back(np.array([3.25, 7.5])), [3.25, 7.5])


@given(sides, sides, st.floats(0.25, 2.0))
@settings(max_examples=200)
def test_the_aspect_is_kept_and_the_canvas_fits_the_network(width, height, scale):
    framing = Framing.free((width, height), TRAINED, MULTIPLE, scale)
    fx, fy = framing.factor
    # A side is off by at most half a pixel, or was raised to one.
    assert abs(fx - fy) <= 0.5 / width + 0.5 / height or min(framing.inner) == 1
    for inner, canvas in zip(framing.inner, framing.canvas, strict=True):
        assert canvas % MULTIPLE == 0
        assert inner <= canvas < inner + MULTIPLE
    assert max(framing.inner) <= scale * LONGEST * max(TRAINED) + 1


@given(st.integers(20, 3000), st.integers(20, 3000))
@settings(max_examples=100)
def test_photos_of_usual_aspects_get_the_trained_area(width, height):
    if not 0.5 < width / height < 2:
        return
    inner = Framing.free((width, height), TRAINED, MULTIPLE).inner
    assert inner[0] * inner[1] == pytest.approx(TRAINED[0] * TRAINED[1], rel=0.02)


@given(sides, sides, st.floats(0.1, 1.0))
@settings(max_examples=100)
def test_a_fixed_canvas_holds_any_photo(width, height, scale):
    framing = Framing.fixed((width, height), TRAINED, scale)
    assert framing.canvas == TRAINED
    assert all(1 <= i <= c for i, c in zip(framing.inner, TRAINED, strict=True))


@given(
    st.integers(24, 900),
    st.integers(24, 900),
    st.floats(0.2, 0.8),
    st.floats(0.2, 0.8),
    st.floats(0.5, 1.5),
)
@settings(max_examples=60)
def test_resizing_leaves_a_spot_where_the_geometry_says(width, height, u, v, scale):
    framing = Framing.free((width, height), (96, 64), MULTIPLE, scale)
    point = np.array([u * width, v * height])
    sigma = 3.0 / min(1.0, *framing.factor)
    x, y = np.arange(width), np.arange(height)
    spot = np.exp(-((y - point[1]) ** 2) / (2 * sigma**2))[:, None] * np.exp(
        -((x - point[0]) ** 2) / (2 * sigma**2)
    )
    image = np.repeat(np.rint(255 * spot)[..., None], 3, axis=2).astype(np.uint8)
    canvas = framing.apply(image, (0, 0, 0))[..., 0].astype(float)
    near = canvas * (canvas > 80)  # of the Gaussian, what edges do not cut in most cases
    if near[0].any() or near[:, 0].any() or (near[framing.inner[1] - 1 :]).any():
        return
    if near[:, framing.inner[0] - 1 :].any():
        return
    weight = np.maximum(canvas - 80, 0)
    total = weight.sum()
    found = np.array(
        [
            (weight.sum(axis=0) * np.arange(canvas.shape[1])).sum() / total,
            (weight.sum(axis=1) * np.arange(canvas.shape[0])).sum() / total,
        ]
    )
    error = np.abs(framing.back(found) - point) * framing.factor  # in canvas pixels
    assert error.max() < 0.1


def test_shrinking_does_not_alias():
    stripes = np.zeros((480, 640, 3), np.uint8)
    stripes[:, ::2] = 255
    framing = Framing.free((640, 480), TRAINED, MULTIPLE)
    canvas = framing.apply(stripes, (0, 0, 0))
    assert np.abs(canvas.astype(int) - 127).max() <= 2


def test_what_the_photo_does_not_cover_has_the_fill():
    framing = Framing.free((500, 500), TRAINED, 32)
    canvas = framing.apply(np.zeros((500, 500, 3), np.uint8), (9, 8, 7))
    width, height = framing.inner
    assert not canvas[:height, :width].any()
    assert (canvas[height:] == [9, 8, 7]).all()
    assert (canvas[:, width:] == [9, 8, 7]).all()


def test_maps_resampled_to_another_scale_keep_their_peaks():
    photo = (640, 480)
    coarse, fine = (Framing.free(photo, TRAINED, MULTIPLE, scale) for scale in (0.8, 1.25))
    point = np.array([250.3, 181.7])

    def maps(framing):
        cells = ((point + 0.5) * framing.factor) / 4 - 0.5
        width, height = (side // 4 for side in framing.canvas)
        gx = np.exp(-((np.arange(width) - cells[0]) ** 2) / (2 * 1.5**2))
        gy = np.exp(-((np.arange(height) - cells[1]) ** 2) / (2 * 1.5**2))
        return torch.from_numpy(gy[:, None] * gx)[None]

    resampled = coarse.resample(maps(coarse), fine)
    assert resampled.shape == maps(fine).shape
    found = fine.back(decode(resampled[None], 4).pixels[0, 0])
    assert np.abs(found - point).max() < 0.25  # of 640: bicubic bends a peak a little
