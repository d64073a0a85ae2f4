"""Tools at a robot's flange, made of primitives: grippers, suction cup, torch, screwdriver, plates.

A tool is a list of pieces in the flange's frame: +z points out of the robot, lengths are in radii
of the flange. Each tool starts at a height and is drawn anew: sizes, openings and paints.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from blender_scenes import spec
from blender_scenes.spec import Vector
from simulator.randomization.primitives import Paint, aim, triples

Kind = Literal["box", "cylinder", "sphere", "cone", "line"]


@dataclass(frozen=True)
class Piece:
    """A primitive of a tool, in the flange's frame [radii of the flange]."""

    kind: Kind
    place: Vector
    size: Vector
    paint: Paint
    turn: Vector = (0.0, 0.0, 0.0)
    """Axis times angle [rad]."""


@dataclass(frozen=True)
class Paints:
    """The paints of one tool."""

    dark: Paint
    body: Paint
    metal: Paint
    accent: Paint


def paints(rng: np.random.Generator) -> Paints:
    """Mostly black and greys, bare metal, and one colour."""
    dark = float(rng.uniform(0.008, 0.04))
    grey = float(
        rng.choice([rng.uniform(0.01, 0.06), rng.uniform(0.1, 0.5), rng.uniform(0.6, 0.8)])
    )
    shine = float(rng.uniform(0.4, 0.75))
    return Paints(
        dark=Paint((dark, dark, dark), float(rng.uniform(0.3, 0.7))),
        body=Paint((grey, grey, 1.04 * grey), float(rng.uniform(0.3, 0.7))),
        metal=Paint((shine, shine, shine), float(rng.uniform(0.2, 0.45)), 1.0),
        accent=vivid(rng),
    )


def vivid(rng: np.random.Generator) -> Paint:
    """A colour that labels, hoses and housings have."""
    choices = ((0.8, 0.25, 0.02), (0.02, 0.1, 0.6), (0.7, 0.6, 0.02), (0.6, 0.02, 0.02))
    color = np.array((*choices, (0.02, 0.4, 0.1), (0.02, 0.35, 0.35))[int(rng.integers(6))])
    r, g, b = (float(c) for c in np.clip(color * rng.uniform(0.6, 1.3, 3), 0, 1))
    return Paint((r, g, b), float(rng.uniform(0.3, 0.7)))


def draw_tool(rng: np.random.Generator) -> list[Piece]:
    """One tool: an adapter, sometimes a force-torque ring, then what does the work."""
    look = paints(rng)
    pieces, height = _adapter(0.0, look, rng)
    if rng.random() < 0.3:
        ring, height = _ring(height, look, rng)
        pieces += ring
    if rng.random() < 0.25:
        pieces += _camera(height, look, rng)
    make = TOOLS[int(rng.choice(len(TOOLS), p=WEIGHTS))]
    return pieces + make(height, look, rng)


def props(
    pieces: Sequence[Piece], T_world_flange: NDArray[np.float64], radius: float
) -> list[spec.Prop]:
    """A tool's pieces in the world, for a flange of that radius [m]."""
    R, origin = T_world_flange[:3, :3], T_world_flange[:3, 3]
    places = radius * np.array([piece.place for piece in pieces]) @ R.T + origin
    turns = Rotation.from_matrix(R) * Rotation.from_rotvec([piece.turn for piece in pieces])
    sizes = radius * np.array([piece.size for piece in pieces])
    parts = zip(pieces, triples(places), triples(turns.as_rotvec()), triples(sizes), strict=True)
    return [
        spec.Prop(
            piece.kind,
            place,
            turn,
            size,
            piece.paint.color,
            piece.paint.roughness,
            piece.paint.metallic,
        )
        for piece, place, turn, size in parts
    ]


Made = tuple[list[Piece], float]
"""Pieces, and the height at which what comes after them begins."""


def _disc(z: float, wide: float, high: float, paint: Paint, kind: Kind = "cylinder") -> Piece:
    """A piece on the flange's axis that begins at a height."""
    return Piece(kind, (0.0, 0.0, z + high / 2), (wide, wide, high), paint)


def _rod(start: Vector, end: Vector, thick: float, paint: Paint) -> Piece:
    """A cylinder from one point to another."""
    along = np.subtract(end, start)
    x, y, z = (np.add(start, end) / 2).tolist()
    length = float(np.linalg.norm(along))
    return Piece("cylinder", (x, y, z), (thick, thick, length), paint, aim(along))


def turned(out: NDArray[np.float64], angle: float) -> Vector:
    """The turn that takes +z to a direction, after one about +z."""
    x, y, z = (Rotation.from_rotvec(aim(out)) * Rotation.from_rotvec([0, 0, angle])).as_rotvec()
    return float(x), float(y), float(z)


