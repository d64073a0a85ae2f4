"""Laws of motions: images, masks and keypoints move alike, as OpenCV would move them."""

from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from trainer.augmentation.geometry import draw_motions, fit, move, shown, warp
from trainer.config.augmentation import AugmentConfig

WIDTH, HEIGHT = 96, 64
FAR = AugmentConfig(rotation=30, shift=0.15, scale=(0.8, 1.5), flip=0.5)


def motions(count: int, config: AugmentConfig = FAR) -> NDArray[np.float64]:
    return draw_motions(config, count, WIDTH, HEIGHT, np.random.default_rng(1))[0]


def smooth(count: int) -> NDArray[np.float32]:
    """(count, HEIGHT, WIDTH, 3) without detail finer than bilinear sampling can follow."""
    noise = np.random.default_rng(2).uniform(0, 255, (count, HEIGHT, WIDTH, 3))
    return np.stack([cv2.GaussianBlur(n, (0, 0), 3) for n in noise]).astype(np.float32)


def test_images_and_masks_move_as_opencv_moves_them() -> None:
    T, images = motions(12), smooth(12)
    masks = np.ascontiguousarray(images[..., 0])
    moved, covered = warp(torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(masks), T)
    for i in range(12):

        def by_opencv(source: NDArray[Any], border: int, T: NDArray[Any] = T[i]) -> NDArray[Any]:
            size = (WIDTH, HEIGHT)
            return cv2.warpAffine(source, T[:2], size, flags=cv2.INTER_LINEAR, borderMode=border)

        # OpenCV rounds places to 1/32 px.
        expected = by_opencv(images[i], cv2.BORDER_REPLICATE)
        np.testing.assert_allclose(moved[i].permute(1, 2, 0), expected, atol=1.5)
        expected = by_opencv(masks[i], cv2.BORDER_CONSTANT)
        shown = by_opencv(np.ones((HEIGHT, WIDTH)), cv2.BORDER_CONSTANT)
        inner, outer = (
            cv2.erode((shown == value).astype(np.uint8), np.ones((3, 3))) > 0 for value in (1, 0)
        )
        np.testing.assert_allclose(covered[i][inner], expected[inner], atol=1.5)
        assert (covered[i][outer] == 0).all()


def test_a_marker_is_found_where_its_keypoint_moved_to() -> None:
    T = motions(40)
    places = np.random.default_rng(3).uniform((20, 20), (76, 44), (40, 1, 2))
    x, y = np.arange(WIDTH), np.arange(HEIGHT)[:, None]
    blobs = np.exp(
        -((x - places[..., 0, None]) ** 2 + (y - places[..., 1, None]) ** 2) / (2 * 2.0**2)
    )
    images = torch.from_numpy(blobs[:, None]).float()
    moved, _ = warp(images, images[:, 0], T)
    expected, visibility = move(places, np.full((40, 1), 2, np.uint8), T, WIDTH, HEIGHT)
    well_inside = (expected[:, 0] > 10).all(axis=1) & (expected[:, 0] < (86, 54)).all(axis=1)
    assert well_inside.sum() > 20
    assert (visibility[well_inside] == 2).all()
    for blob, place in zip(moved[well_inside, 0].numpy(), expected[well_inside, 0], strict=True):
        centre = np.array([(blob * x).sum(), (blob * y).sum()]) / blob.sum()
        assert np.abs(centre - place).max() < 0.1


def test_a_motion_is_a_similarity_about_the_centre_within_its_ranges() -> None:
    T, flipped = draw_motions(FAR, 500, WIDTH, HEIGHT, np.random.default_rng(4))
    scale = np.sqrt(np.abs(np.linalg.det(T[:, :2, :2])))
    assert (scale > 0.8).all()
    assert (scale < 1.5).all()
    assert ((np.linalg.det(T[:, :2, :2]) < 0) == flipped).all()
    assert 0.4 < flipped.mean() < 0.6
    across = T[:, :2, :2] @ np.diag([1.0, 1.0]) / scale[:, None, None]
    across[flipped] = across[flipped] @ np.diag([-1.0, 1.0])
    angle = np.degrees(np.arctan2(across[:, 1, 0], across[:, 0, 0]))
    assert 25 < np.abs(angle).max() < 30
    centre = np.array([(WIDTH - 1) / 2, (HEIGHT - 1) / 2, 1])
    shift = (T @ centre - centre)[:, :2]
    assert 0.14 * HEIGHT < np.abs(shift).max() < 0.15 * HEIGHT


