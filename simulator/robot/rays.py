"""What rays meet first of a robot's own surfaces, without Blender."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from simulator.robot.surfaces import Surface

Array = NDArray[np.float64]
EDGE = 1e-9
"""How far beside a triangle, as a share of it, a ray still meets it."""


def first_hits(
    surfaces: Mapping[int, Surface], T_world_link: Array, eye: Array, targets: Array
) -> tuple[Array, NDArray[np.int64]]:
    """The first surface along the rays from an eye through targets.

    Args:
        surfaces: by index of their link, in its frame.
        T_world_link: (L, 4, 4) in any frame that eye and targets are in too.
        eye: (3,) where the rays start [m].
        targets: (R, 3) [m].

    Returns:
        (R,) distances from the eye [m], infinite where nothing is met, and (R,) links, -1 there.
    """
    away = targets - eye
    away = away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-12)
    distance, link = np.full(len(away), np.inf), np.full(len(away), -1)
    for i, surface in surfaces.items():
        R, t = T_world_link[i, :3, :3], T_world_link[i, :3, 3]
        start, ways = (eye - t) @ R, away @ R
        middle = (surface.vertices.min(axis=0) + surface.vertices.max(axis=0)) / 2
        radius = np.linalg.norm(surface.vertices - middle, axis=1).max()
        beside = np.linalg.norm(np.cross(middle - start, ways), axis=1)
        near = np.flatnonzero(beside <= radius)
        if not len(near):
            continue
        corners = surface.vertices[surface.triangles] - start
        for r in near.tolist():
            met = _nearest(corners, ways[r])
            if met < distance[r]:
                distance[r], link[r] = met, i
    return distance, link


def _nearest(corners: Array, way: Array) -> float:
    """How far along a unit vector (3,) from the origin the first of triangles (T, 3, 3) is met."""
    # In the plane across the ray: a triangle is met where the origin lies in its image.
    u = np.cross(way, [1.0, 0, 0] if abs(way[0]) < 0.9 else [0, 1.0, 0])
    flat = corners @ np.stack([u, np.cross(way, u)], axis=1)
    low, high = flat.min(axis=1), flat.max(axis=1)
    over = np.flatnonzero(((low <= 0) & (high >= 0)).all(axis=1))
    flat, depth = flat[over], corners[over] @ way
    a, b, c = flat[:, 0], flat[:, 1], flat[:, 2]
    shares = np.stack([_turn(b, c), _turn(c, a), _turn(a, b)], axis=1)
    total = shares.sum(axis=1)
    flat_on = np.abs(total) > 1e-15
    shares, depth = shares[flat_on] / total[flat_on, None], depth[flat_on]
    along = (shares * depth).sum(axis=1)
    met = along[(shares >= -EDGE).all(axis=1) & (along > 0)]
    return float(met.min(initial=np.inf))


def _turn(a: Array, b: Array) -> Array:
    """(T,) cross products of vectors (T, 2)."""
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
