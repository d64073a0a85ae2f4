"""Things that are not the robot, in plain numbers: a frame's props and its stand as solids.

A solid is a `Prop`: a shape of unit size about its own origin, scaled to its size, turned and put
in its place. All shapes are convex, so a ray runs through one in a single stretch.
"""

from collections.abc import Sequence
from functools import cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from blender_scenes.spec import Frame, Prop, Stand

Shape = Literal["box", "cylinder", "sphere", "cone"]
Interval = tuple[NDArray[np.float64], NDArray[np.float64]]
"""(M, N) where N rays enter and leave M shapes; none where the first is the larger."""

GAP = 0.001
"""How far below z = 0 a stand's upper side lies, so that no two surfaces share a plane [m]."""
THINNEST = 1e-4
"""Least extent of a solid [m]."""
ROUND = 16
"""Corners of the polygon that bounds a circle."""


def solids(frame: Frame) -> tuple[Prop, ...]:
    """The props of a frame, and its stand as one more."""
    if frame.stand.kind == "none":
        return frame.props
    return (*frame.props, _slab(frame.stand))


def shape(solid: Prop) -> Shape:
    """What a solid is scaled from."""
    return "cylinder" if solid.kind == "line" else solid.kind


def T_world_solids(things: Sequence[Prop]) -> NDArray[np.float64]:
    """(N, 4, 4) affine maps of unit shapes into the world, their sizes included."""
    T = np.tile(np.eye(4), (len(things), 1, 1))
    turns = np.array([solid.rotation for solid in things], np.float64).reshape(-1, 3)
    sizes = np.array([solid.size for solid in things], np.float64).reshape(-1, 1, 3)
    T[:, :3, :3] = Rotation.from_rotvec(turns).as_matrix() * np.maximum(sizes, THINNEST)
    T[:, :3, 3] = np.array([solid.position for solid in things]).reshape(-1, 3)
    return T


def bounds(things: Sequence[Prop]) -> list[NDArray[np.float64]]:
    """(N, 3) points in the world for each solid whose convex hull holds it."""
    poses = zip(things, T_world_solids(things), strict=True)
    return [_corners(shape(solid)) @ T[:3, :3].T + T[:3, 3] for solid, T in poses]


def first_hits(
    things: Sequence[Prop], eye: NDArray[np.float64], rays: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Where rays meet the first of some solids.

    Args:
        things: the solids.
        eye: (3,) where the rays start [m].
        rays: (N, 3) of any length.

    Returns:
        (N,) distance in lengths of each ray, inf where it meets none. From within a solid that is
        its far side.
    """
    nearest = np.full(len(rays), np.inf)
    inverses = np.linalg.inv(T_world_solids(things))
    shapes = np.array([shape(solid) for solid in things])
    for kind in get_args(Shape):
        A = inverses[shapes == kind]
        if not len(A):
            continue
        eyes = (A[:, :3, :3] @ eye + A[:, :3, 3])[:, None]
        near, far = _stretch(kind, eyes, rays @ A[:, :3, :3].swapaxes(1, 2))
        hit = np.where(near > 0, near, far)
        met = np.where((near <= far) & (far > 0), hit, np.inf)
        nearest = np.minimum(nearest, met.min(axis=0))
    return nearest


def _slab(stand: Stand) -> Prop:
    return Prop(
        kind="box",
        position=(0.0, 0.0, -GAP - stand.thickness / 2),
        rotation=(0.0, 0.0, stand.yaw),
        size=(*stand.size, stand.thickness),
        color=stand.color,
        roughness=stand.roughness,
        metallic=0.0,
    )


@cache
def _corners(kind: Shape) -> NDArray[np.float64]:
    """(N, 3) points whose convex hull holds a unit shape."""
    if kind in ("box", "sphere"):
        x, y, z = np.meshgrid(*[[-0.5, 0.5]] * 3)
        return np.stack([x, y, z], axis=-1).reshape(-1, 3)
    angle = np.arange(ROUND) * 2 * np.pi / ROUND
    radius = 0.5 / np.cos(np.pi / ROUND)
    ring = np.stack([radius * np.cos(angle), radius * np.sin(angle), 0 * angle], axis=1)
    top = ring if kind == "cylinder" else np.zeros((1, 3))
    half = np.array([0, 0, 0.5])
    return np.concatenate([ring - half, top + half])


def _stretch(kind: Shape, eyes: NDArray[np.float64], rays: NDArray[np.float64]) -> Interval:
    """The stretch of each ray within a unit shape, in lengths of the ray.

    Args:
        kind: the shape.
        eyes: (M, 1, 3) where the rays start, in the frames of M of them.
        rays: (M, N, 3) likewise.
    """
    x, y, z = np.moveaxis(rays, -1, 0)
    ex, ey, ez = np.moveaxis(eyes, -1, 0)
    if kind == "sphere":
        along = ex * x + ey * y + ez * z
        return _quadratic(x * x + y * y + z * z, along, ex * ex + ey * ey + ez * ez - 0.25)
    between = _between(ez, z)
    if kind == "box":
        return _common(_common(_between(ex, x), _between(ey, y)), between)
    if kind == "cylinder":
        tube = _quadratic(x * x + y * y, ex * x + ey * y, ex * ex + ey * ey - 0.25)
        return _common(tube, between)
    return _common(_nappe(eyes, rays), between)


def _nappe(eyes: NDArray[np.float64], rays: NDArray[np.float64]) -> Interval:
    """The stretch within the cone x^2 + y^2 = (0.5 - z)^2 / 4, below its apex at z = 0.5."""
    x, y, z = np.moveaxis(rays, -1, 0)
    ex, ey, ez = np.moveaxis(eyes, -1, 0)
    down = 0.5 - ez
    near, far = _quadratic(
        x * x + y * y - z * z / 4,
        ex * x + ey * y + down * z / 4,
        ex * ex + ey * ey - down * down / 4,
    )
    # A steep ray is within the lower nappe before its first crossing or after its second.
    steep = x * x + y * y < z * z / 4
    first, second = np.minimum(near, far), np.maximum(near, far)
    return (
        np.where(steep, np.where(z < 0, second, -np.inf), near),
        np.where(steep, np.where(z < 0, np.inf, first), far),
    )


def _quadratic(a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64]) -> Interval:
    """Roots of a t^2 + 2 b t + c, in order for a > 0; (inf, -inf) where there are none."""
    a = np.where(np.abs(a) < 1e-12, 1e-12, a)
    square = b * b - a * c
    root = np.sqrt(np.maximum(square, 0))
    real = square >= 0
    return np.where(real, (-b - root) / a, np.inf), np.where(real, (-b + root) / a, -np.inf)


def _between(start: NDArray[np.float64], slope: NDArray[np.float64]) -> Interval:
    """Where |start + slope t| <= 0.5."""
    slope = np.where(np.abs(slope) < 1e-12, 1e-12, slope)
    a, b = (-0.5 - start) / slope, (0.5 - start) / slope
    return np.minimum(a, b), np.maximum(a, b)


def _common(a: Interval, b: Interval) -> Interval:
    return np.maximum(a[0], b[0]), np.minimum(a[1], b[1])
