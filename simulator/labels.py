"""Where the keypoints fall in an image, which of them can be seen, and the belief map.

Pixel centres lie at integers, so the image covers [-0.5, W - 0.5) x [-0.5, H - 0.5). Cell c of a
stride-s map covers pixels [s c, s c + s - 1]: its centre lies at x = (c + 0.5) s - 0.5.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blender_scenes.lens import distort
from blender_scenes.spec import Camera
from simulator.robot import Robot

OUTSIDE, HIDDEN, VISIBLE = 0, 1, 2
LEVELS = 255
"""A belief map's bytes count from 0 to this, which is a belief of 1."""


def project(camera: Camera, points: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Projection through the pinhole and the lens behind it.

    Args:
        camera: the camera.
        points: (N, 3) points in the world [m].

    Returns:
        (N, 2) pixels and (N,) depth along the viewing axis [m]; pixels of points that do not lie in
        front of the camera, or that its lens does not see, are NaN.
    """
    T_camera_world = camera.T_camera_world
    local = np.asarray(points) @ T_camera_world[:3, :3].T + T_camera_world[:3, 3]
    depth = local[:, 2]
    before = np.where(depth > 1e-6, depth, np.nan)[:, None]
    pixels = distort(camera, local[:, :2] / before) @ camera.K[:2, :2].T + camera.K[:2, 2]
    return pixels, depth


def in_frame(pixels: NDArray[np.float64], width: int, height: int) -> NDArray[np.bool_]:
    """(...,) whether each pixel position (..., 2) lies in the image; NaN does not."""
    return ((pixels >= -0.5) & (pixels < (width - 0.5, height - 0.5))).all(axis=-1)


def visibility(
    robot: Robot,
    camera: Camera,
    points: NDArray[np.float64],
    pixels: NDArray[np.float64],
    hits: tuple[NDArray[np.float64], NDArray[np.int64]],
) -> NDArray[np.uint8]:
    """COCO visibility of every keypoint: 0 outside the frame, 1 hidden, 2 visible.

    Keypoints lie inside their joint's housing. One counts as visible if the ray from the camera
    towards it first meets nothing before it, or a link of its own joint at most the keypoint's
    `depth` before it.

    Args:
        robot: whose keypoints they are.
        camera: where the rays start.
        points: (J, 3) keypoints in the world [m].
        pixels: (J, 2) their projections.
        hits: first hits along the rays, as `Scene.first_hits` gives them.
    """
    distance = np.linalg.norm(points - camera.T_world_camera[:3, 3], axis=1)
    hit_distance, hit_link = hits
    before = distance - hit_distance
    own = [link in robot.own_links(k) for k, link in zip(robot.keypoints, hit_link, strict=True)]
    seen = (before <= 0) | (np.array(own) & (before <= [k.depth for k in robot.keypoints]))
    inside = in_frame(pixels, camera.width, camera.height)
    return np.where(inside, np.where(seen, VISIBLE, HIDDEN), OUTSIDE).astype(np.uint8)


def belief_map(
    pixels: ArrayLike, present: ArrayLike, width: int, height: int, stride: int, sigma: float
) -> NDArray[np.uint8]:
    """One map per keypoint with peak 1 at the keypoint, in levels: beliefs times `LEVELS`.

    exp(-d^2 / l^2) with l^2 = 2 sigma^2 (Heindl et al. 2019), d the distance of a cell's centre
    from the unrounded keypoint, in cells; rounded to the nearest level.

    Args:
        pixels: (J, 2) keypoints [px].
        present: (J,) false leaves a map empty.
        width: of the image [px].
        height: of the image [px].
        stride: pixels per cell.
        sigma: standard deviation of the peak [cells].

    Returns:
        (J, height / stride, width / stride), 0 to `LEVELS`.
    """
    kept = np.asarray(present, dtype=bool)
    cells = (np.asarray(pixels, dtype=np.float64) + 0.5) / stride - 0.5
    cells = np.where(kept[:, None], cells, -1e6)  # NaN where a keypoint lies behind the camera
    gx = np.exp(-((np.arange(width // stride) - cells[:, :1]) ** 2) / (2 * sigma**2))
    gy = np.exp(-((np.arange(height // stride) - cells[:, 1:]) ** 2) / (2 * sigma**2))
    return np.rint(gy[:, :, None] * gx[:, None, :] * LEVELS).astype(np.uint8)