def _adapter(z: float, look: Paints, rng: np.random.Generator) -> Made:
    high = float(rng.uniform(0.15, 0.4))
    paint = look.metal if rng.random() < 0.5 else look.body
    return [_disc(z, float(rng.uniform(1.6, 2.1)), high, paint)], z + high


def _ring(z: float, look: Paints, rng: np.random.Generator) -> Made:
    """A force-torque sensor with its plug."""
    wide, high = float(rng.uniform(1.7, 2.3)), float(rng.uniform(0.6, 1.0))
    paint = look.metal if rng.random() < 0.4 else look.dark
    plug = Piece("box", (wide / 2, 0.0, z + high / 2), (0.5, 0.5, 0.35), look.dark)
    return [_disc(z, wide, high, paint), plug], z + high


def _camera(z: float, look: Paints, rng: np.random.Generator) -> list[Piece]:
    """A camera on a bracket beside the tool, looking along it."""
    out, wide = float(rng.uniform(1.4, 2.0)), float(rng.uniform(0.7, 2.0))
    bracket = Piece("box", (out / 2, 0.0, z), (out, 0.8, 0.12), look.metal)
    case = Piece("box", (out, 0.0, z + 0.35), (0.6, wide, 0.6), look.body)
    eyes = [
        Piece("cylinder", (out, y * wide, z + 0.75), (0.35, 0.35, 0.3), look.dark)
        for y in ((0.0,) if wide < 1.2 else (-0.3, 0.3))
    ]
    return [bracket, case, *eyes]


def _two_fingers(z: float, look: Paints, rng: np.random.Generator) -> list[Piece]:
    """A parallel gripper: a housing, carriages, fingers and pads."""
    wide, deep, high = (float(n) for n in rng.uniform((1.6, 1.2, 1.4), (3.0, 1.9, 2.6)))
    round_one = rng.random() < 0.4
    size = (deep, deep, high) if round_one else (wide, deep, high)
    pieces = [Piece("cylinder" if round_one else "box", (0.0, 0.0, z + high / 2), size, look.body)]
    if round_one:
        pieces.append(Piece("box", (0.0, 0.0, z + high), (wide, 0.8 * deep, 0.6), look.body))
    pieces.append(
        Piece("box", (0.0, 0.0, z + 0.6 * high), (0.5 * wide, 1.02 * deep, 0.3), look.accent)
    )
    z += high
    apart, long = float(rng.uniform(0.25, 0.9)) * wide / 2, float(rng.uniform(1.2, 2.4))
    thick, lean = float(rng.uniform(0.2, 0.45)), float(rng.uniform(-0.15, 0.35))
    for side in (-1, 1):
        foot = (side * (apart + thick), 0.0, z + 0.2)
        pieces.append(Piece("box", foot, (3 * thick, 0.7 * deep, 0.5), look.dark))
        knee = (side * (apart + thick + lean), 0.0, z + 0.2 + 0.45 * long)
        bar = Piece("box", _middle(foot, knee), (thick, 0.5 * deep, 0.55 * long), look.dark,
                    aim(np.subtract(knee, foot)))  # fmt: skip
        tip = (side * (apart + thick / 2), 0.0, z + 0.2 + 0.75 * long)
        finger = Piece("box", tip, (thick, 0.45 * deep, 0.7 * long), look.dark)
        pad = Piece(
            "box", (side * apart, 0.0, tip[2] + 0.15 * long), (0.1, 0.4, 0.35 * long), look.body
        )
        pieces += [bar, finger, pad]
    return pieces


def _three_fingers(z: float, look: Paints, rng: np.random.Generator) -> list[Piece]:
    """A hand of three fingers of three phalanges, with a light on its palm."""
    wide, high = float(rng.uniform(2.0, 2.8)), float(rng.uniform(1.2, 2.2))
    pieces = [_disc(z, wide, high, look.dark), _disc(z + 0.9 * high, 0.8 * wide, 0.3, look.body)]
    lit = Paint((0.02, 0.05, 0.9) if rng.random() < 0.6 else look.accent.color, 0.3)
    pieces.append(Piece("sphere", (0.0, wide / 2, z + high / 2), (0.35, 0.35, 0.35), lit))
    curl, spread = float(rng.uniform(0.1, 0.6)), float(rng.uniform(0.15, 0.5))
    thick, long = float(rng.uniform(0.35, 0.55)), float(rng.uniform(0.8, 1.2))
    for azimuth in (math.pi / 2, -math.pi / 2 - spread, -math.pi / 2 + spread):
        out = np.array([math.cos(azimuth), math.sin(azimuth), 0.0])
        place = 0.4 * wide * out + [0.0, 0.0, z + high]
        lean = 0.7 + float(rng.uniform(-0.1, 0.3))
        for share in (1.0, 0.85, 0.7):
            along = math.sin(lean) * out + [0.0, 0.0, math.cos(lean)]
            after = place + share * long * along
            pieces.append(
                Piece(
                    "box",
                    _middle(place, after),
                    (thick * share, thick, 1.1 * share * long),
                    look.dark,
                    aim(along),
                )
            )
            place, lean = after, lean - 2 * curl
        ball = 0.9 * thick
        pieces.append(Piece("sphere", _middle(place, place), (ball, ball, ball), look.body))
    return pieces


