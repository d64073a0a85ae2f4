"""Laws of closer looks."""

import numpy as np
import pytest
from detector_parts import ColourRuntime, painted
from hypothesis import given
from hypothesis import strategies as st

from trainer.inference.closer import LEAST, SHARE, Closer, Look, Window, _around, _tiles
from trainer.inference.detector import Detector

CORNERS = np.array([[0.0, 0.0], [80.0, 140.0], [160.0, 30.0]])
WHOLE = Window(0, 0, 1600, 1200)
sides = st.integers(20, 3000)


def closer(size: tuple[int, int] | None = None, zoom: bool = True) -> tuple[Closer, ColourRuntime]:
    runtime = ColourRuntime(size)
    return Closer(Detector(runtime), zoom), runtime


def far(left: float, top: float) -> tuple[np.ndarray, np.ndarray]:
    """A picture with three spots a tenth of its width apart, and where they are."""
    points = CORNERS + np.array([left, top])
    return painted(*WHOLE[2:], points, sigma=16.0), points


def look_of(points: np.ndarray, score: float = 0.9) -> Look:
    beliefs = np.zeros((len(points), 2, 2), np.float32)
    return Look(points, np.full(len(points), score), beliefs, WHOLE)


@pytest.mark.parametrize("size", [None, (96, 64)])
def test_a_small_robot_is_found_more_exactly_where_it_is_looked_at_again(size) -> None:
    image, points = far(900.3, 400.8)
    once, again = (closer(size, zoom)[0].look(image) for zoom in (False, True))
    off = [np.abs(look.pixels - points).max() for look in (once, again)]
    assert off[1] < 1.0
    assert off[1] < off[0]
    assert again.sure > once.sure
    assert again.window.area < WHOLE.area / 4


def test_a_window_that_is_seen_as_it_is_gives_its_keypoints_back_exactly() -> None:
    """Where nothing is resized, what was found in a part is what was found in the whole."""
    runtime = ColourRuntime()
    side = (runtime.info.width * runtime.info.height) // 96
    window = Window(500, 300, 500 + 96, 300 + side)
    points = np.array([[520.25, 322.75], [560.5, 341.0], [572.0, 318.4]])
    image = painted(*WHOLE[2:], points, sigma=6.0)
    look = Closer(Detector(runtime))._at(image, window, (1.0,))
    assert runtime.shown[0].shape[1:3] == (side, 96)
    part = Detector(runtime).detect([image[300 : 300 + side, 500:596]])
    np.testing.assert_allclose(look.pixels - (500, 300), part.pixels[0], atol=1e-9)
    assert np.abs(look.pixels - points).max() < 0.2  # averages of 4 x 4 pixels are no Gaussians


@given(sides, sides, st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=7))
def test_a_window_lies_in_the_picture_and_shows_all_that_agrees(width, height, shares) -> None:
    whole = Window(0, 0, width, height)
    points = np.array(shares) * (width - 1, height - 1)
    window = _around(look_of(points), whole)
    assert window is not None
    assert 0 <= window.left < window.right <= width
    assert 0 <= window.top < window.bottom <= height
    inside = ((points >= window[:2]) & (points <= np.array(window[2:]) - 1)).all(axis=1)
    assert inside.sum() >= LEAST
    if (window.right, window.bottom) != (width, height) and window.left and window.top:
        extent = np.ptp(points[inside], axis=0).max()
        assert extent <= SHARE * (window.right - window.left)


def test_a_stray_keypoint_does_not_widen_the_window() -> None:
    points = np.array([[500, 500], [520, 560], [560, 520], [540, 540], [1500, 100]], float)
    assert _around(look_of(points), WHOLE) == _around(look_of(points[:4]), WHOLE)


def test_too_few_keypoints_give_no_window() -> None:
    points = CORNERS + 300
    assert _around(look_of(points[: LEAST - 1]), WHOLE) is None
    assert _around(look_of(points, score=0.1), WHOLE) is None


def test_a_robot_that_fills_its_picture_is_looked_at_once() -> None:
    image = painted(640, 480, np.array([[100.0, 100], [300, 400], [560, 120]]), sigma=40.0)
    found, runtime = closer()
    look = found.look(image)
    assert look.window == (0, 0, 640, 480)
    assert len(runtime.shown) == 1


def test_without_zoom_it_finds_what_the_detector_finds() -> None:
    images = [far(300.0, 200.0)[0], far(900.0, 500.0)[0]]
    plain = Detector(ColourRuntime()).detect(images, (1.0, 1.5))
    same = closer(zoom=False)[0].detect(images, (1.0, 1.5))
    np.testing.assert_array_equal(plain.pixels, same.pixels)
    np.testing.assert_array_equal(plain.scores, same.scores)
    looks = [closer()[0].look(image) for image in images]
    zoomed = closer()[0].detect(images)
    np.testing.assert_array_equal(zoomed.pixels, [look.pixels for look in looks])


def test_an_empty_picture_is_looked_at_finer_and_answered_as_a_whole() -> None:
    image = np.full((480, 640, 3), 10, np.uint8)
    for size, looks in ((None, 2), ((96, 64), 1 + 9)):
        found, runtime = closer(size)
        assert found.look(image).window == (0, 0, 640, 480)
        assert len(runtime.shown) == looks


def test_a_frame_is_looked_at_where_the_robot_was_in_the_frame_before() -> None:
    found, runtime = closer()
    first = found.look(far(900.0, 400.0)[0])
    image, points = far(912.0, 406.0)
    before = len(runtime.shown)
    second = found.look(image, before=first)
    assert len(runtime.shown) == before + 1
    assert np.abs(second.pixels - points).max() < 1.0


def test_a_robot_that_is_no_longer_there_is_looked_for_in_the_whole_frame() -> None:
    first = closer()[0].look(far(1200.0, 800.0)[0])
    image, points = far(150.0, 100.0)
    look = closer()[0].look(image, before=first)
    assert np.abs(look.pixels - points).max() < 1.0


def test_tiles_cover_a_picture_and_overlap_by_half() -> None:
    tiles = _tiles(WHOLE)
    seen = np.zeros((1200, 1600), int)
    for tile in tiles:
        seen[tile.top : tile.bottom, tile.left : tile.right] += 1
    assert len(tiles) == 9
    assert seen.min() >= 1
    assert seen[300:900, 400:1200].min() == 4
    assert _tiles(Window(0, 0, 1, 1)) == [(0, 0, 1, 1)]
