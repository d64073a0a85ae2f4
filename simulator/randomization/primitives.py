"""Parts that furniture and tools are made of: primitives in a thing's own frame, and paints.

A thing stands on z = 0 about its own origin and shows its front along +x. Lengths are in metres.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from blender_scenes.spec import Prop, Vector

Thing = list[Prop]
"""What is put into its place as one."""
DIGITS = 4
"""Of lengths and colours that are kept; finer than a picture shows."""
STILL: Vector = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Paint:
    """How a part looks."""

    color: Vector
    """Linear RGB."""
    roughness: float = 0.6
    metallic: float = 0.0


STEEL = Paint((0.55, 0.56, 0.58), 0.35, 0.9)
ALUMINIUM = Paint((0.66, 0.67, 0.68), 0.38, 0.85)
BLACK = Paint((0.02, 0.02, 0.022), 0.5)
DARK = Paint((0.08, 0.08, 0.09), 0.55)
GREY = Paint((0.35, 0.36, 0.37), 0.55)
WHITE = Paint((0.78, 0.78, 0.76), 0.5)
CREAM = Paint((0.72, 0.64, 0.5), 0.7)
CARDBOARD = Paint((0.42, 0.25, 0.12), 0.85)
TAPE = Paint((0.55, 0.38, 0.2), 0.4)
BEECH = Paint((0.58, 0.38, 0.2), 0.55)
CHERRY = Paint((0.42, 0.14, 0.045), 0.5)
OAK = Paint((0.35, 0.2, 0.09), 0.6)
RED = Paint((0.6, 0.02, 0.02), 0.45)
BLUE = Paint((0.02, 0.09, 0.45), 0.45)
YELLOW = Paint((0.8, 0.5, 0.02), 0.45)
GREEN = Paint((0.03, 0.3, 0.09), 0.5)
ORANGE = Paint((0.75, 0.2, 0.02), 0.45)
SKY = Paint((0.33, 0.5, 0.6), 0.4)
"""The blue of some robots' caps."""

METALS = (STEEL, ALUMINIUM, GREY, DARK)
WOODS = (BEECH, CHERRY, OAK)
FRONTS = (WHITE, WHITE, CREAM, GREY, BEECH, CHERRY, OAK, STEEL, SKY)
TOPS = (WHITE, WHITE, GREY, BEECH, BEECH, OAK, STEEL, DARK, CREAM)
BRIGHT = (RED, RED, BLUE, BLUE, YELLOW, GREEN, ORANGE)
INKS = (RED, BLUE, GREEN, BLACK, BLACK)
ANY = (*BRIGHT, *METALS, *WOODS, WHITE, BLACK, CARDBOARD, CREAM, SKY)


def pick(rng: np.random.Generator, paints: tuple[Paint, ...]) -> Paint:
    """One of these, a little lighter or darker and off in hue."""
    paint = paints[int(rng.integers(len(paints)))]
    return dyed(rng, paint)


def dyed(rng: np.random.Generator, paint: Paint) -> Paint:
    """Much the same paint."""
    light = float(rng.uniform(0.7, 1.25))
    r, g, b = (
        min(0.95, c * light * float(f))
        for c, f in zip(paint.color, rng.uniform(0.9, 1.1, 3), strict=True)
    )
    rough = min(1.0, max(0.15, paint.roughness + float(rng.uniform(-0.15, 0.2))))
    return Paint((r, g, b), rough, paint.metallic)


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """One uniform draw."""
    return float(rng.uniform(low, high))


def block(at: Vector, size: Vector, paint: Paint, turn: Vector = STILL) -> Prop:
    """A box about its centre."""
    return Prop("box", at, turn, size, paint.color, paint.roughness, paint.metallic)


def post(x: float, y: float, low: float, high: float, width: float, paint: Paint) -> Prop:
    """An upright cylinder."""
    size = (width, width, high - low)
    at = (x, y, (low + high) / 2)
    return Prop("cylinder", at, STILL, size, paint.color, paint.roughness, paint.metallic)


def ball(at: Vector, width: float, paint: Paint) -> Prop:
    """A sphere."""
    return Prop(
        "sphere", at, STILL, (width, width, width), paint.color, paint.roughness, paint.metallic
    )


def cone(at: Vector, width: float, height: float, paint: Paint) -> Prop:
    """An upright cone about its middle."""
    size = (width, width, height)
    return Prop("cone", at, STILL, size, paint.color, paint.roughness, paint.metallic)


def rod(start: Vector, end: Vector, width: float, paint: Paint) -> Prop:
    """A cylinder from one point to another."""
    x, y, z = (b - a for a, b in zip(start, end, strict=True))
    length = math.sqrt(x * x + y * y + z * z)
    turn = aim((x, y, z)) if x or y else STILL  # downwards is as upwards
    mx, my, mz = ((a + b) / 2 for a, b in zip(start, end, strict=True))
    size = (width, width, max(length, width / 10))
    return Prop("cylinder", (mx, my, mz), turn, size, paint.color, paint.roughness, paint.metallic)


def aim(along: Sequence[float] | NDArray[np.float64]) -> Vector:
    """The turn that takes +z to a direction (3,)."""
    x, y, z = (float(component) for component in along)
    sine = math.hypot(x, y)
    if sine <= 1e-9 * abs(z):
        return STILL if z > 0 else (math.pi, 0.0, 0.0)
    angle = math.atan2(sine, z)
    return -y / sine * angle, x / sine * angle, 0.0


def triple(values: Sequence[float] | NDArray[np.float64]) -> Vector:
    """Three plain floats."""
    x, y, z = (float(v) for v in values)
    return x, y, z


def triples(rows: NDArray[np.float64]) -> list[Vector]:
    """(N, 3) numbers as plain floats."""
    return [(x, y, z) for x, y, z in rows.tolist()]


def disc(at: Vector, width: float, depth: float, paint: Paint, yaw: float = 0.0) -> Prop:
    """A flat cylinder that faces +x, turned about z."""
    x, y, z = at
    dx, dy = math.cos(yaw) * depth / 2, math.sin(yaw) * depth / 2
    return rod((x - dx, y - dy, z), (x + dx, y + dy, z), width, paint)


def wire(points: list[Vector], width: float, paint: Paint) -> Thing:
    """Rods from point to point."""
    return [rod(a, b, width, paint) for a, b in pairwise(points)]


def placed(thing: Iterable[Prop], at: Vector, yaw: float) -> Thing:
    """A thing turned about z and moved."""
    parts = list(thing)
    if not parts:
        return []
    spin = Rotation.from_rotvec([0.0, 0.0, yaw])
    places = spin.apply([part.position for part in parts]) + np.array(at)
    turns = (spin * Rotation.from_rotvec([part.rotation for part in parts])).as_rotvec()
    return [
        replace(part, position=place, rotation=turn)
        for part, place, turn in zip(parts, triples(places), triples(turns), strict=True)
    ]


def shortened(part: Prop) -> Prop:
    """A part whose numbers keep `DIGITS` after the point."""
    return replace(
        part,
        position=_short(part.position),
        rotation=_short(part.rotation),
        size=_short(part.size),
        color=_short(part.color),
        roughness=round(part.roughness, DIGITS),
    )


def _short(values: Vector) -> Vector:
    x, y, z = (round(value, DIGITS) for value in values)
    return x, y, z
