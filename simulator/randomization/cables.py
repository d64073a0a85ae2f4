"""Cables along a robot: smooth curves through places beside its tubes, sagging between them."""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicHermiteSpline

from blender_scenes import spec
from simulator.randomization.primitives import Paint, aim, triples
from simulator.robot.surface import Tube

Points = NDArray[np.float64]
PIECES = 32
"""Straight pieces of one cable."""
BENDS = 2.0
"""Share of the pieces that bends take, over that of length."""
DOWN = np.array([0.0, 0.0, -1.0])


@dataclass(frozen=True, eq=False)
class Hold:
    """Where a bundle of cables is held."""

    place: Points
    """(3,) in the world [m]."""
    out: Points
    """(3,) unit vector away from what holds it."""
    along: Points
    """(3,) unit vector along what holds it."""
    radius: float = 0.0
    """Of the tube that holds it; 0 for anything else [m]."""
    link: int = -1
    """Of that tube."""


def beside(tube: Tube, share: float, T_world_link: NDArray[np.float64], side: Points) -> Hold:
    """A place on a tube's surface, on the side that faces a direction of the world.

    Args:
        tube: in its link's frame.
        share: along it, 0 to 1.
        T_world_link: (4, 4) pose of its link.
        side: (3,) the direction.
    """
    T = T_world_link
    start, end = (T[:3, :3] @ point + T[:3, 3] for point in (tube.start, tube.end))
    along = (end - start) / np.linalg.norm(end - start)
    out = side - (side @ along) * along
    if np.linalg.norm(out) < 0.05:
        out = np.cross(along, np.roll(along, 1))
    out = out / np.linalg.norm(out)
    place = start + share * (end - start) + tube.radius * out
    return Hold(place, out, along, tube.radius, tube.link)


def curve(route: list[Hold], sags: list[float], lift: float) -> Points:
    """(PIECES + 1, 3) points of a cable [m].

    Args:
        route: at least two places that it passes.
        sags: how far it hangs through after each place but the last [m]; between two places
            on one tube it does not.
        lift: of its axis above what holds it [m].
    """
    knots = [route[0].place + lift * route[0].out]
    holds: list[Hold | None] = [route[0]]
    for (before, after), sag in zip(itertools.pairwise(route), sags, strict=True):
        if before.link != after.link or before.link < 0:
            hang = sag * (DOWN + 0.5 * (before.out + after.out))
            knots.append((before.place + after.place) / 2 + hang)
            holds.append(None)
        knots.append(after.place + lift * after.out)
        holds.append(after)
    points = np.array(knots)
    steps = np.sqrt(np.maximum(np.linalg.norm(np.diff(points, axis=0), axis=1), 1e-4))
    ticks = np.concatenate([[0.0], np.cumsum(steps)])
    spline = CubicHermiteSpline(ticks, points, _slopes(ticks, points, holds))
    return _thinned(spline(np.linspace(0, ticks[-1], 12 * PIECES)))


def _slopes(ticks: Points, points: Points, holds: list[Hold | None]) -> Points:
    """(N, 3) of the curve at its knots: Catmull-Rom's, along a tube where one holds the cable."""
    padded, times = np.pad(points, ((1, 1), (0, 0)), "edge"), np.pad(ticks, 1, "edge")
    slopes = (padded[2:] - padded[:-2]) / (times[2:] - times[:-2])[:, None]
    for i, hold in enumerate(holds):
        if hold is not None and hold.radius:
            against = slopes[i] @ hold.along < 0
            slopes[i] = np.linalg.norm(slopes[i]) * (-hold.along if against else hold.along)
    return slopes


def _thinned(dense: Points) -> Points:
    """As many points of a curve as its pieces need, closer together where it bends."""
    moves = np.diff(dense, axis=0)
    lengths = np.maximum(np.linalg.norm(moves, axis=1), 1e-9)
    units = moves / lengths[:, None]
    bends = np.concatenate([[0.0], np.linalg.norm(np.diff(units, axis=0), axis=1)])
    measure = lengths / lengths.sum() + BENDS * bends / max(float(bends.sum()), 1e-9)
    done = np.concatenate([[0.0], np.cumsum(measure)])
    even = np.linspace(0, done[-1], PIECES + 1)
    return np.stack([np.interp(even, done, dense[:, axis]) for axis in range(3)], axis=1)


def pieces(points: Points, thick: float, paint: Paint) -> list[spec.Prop]:
    """The cylinders along a curve of that thickness.

    Each reaches a little into the next, so that bends show no gaps.
    """
    moves = np.diff(points, axis=0)
    lengths = np.linalg.norm(moves, axis=1) + 0.5 * thick
    places = triples((points[:-1] + points[1:]) / 2)
    return [
        spec.Prop(
            "line",
            place,
            aim(move),
            (thick, thick, length),
            paint.color,
            paint.roughness,
            paint.metallic,
        )
        for place, move, length in zip(places, moves, lengths.tolist(), strict=True)
    ]
