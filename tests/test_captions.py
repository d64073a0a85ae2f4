"""Names in pictures stand beside their keypoints, apart from each other and inside the frame."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from simulator.drawing.captions import (
    BAR,
    PANEL,
    RING,
    SMALLEST,
    belief_panels,
    captioned,
    draw_names,
)
from simulator.drawing.drawing import PlotError

NAMES = ("elbow", "wrist_1", "tool_flange")
WHITE = (255, 255, 255)
INSIDE = st.floats(-50, 400, allow_nan=False)


def changed(image: np.ndarray, pixels: np.ndarray, shown: np.ndarray) -> np.ndarray:
    return (draw_names(image, pixels, shown, NAMES, WHITE) != image).any(axis=2)


@given(arrays(np.float64, (3, 2), elements=INSIDE), arrays(bool, 3))
def test_shown_names_and_no_others_are_written(pixels: np.ndarray, shown: np.ndarray) -> None:
    image = np.full((240, 320, 3), 128, np.uint8)
    assert changed(image, pixels, shown).any() == shown.any()
    assert (image == 128).all()


@given(arrays(np.float64, 2, elements=st.floats(60, 180)))
def test_keypoints_in_one_place_have_names_under_each_other(place: np.ndarray) -> None:
    image = np.full((240, 320, 3), 128, np.uint8)
    apart = [changed(image, np.tile(place, (3, 1)), np.arange(3) == j).sum() for j in range(3)]
    together = changed(image, np.tile(place, (3, 1)), np.ones(3, bool)).sum()
    assert together > 0.9 * sum(apart)


def test_a_small_image_has_no_room() -> None:
    image = np.zeros((SMALLEST - 1, 320, 3), np.uint8)
    assert not changed(image, np.full((3, 2), 50.0), np.ones(3, bool)).any()


def test_every_belief_glows_in_a_panel_of_its_own() -> None:
    image = np.zeros((60, 80, 3), np.uint8)
    beliefs = np.zeros((2, 15, 20), np.float32)
    beliefs[0, 3, 4], beliefs[1, 10, 15] = 1, 1
    peaks = np.array([[4, 3], [15, 10]]) * 4 + 1.5
    picture = belief_panels(image, beliefs, peaks, ["one", "two"])
    high, scale = BAR + round(PANEL * 0.75), PANEL / 20
    one, two = picture[:high, :PANEL], picture[:high, -PANEL:]
    if picture.shape[0] > high:
        one, two = picture[:high], picture[-high:]
    for panel, (row, column) in ((one, (3, 4)), (two, (10, 15))):
        y, x = (round((cell + 0.5) * scale - 0.5) for cell in (row, column))
        assert panel[BAR + y, x].max() > 150  # the glow
        assert panel[BAR + y, x + RING].min() > 100  # the ring
        assert panel[BAR + y, x + 3 * RING].max() == 0  # neither


@pytest.mark.parametrize(("width", "height"), [(1, 4000), (4000, 1), (1, 1), (50, 3000)])
def test_pictures_of_any_shape_have_panels_of_bounded_size(width: int, height: int) -> None:
    image = np.full((height, width, 3), 200, np.uint8)
    picture = belief_panels(image, np.ones((1, 2, 2), np.float32), [[0, 0]], ["a long name " * 9])
    assert picture.shape[1] == PANEL
    assert picture.shape[0] <= PANEL + BAR


def test_panels_and_captions_are_as_many() -> None:
    with pytest.raises(PlotError, match="1 panels and 2 captions"):
        captioned([np.zeros((4, 4, 3), np.uint8)], ["a", "b"])
