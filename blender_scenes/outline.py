"""Which pixels a body covers: from its triangles, or bounds from points around it. Numpy alone."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from blender_scenes.spec import Camera

Points = NDArray[np.float64]


def box(
    camera: Camera, bodies: Iterable[Points], near: float, margin: int
) -> tuple[int, int, int, int] | None:
    """The pixels that some convex bodies can cover, with a margin around them.

    Args:
        camera: the pinhole; its lens is left out.
        bodies: (N, 3) points that span each body, in the world [m].
        near: what is closer than this is cut off [m].
        margin: that filtered edges may reach [px].

    Returns:
        x0, y0, x1, y1 [px], the end excluded; None where there are none.
    """
    T, frame = camera.T_camera_world, np.array([camera.width, camera.height])
    low, high = frame.astype(float), np.zeros(2)
    for body in bodies:
        seen = _in_front(body @ T[:3, :3].T + T[:3, 3], near)
        if not len(seen):
            continue
        pixels = seen @ camera.K[:2].T / seen[:, 2:]
        least = np.maximum(np.floor(pixels.min(axis=0)) - margin, 0)
        most = np.minimum(np.ceil(pixels.max(axis=0)) + margin + 1, frame)
        if (least < most).all():
            low, high = np.minimum(low, least), np.maximum(high, most)
    (x0, y0), (x1, y1) = low.astype(int).tolist(), high.astype(int).tolist()
    return (x0, y0, x1, y1) if x0 < x1 else None


def covered(
    camera: Camera, points: Points, triangles: NDArray[np.int64], near: float
) -> NDArray[np.bool_]:
    """Pixels whose centre lies within the image of some triangle.

    Every row of every triangle adds one at its first column and takes one off after its last; the
    running sum along a row counts the triangles over each pixel.

    Args:
        camera: the pinhole; its lens is left out.
        points: (V, 3) in the camera's frame [m].
        triangles: (T, 3) indices into them.
        near: what is closer than this is cut off [m].

    Returns:
        (H, W).
    """
    width, height = camera.width, camera.height
    if (points[:, 2] < near).any():
        points, triangles = _cut(points, triangles, near)
    pixels = points @ camera.K[:2].T / points[:, 2:]
    corners = np.ascontiguousarray(triangles.T)
    x, y = pixels[:, 0][corners], pixels[:, 1][corners]
    # A centre on an edge belongs to the triangle that has it in its last row or column.
    low = np.clip(np.floor(y.min(axis=0)) + 1, 0, height).astype(np.int64)
    count = np.clip(np.floor(y.max(axis=0)) + 1, low, height).astype(np.int64) - low
    which = np.repeat(np.arange(len(count)), count)
    row = np.arange(len(which)) + np.repeat(low - np.cumsum(count) + count, count)
    first, last = _span(x[:, which], y[:, which], row)
    start, stop = (np.clip(np.floor(x) + 1, 0, width).astype(np.int64) for x in (first, last))
    line = row * (width + 1)
    size = height * (width + 1)
    steps = np.bincount(line + start, minlength=size) - np.bincount(line + stop, minlength=size)
    return np.cumsum(steps.reshape(height, width + 1), axis=1)[:, :width] > 0


def _in_front(points: Points, near: float) -> Points:
    """Points that span the part of a convex body before the plane z = near; none if it has none."""
    before = points[:, 2] >= near
    if before.all() or not before.any():
        return points[before]
    a, b = points[before], points[~before]
    share = (a[:, 2, None] - near) / (a[:, 2, None] - b[:, 2])
    cuts = a[:, None] + share[..., None] * (b - a[:, None])
    return np.concatenate([a, cuts.reshape(-1, 3)])


def _span(x: Points, y: Points, row: NDArray[np.int64]) -> tuple[Points, Points]:
    """Where each row (N,) enters and leaves the triangle with corners x, y (3, N)."""
    first, last = np.full(len(row), np.inf), np.full(len(row), -np.inf)
    above = y < row
    for i, j in ((0, 1), (1, 2), (2, 0)):
        at = np.flatnonzero(above[i] != above[j])
        x0, y0 = x[i, at], y[i, at]
        place = x0 + (row[at] - y0) * (x[j, at] - x0) / (y[j, at] - y0)
        first[at] = np.minimum(first[at], place)
        last[at] = np.maximum(last[at], place)
    return first, last


def _cut(
    points: Points, triangles: NDArray[np.int64], near: float
) -> tuple[Points, NDArray[np.int64]]:
    """Points and triangles of what is at least `near` away."""
    before = (points[:, 2] >= near)[triangles].sum(axis=1)
    corners = []
    for corner in points[triangles[(before > 0) & (before < 3)]]:
        kept = []
        for a, b in zip(corner, np.roll(corner, -1, axis=0), strict=True):
            if a[2] >= near:
                kept.append(a)
            if (a[2] >= near) != (b[2] >= near):
                kept.append(a + (near - a[2]) / (b[2] - a[2]) * (b - a))
        corners += [(kept[0], kept[i], kept[i + 1]) for i in range(1, len(kept) - 1)]
    whole = points[triangles[before == 3]].reshape(-1, 3)
    points = np.concatenate([whole, np.array(corners).reshape(-1, 3)])
    return points, np.arange(len(points)).reshape(-1, 3)
