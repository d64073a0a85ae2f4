"""Capsules around triangles: simple shapes by which collisions are found fast.

A capsule is what lies within a radius of a segment. It is convex, so one that holds a triangle's
corners holds the triangle. What one capsule holds badly is cut in two, and again.
"""

from dataclasses import replace
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.robot.surfaces import Surface

CUTS = 2
"""How often what hangs together is cut in two at most."""
GAIN = 0.95
"""A cut is made where both capsules' volume is under this share of the one's."""
PLACES = (0.15, 0.3, 0.5, 0.7, 0.85)
"""Shares of the extent along an axis at which a cut is tried."""
SOME = 400
"""Triangles that stand for all where cuts are compared."""
AXES = np.array([v for v in product((-1, 0, 1), repeat=3) if v > (0, 0, 0)], np.float64)
"""(13, 3) directions that a capsule may lie along, before they are of length 1: a cube's edges and
diagonals. Fixed ones, since those of a round housing's vertices would hang on their last bit."""


class Capsule(NamedTuple):
    """What lies within a radius of a segment."""

    ends: NDArray[np.float64]
    """(2, 3) of the segment [m]."""
    radius: float
    """[m]."""

    @property
    def volume(self) -> float:
        """[m^3]."""
        length = float(np.sqrt(np.square(self.ends[1] - self.ends[0]).sum()))
        return float(np.pi * self.radius**2 * (length + 4 / 3 * self.radius))


def capsules(surface: Surface, cuts: int = CUTS) -> list[Capsule]:
    """Capsules such that each triangle lies within one.

    Args:
        surface: with at least one triangle.
        cuts: how often to cut in two at most.
    """
    if cuts and (first := _best_cut(surface)) is not None:
        halves = (replace(surface, triangles=surface.triangles[side]) for side in (first, ~first))
        return [capsule for half in halves for capsule in capsules(half, cuts - 1)]
    return [_around(surface.vertices, surface.triangles)]


def _best_cut(surface: Surface) -> NDArray[np.bool_] | None:
    """(T,) what goes to one side where cutting in two is worth it; some triangles stand for all."""
    vertices, triangles = surface.vertices, surface.triangles
    centres = vertices[triangles].mean(axis=1)
    low, high = centres.min(axis=0), centres.max(axis=0)
    some = slice(None, None, -(-len(triangles) // SOME))
    least, best = GAIN * _around(vertices, triangles[some]).volume, None
    for axis, share in product(range(3), PLACES):
        first = centres[:, axis] < low[axis] + share * (high[axis] - low[axis])
        side = first[some]
        if side.all() or not side.any():
            continue
        halves = triangles[some][side], triangles[some][~side]
        volume = sum(_around(vertices, half).volume for half in halves)
        if volume < least:
            least, best = volume, first
    return best


def _around(vertices: NDArray[np.float64], triangles: NDArray[np.int64]) -> Capsule:
    """The smallest capsule about triangles that lies along one of `AXES`."""
    points = vertices[np.unique(triangles)]
    return min((_along(axis, points) for axis in AXES), key=lambda capsule: capsule.volume)


def _along(axis: NDArray[np.float64], points: NDArray[np.float64]) -> Capsule:
    """A capsule along a direction about (N, 3) points, in the middle of what they take across."""
    axis = axis / np.sqrt(np.square(axis).sum())
    along = (points * axis).sum(axis=1)
    across = points - along[:, None] * axis
    middle = (across.min(axis=0) + across.max(axis=0)) / 2
    middle = middle - (middle * axis).sum() * axis
    far = np.square(across - middle).sum(axis=1)
    radius = float(np.sqrt(far.max()))
    bulge = np.sqrt(np.maximum(radius**2 - far, 0))  # of the ends' half spheres, over each point
    low, high = (along + bulge).min(), (along - bulge).max()
    if low > high:  # a sphere holds them
        low = high = (low + high) / 2
    return Capsule(np.stack([middle + low * axis, middle + high * axis]), radius)