def _suction(z: float, look: Paints, rng: np.random.Generator) -> list[Piece]:
    """Cups on a bar or alone, each on its rod, with a bent air hose."""
    many = int(rng.choice([1, 1, 2, 4]))
    wide = float(rng.uniform(0.8, 1.6)) if many == 1 else float(rng.uniform(0.5, 0.9))
    long, bar = float(rng.uniform(0.8, 2.5)), float(rng.uniform(1.5, 3.0))
    pieces = [_disc(z, 0.9, 0.5, look.body)]
    z += 0.4
    if many > 1:
        pieces.append(Piece("box", (0.0, 0.0, z), (2 * bar, 0.6, 0.3), look.metal))
    for x in np.linspace(-bar, bar, many) if many > 1 else [0.0]:
        at = float(x)
        pieces.append(_rod((at, 0.0, z), (at, 0.0, z + long), 0.35, look.metal))
        for step in range(3):
            share = 0.6 + 0.2 * step
            ring = (at, 0.0, z + long + 0.18 * step)
            pieces.append(Piece("cylinder", ring, (wide * share, wide * share, 0.15), look.accent))
    hose = [(0.4, 0.0, z + 0.1), (1.2, 0.0, z + 0.5), (1.6, 0.0, z), (1.4, 0.0, z - 1.2)]
    return pieces + [_rod(a, b, 0.2, look.dark) for a, b in itertools.pairwise(hose)]


def _torch(z: float, look: Paints, rng: np.random.Generator) -> list[Piece]:
    """A welding torch: mount, body, bent neck, copper nozzle and its thick hose."""
    bend, long = float(rng.uniform(0.4, 0.9)), float(rng.uniform(2.0, 3.5))
    copper = Paint((0.6, 0.28, 0.14), 0.35, 1.0)
    side = float(rng.uniform(0.8, 1.5))
    top = (side, 0.0, z + 0.5 + 0.5 * long)
    elbow = (side, 0.0, z + 0.5 + 0.8 * long)
    tip = (side - 1.4 * math.sin(bend), 0.0, elbow[2] + 1.4 * math.cos(bend))
    end = (side - 2.0 * math.sin(bend), 0.0, elbow[2] + 2.0 * math.cos(bend))
    low = (side, 0.0, z - 0.6)
    return [
        Piece("box", (side / 2, 0.0, z + 0.3), (side + 0.4, 0.9, 0.6), look.metal),
        _rod((side, 0.0, z - 0.2), top, 0.75, look.dark),
        _rod(top, elbow, 0.45, copper if rng.random() < 0.4 else look.metal),
        _rod(elbow, tip, 0.4, copper if rng.random() < 0.4 else look.metal),
        _rod(tip, end, 0.5, copper),
        _rod(low, (side + 0.3, 0.0, z - 2.0), 0.5, look.dark),
    ]


def _screwdriver(z: float, look: Paints, rng: np.random.Generator) -> list[Piece]:
    """A motor's housing, a tapered nose and a bit, on the axis or beside it."""
    wide, long = float(rng.uniform(1.0, 1.7)), float(rng.uniform(2.0, 4.0))
    bit, nose = float(rng.uniform(0.8, 1.6)), float(rng.uniform(0.5, 1.0))
    return [
        _disc(z, wide, long, look.accent if rng.random() < 0.4 else look.body),
        _disc(z + 0.3 * long, 1.05 * wide, 0.3, look.dark),
        _disc(z + long, 0.7 * wide, nose, look.metal),
        _disc(z + long + nose, 0.25, bit, look.metal),
        Piece("box", (0.0, wide / 2, z + 0.7 * long), (0.5, 0.4, 0.8), look.dark),
    ]


def _nothing(z: float, look: Paints, rng: np.random.Generator) -> list[Piece]:
    """An adapter plate alone, with what is screwed to it."""
    return [_disc(z, float(rng.uniform(1.2, 2.6)), float(rng.uniform(0.15, 0.5)), look.metal)]


def _middle(
    a: Sequence[float] | NDArray[np.float64], b: Sequence[float] | NDArray[np.float64]
) -> Vector:
    x, y, z = (float(n) for n in (np.asarray(a) + np.asarray(b)) / 2)
    return x, y, z


TOOLS: tuple[Callable[[float, Paints, np.random.Generator], list[Piece]], ...] = (
    _two_fingers,
    _three_fingers,
    _suction,
    _torch,
    _screwdriver,
    _nothing,
)
WEIGHTS = (0.35, 0.25, 0.12, 0.08, 0.1, 0.1)
"""How often each is drawn."""
