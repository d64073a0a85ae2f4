"""Which pixels a body covers: from its triangles, or bounds from points around it. Numpy alone."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from blender_scenes.spec import Camera

Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Faces:
    """Triangles and the edges between them."""

    triangles: NDArray[np.int64]
    """(T, 3) indices of points."""
    edges: NDArray[np.int64]
    """(E, 2) indices of points, the lower first; each edge once."""
    sides: NDArray[np.int64]
    """(T, 3) the edge that is each triangle's side from corner 0 to 1, 1 to 2 and 2 to 0."""
    along: NDArray[np.int64]
    """(T, 3) 1 where a side runs as its edge does, -1 where it runs against it."""

    @classmethod
    def of(cls, triangles: NDArray[np.int64]) -> Self:
        """The faces that (T, 3) triangles make."""
        ends = np.stack([triangles, np.roll(triangles, -1, axis=1)], axis=-1)
        along = np.where(ends[..., 0] < ends[..., 1], 1, -1)
        ends = np.sort(ends.reshape(-1, 2), axis=1)
        count = int(triangles.max(initial=0)) + 1
        edges, sides = np.unique(ends[:, 0] * count + ends[:, 1], return_inverse=True)
        pairs = np.stack([edges // count, edges % count], axis=1)
        return cls(triangles, pairs, sides.reshape(-1, 3), along)


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
    seen = [_in_front(body @ T[:3, :3].T + T[:3, 3], near) for body in bodies]
    seen = [body for body in seen if len(body)]
    if not seen:
        return None
    points = np.concatenate(seen)
    starts = np.cumsum([0, *(len(body) for body in seen[:-1])])
    pixels = points @ camera.K[:2].T / points[:, 2:]
    least = np.maximum(np.floor(np.minimum.reduceat(pixels, starts)) - margin, 0)
    most = np.minimum(np.ceil(np.maximum.reduceat(pixels, starts)) + margin + 1, frame)
    inside = (least < most).all(axis=1)
    if not inside.any():
        return None
    (x0, y0), (x1, y1) = least[inside].min(axis=0), most[inside].max(axis=0)
    return int(x0), int(y0), int(x1), int(y1)


def covered(camera: Camera, points: Points, faces: Faces, near: float) -> NDArray[np.bool_]:
    """Pixels whose centre lies within the image of some triangle.

    Where a row enters a triangle one is added, where it leaves it one is taken off; the running sum
    along the row counts the triangles over each pixel. What two triangles do along an edge between
    them cancels, so only edges on the outline, or on a fold of it, are followed.

    Args:
        camera: the pinhole; its lens is left out.
        points: (V, 3) in the camera's frame [m].
        faces: of these points.
        near: what is closer than this is cut off [m].

    Returns:
        (H, W).
    """
    width, height = camera.width, camera.height
    if (points[:, 2] < near).any():
        points, triangles = _cut(points, faces.triangles, near)
        faces = Faces.of(triangles)
    pixels = points @ camera.K[:2].T / points[:, 2:]
    change = _changes(pixels, faces)
    outline = change != 0
    x, y = (pixels[:, axis][faces.edges[outline]].T for axis in (0, 1))
    # A centre on an edge belongs to the triangle that has it in its last row or column.
    low = np.clip(np.floor(y.min(axis=0)) + 1, 0, height).astype(np.int64)
    count = np.clip(np.floor(y.max(axis=0)) + 1, low, height).astype(np.int64) - low
    which = np.repeat(np.arange(len(count)), count)
    row = np.arange(len(which)) + np.repeat(low - np.cumsum(count) + count, count)
    (x0, x1), (y0, y1) = x[:, which], y[:, which]
    place = x0 + (row - y0) * (x1 - x0) / (y1 - y0)
    column = np.clip(np.floor(place) + 1, 0, width).astype(np.int64)
    amount = np.where(y1 > y0, -1, 1) * change[outline][which]
    steps = np.bincount(
        row * (width + 1) + column, weights=amount, minlength=height * (width + 1)
    ).reshape(height, width + 1)
    return np.cumsum(steps, axis=1)[:, :width] > 0


def _changes(pixels: Points, faces: Faces) -> NDArray[np.int64]:
    """(E,) what a row gains that crosses each edge, where that runs up the picture."""
    a, b, c = (pixels[faces.triangles[:, i]] for i in range(3))
    u, v = b - a, c - a
    turn = np.sign(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])  # 1 clockwise as one sees it, y down
    weights = (faces.along * turn[:, None]).ravel()
    change = np.bincount(faces.sides.ravel(), weights=weights, minlength=len(faces.edges))
    return change.astype(np.int64)


def _in_front(points: Points, near: float) -> Points:
    """Points that span the part of a convex body before the plane z = near; none if it has none."""
    before = points[:, 2] >= near
    if before.all() or not before.any():
        return points[before]
    a, b = points[before], points[~before]
    share = (a[:, 2, None] - near) / (a[:, 2, None] - b[:, 2])
    cuts = a[:, None] + share[..., None] * (b - a[:, None])
    return np.concatenate([a, cuts.reshape(-1, 3)])


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
