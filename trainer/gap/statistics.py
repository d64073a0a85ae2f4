"""Numbers of one picture, at a width that all pictures are brought to. Numpy and OpenCV.

Where the robot is, is taken from its keypoints, in photos as in renderings: a band along its bones,
and what is well away from that is background.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

STATISTICS = {
    "sharpness": "mean absolute Laplacian of luma",
    "sharpness of the robot": "likewise, in a band along its bones",
    "sharpness of the background": "likewise, away from that",
    "robot over background": "ratio of these two",
    "contrast": "standard deviation of luma, of 255",
    "highlights": "share of pixels with luma of 250 and more [%]",
    "blacks": "share of pixels with luma of 5 and less [%]",
    "saturation": "mean of HSV's, of 255",
    "a*": "mean of CIELAB's, green to red",
    "b*": "mean of CIELAB's, blue to yellow",
    "noise": "robust standard deviation of what a Laplacian of Laplacians leaves of luma, of 255",
    "box of the robot": "diagonal of the box of its keypoints, of the picture's [%]",
    "aspect of the box": "its width over its height",
    "aspect of the picture": "likewise",
}
"""What each is, in the order of the table."""
BAND = 0.1
"""Width of the band, of the longer side of the keypoints' box; at least 3 px."""
CLEAR = 2.5
"""Width of what is no background, in bands."""
BRIGHT, DARK = 250, 5
LAPLACIAN = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
"""Of independent noise it leaves 6 times the standard deviation (J. Immerkaer, 1996)."""
TO_DEVIATION = 1 / (0.6745 * 6)
"""From its median absolute value."""

Image = NDArray[np.uint8]


def at_width(image: Image, width: int) -> Image:
    """A picture (H, W, 3) shrunk to a width [px], which it has at least."""
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    if image.shape[1] == width:
        return image
    shrunk = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return shrunk.astype(np.uint8, copy=False)


def laplacian(image: Image) -> NDArray[np.float32]:
    """(H, W) absolute Laplacian of a picture's luma, of 255."""
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.abs(cv2.Laplacian(luma, cv2.CV_32F)).astype(np.float32, copy=False)


def statistics(
    image: Image,
    width: int,
    points: NDArray[np.float64] | None = None,
    bones: Sequence[tuple[int, int]] = (),
) -> dict[str, float]:
    """The `STATISTICS` of a picture; those of a robot are left out where none is known.

    Args:
        image: (H, W, 3) RGB, at least `width` wide.
        width: that it is brought to [px].
        points: (J, 2) keypoints [px] of the image as it is; NaN where unknown.
        bones: pairs of keypoints.
    """
    small = at_width(image, width)
    luma = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    edges = laplacian(small)
    grain = np.abs(cv2.filter2D(luma, cv2.CV_32F, LAPLACIAN))
    lab = cv2.cvtColor(small.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    found = {
        "sharpness": edges.mean(),
        "contrast": luma.std(),
        "highlights": 100 * (luma >= BRIGHT).mean(),
        "blacks": 100 * (luma <= DARK).mean(),
        "saturation": cv2.cvtColor(small, cv2.COLOR_RGB2HSV)[..., 1].mean(),
        "a*": lab[..., 1].mean(),
        "b*": lab[..., 2].mean(),
        "noise": TO_DEVIATION * np.median(grain),
        "aspect of the picture": image.shape[1] / image.shape[0],
    }
    if points is not None:
        scale = small.shape[1] / image.shape[1]
        found |= _of_robot(edges, (points + 0.5) * scale - 0.5, bones)
    return {name: float(found[name]) for name in STATISTICS if name in found}


def _of_robot(
    edges: NDArray[np.float32], points: NDArray[np.float64], bones: Sequence[tuple[int, int]]
) -> dict[str, float]:
    """What depends on keypoints [px] of an image whose absolute Laplacian this is."""
    known = points[np.isfinite(points).all(axis=1)]
    if len(known) < 2:
        return {}
    across, down = np.ptp(known, axis=0).tolist()
    found = {"box of the robot": 100 * math.hypot(across, down) / math.hypot(*edges.shape)}
    found["aspect of the box"] = max(across, 1.0) / max(down, 1.0)
    band = max(3.0, BAND * max(across, down))
    robot = _along(edges.shape, points, bones, band)
    background = ~_along(edges.shape, points, bones, CLEAR * band)
    if robot.any() and background.any():
        of_robot, behind = float(edges[robot].mean()), float(edges[background].mean())
        found["sharpness of the robot"] = of_robot
        found["sharpness of the background"] = behind
        found["robot over background"] = of_robot / max(behind, 1e-3)
    return found


def _along(
    shape: tuple[int, ...],
    points: NDArray[np.float64],
    bones: Sequence[tuple[int, int]],
    width: float,
) -> NDArray[np.bool_]:
    """(H, W) pixels within half of a width [px] of the bones whose both ends are known."""
    drawn = np.zeros(shape, np.uint8)
    for a, b in bones:
        if np.isfinite(points[[a, b]]).all():
            ends = np.rint(points[[a, b]].clip(-1e4, 1e4)).astype(int).tolist()
            cv2.line(drawn, ends[0], ends[1], (1.0,), round(width))
    return drawn.astype(bool)