def test_a_mirror_without_anything_else_is_exact() -> None:
    T, flipped = draw_motions(AugmentConfig(flip=1), 2, WIDTH, HEIGHT, np.random.default_rng(0))
    assert flipped.all()
    images = torch.from_numpy(smooth(2)).permute(0, 3, 1, 2)
    moved, _ = warp(images, images[:, 0], T)
    np.testing.assert_allclose(moved, images.flip(3), atol=1e-2)


@pytest.mark.parametrize(
    ("before", "seen", "shift", "after"),
    [
        ((50.0, 30.0), 2, (5.0, 0.0), 2),
        ((50.0, 30.0), 1, (5.0, 0.0), 1),
        ((94.0, 30.0), 2, (1.4, 0.0), 2),
        ((94.0, 30.0), 2, (1.6, 0.0), 0),  # past 95.5, the border of the last pixel
        ((-5.0, 30.0), 0, (6.0, 0.0), 1),  # the image never showed what is there
        ((np.nan, np.nan), 0, (6.0, 0.0), 0),
    ],
)
def test_keypoints_leave_the_frame_and_come_in(
    before: tuple[float, float], seen: int, shift: tuple[float, float], after: int
) -> None:
    T = np.eye(3)[None]
    T[0, :2, 2] = shift
    pixels, visibility = move(np.array([[before]]), np.array([[seen]], np.uint8), T, WIDTH, HEIGHT)
    np.testing.assert_allclose(pixels[0, 0], np.add(before, shift))
    assert visibility.tolist() == [[after]]


@pytest.mark.parametrize("new", [(96, 64), (64, 96), (56, 40), (24, 40)])
@pytest.mark.parametrize("scale", [0.5, 0.75, 1.0, 1.3])
def test_a_marker_follows_to_any_size(new: tuple[int, int], scale: float) -> None:
    """Whether it was halved before or not, however sides divide."""
    width, height = 101, 67
    T = fit((width, height), new)[None]
    about = np.diag([scale, scale, 1.0])
    about[:2, 2] = (1 - scale) * (np.array(new) - 1) / 2
    T = about @ T
    place = np.array([[[53.2, 30.7]]])
    spread = 1.2 / np.sqrt(np.linalg.det(T[0, :2, :2]))
    x, y = np.arange(width), np.arange(height)[:, None]
    blob = np.exp(-((x - place[..., 0]) ** 2 + (y - place[..., 1]) ** 2) / (2 * spread**2))
    image = torch.from_numpy(blob)[None, None].float()
    moved, _ = warp(image, image[:, 0], T, new)
    assert moved.shape == (1, 1, new[1], new[0])
    expected, _ = move(place, np.full((1, 1), 2, np.uint8), T, *new)
    got = moved[0, 0].double().numpy()
    got = got * (got > 0.02 * got.max())  # without tails, which the border would draw out
    x, y = np.arange(new[0]), np.arange(new[1])[:, None]
    centre = np.array([(got * x).sum(), (got * y).sum()]) / got.sum()
    assert np.abs(centre - expected[0, 0]).max() < 0.05


def test_the_middle_of_an_image_keeps_its_share_of_the_shorter_side() -> None:
    square = np.array([[40, 0, 1], [280, 240, 1]]) - (0.5, 0.5, 0)  # of 320x240
    for new in ((256, 192), (192, 256), (224, 224)):
        corners = (fit((320, 240), new) @ square.T)[:2].T
        np.testing.assert_allclose(np.ptp(corners, axis=0), min(new))
        np.testing.assert_allclose(corners.mean(axis=0), (np.array(new) - 1) / 2)
    corners = fit((320, 240), (160, 160), whole=True) @ [[-0.5, 319.5], [-0.5, 239.5], [1, 1]]
    np.testing.assert_allclose(corners[:2], [[-0.5, 159.5], [19.5, 139.5]])


def test_shrinking_does_not_alias() -> None:
    """Stripes of one pixel come out grey, however much they shrink; OpenCV's areas are the bar."""
    stripes = np.zeros((240, 320), np.float32)
    stripes[:, ::2] = 255
    image = torch.from_numpy(stripes)[None, None]
    for size in ((160, 120), (80, 60), (100, 75), (40, 30)):
        moved, _ = warp(image, image[:, 0], fit((320, 240), size)[None], size)
        assert (moved - 127.5).abs()[..., 2:-2, 2:-2].max() < 1


def test_coverage_is_that_of_the_mask() -> None:
    T, old, new = motions(30), (WIDTH, HEIGHT), (80, 80)
    T = T @ fit(old, new)
    ones = torch.ones(30, HEIGHT, WIDTH)
    _, covered = warp(ones[:, None], ones, T, new)
    assert np.ptp(covered.mean(dim=(1, 2)).numpy()) > 0.2
    np.testing.assert_allclose(shown(T, old, new), covered.mean(dim=(1, 2)), atol=0.02)
