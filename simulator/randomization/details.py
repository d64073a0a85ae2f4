"""What a robot's surface shows where its parts meet: gaps at joints, bolts on caps, print, plates.

Meshes of robots leave most of it out. All of it is primitives, a few millimetres thick at most, in
the world, for the pose that is drawn.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from blender_scenes import spec
from jointloop.common.settings import Checked, Share
from simulator.randomization import tools
from simulator.randomization.primitives import Paint, aim, between, triple, triples
from simulator.robot import Robot
from simulator.robot.seams import Rim, Seams, beside, seams
from simulator.robot.surface import Body, Skin, Tube, body


@dataclass(frozen=True)
class DetailVariety(Checked, where="variety.dress.details"):
    """Gaps and clamps between the robot's parts, bolts, print: what its meshes leave out."""

    gaps: Share = 0.7
    """Share of images with dark gaps where housings turn against each other."""
    clamps: Share = 0.6
    """Share of images with clamps at the ends of tubes."""
    bolts: Share = 0.5
    """Share of images with bolts on the ends of housings."""
    letters: Share = 0.5
    """Share of images with letters along a tube."""
    plates: Share = 0.6
    """Share of stickers with print upon them."""


Poses = NDArray[np.float64]
"""(L, 4, 4) T_world_link."""
Points = NDArray[np.float64]
PROUD = 1.004
"""Radius of a gap's ring over the housing's."""
RAISED = 0.0015
"""How far bolts and print stand out of a surface [m]."""
BESIDE = 0.15
"""Surface that a bolt sits on, about its axis [radii of the cap]."""
DEEP = 0.5
"""How far below a cap's top its bolts may sit [radii of the cap]."""
CAPS = 6
"""Caps with bolts in one image, at most."""
FEW, MANY = 4, 8
"""Bolts on one cap."""
LEAST = 0.35
"""Share of the gaps, and of `CAPS`, that show at least."""


def draw_details(
    variety: DetailVariety | None,
    robot: Robot,
    T_world_link: Poses,
    stickers: Sequence[spec.Prop],
    rng: np.random.Generator,
) -> list[spec.Prop]:
    """All of it, in the world.

    Args:
        variety: shares; None draws none.
        robot: whose surface shows it.
        T_world_link: (L, 4, 4) poses of its links.
        stickers: that may have print upon them.
        rng: random source.
    """
    if variety is None:
        return []
    own = body(robot)
    gaps, clamps, bolts, letters = rng.random(4) < (
        variety.gaps,
        variety.clamps,
        variety.bolts,
        variety.letters,
    )
    made: list[spec.Prop] = []
    if gaps:
        made += _gaps(seams(robot), T_world_link, rng)
    if clamps:
        made += _clamps(own, T_world_link, rng)
    if letters:
        made += _letters(own, T_world_link, rng)
    for sticker in stickers:
        if rng.random() < variety.plates:
            made += _print(sticker, rng)
    if bolts and seams(robot).faces:
        made += _bolts(robot, T_world_link, rng)
    return made


def _gaps(own: Seams, T_world_link: Poses, rng: np.random.Generator) -> list[spec.Prop]:
    """Dark gaps, or rings of rubber, where housings turn against each other."""
    wide, paint = between(rng, 0.003, 0.012), _dark(rng)
    shown = rng.random(len(own.gaps)) < between(rng, LEAST, 1.0)
    made = []
    for gap in (gap for gap, there in zip(own.gaps, shown, strict=True) if there):
        place, along = _placed(gap, T_world_link)
        made.append(_ring(place, along, gap.radius, wide, paint))
    return made


def _clamps(own: Body, T_world_link: Poses, rng: np.random.Generator) -> list[spec.Prop]:
    """Clamps at the ends of tubes, dark mostly or of bare metal."""
    wide = between(rng, 0.003, 0.015)
    paint = _dark(rng) if rng.random() < 0.75 else _metal(rng)
    shown = rng.random((len(own.tubes), 2)) < between(rng, LEAST, 1.0)
    made = []
    for tube, ends in zip(own.tubes, shown, strict=True):
        T = T_world_link[tube.link]
        along = T[:3, :3] @ (tube.end - tube.start) / tube.length
        for end in np.array([tube.start, tube.end])[ends]:
            made.append(_ring(T[:3, :3] @ end + T[:3, 3], along, tube.radius, wide, paint))
    return made


def _bolts(robot: Robot, T_world_link: Poses, rng: np.random.Generator) -> list[spec.Prop]:
    """Circles of bolts on the ends of housings, each on the surface below it."""
    skins, faces = body(robot).skins, seams(robot).faces
    wide, many = between(rng, 0.005, 0.012), int(rng.integers(FEW, MANY + 1))
    paint = _dark(rng) if rng.random() < 0.6 else _metal(rng)
    shown = rng.permutation(len(faces))[: max(1, round(CAPS * between(rng, LEAST, 1.0)))]
    outer = between(rng, 0.6, 0.85)
    made = []
    for face in (faces[i] for i in shown):
        places = _circle(face, skins[face.link], outer, many, float(rng.uniform(0, math.pi)))
        _, out = _placed(face, T_world_link)
        T, turn = T_world_link[face.link], aim(out)
        size = (wide, wide, 2 * RAISED)
        made += [
            spec.Prop("cylinder", at, turn, size, paint.color, paint.roughness, paint.metallic)
            for at in triples(places @ T[:3, :3].T + T[:3, 3])
        ]
    return made


def _letters(own: Body, T_world_link: Poses, rng: np.random.Generator) -> list[spec.Prop]:
    """A line of dark letters along a tube, as far as strokes make letters."""
    long = [tube for tube in own.tubes if tube.length > 4 * tube.radius]
    if not long:
        return []
    tube = long[int(rng.integers(len(long)))]
    high = between(rng, 0.3, 0.7) * tube.radius
    begin, angle = between(rng, 0.1, 0.6) * tube.length, between(rng, -math.pi, math.pi)
    paint = _dark(rng) if rng.random() < 0.8 else tools.vivid(rng)
    boxes = _strokes(int(rng.integers(3, 7)), high, rng)
    R = _frame(tube, angle)
    T = T_world_link[tube.link]
    # A flat stroke across a tube lies on its middle alone: it ends where the tube falls away.
    level = tube.radius + RAISED / 2 - 0.25 * _sinking(tube.radius, high)
    turn = triple(Rotation.from_matrix(T[:3, :3] @ R).as_rotvec())
    made = []
    for x, y, wide, tall in boxes:
        if begin + x > tube.length:
            break
        local = tube.start + R @ [begin + x, y, level]
        at = triple(T[:3, :3] @ local + T[:3, 3])
        size = (wide, tall, RAISED + _sinking(tube.radius, tall))
        made.append(spec.Prop("box", at, turn, size, paint.color, paint.roughness, paint.metallic))
    return made


def _print(sticker: spec.Prop, rng: np.random.Generator) -> list[spec.Prop]:
    """Lines of print, or a bar code, upon a sticker."""
    wide, high, thick = sticker.size
    light = max(sticker.color) > 0.3
    paint = _dark(rng) if light else Paint((0.75, 0.75, 0.75), 0.5)
    upright, count = bool(rng.random() < 0.3), int(rng.integers(2, 6))
    R = Rotation.from_rotvec(sticker.rotation)
    made = []
    for i in range(count):
        share, off = between(rng, 0.4, 0.85), (i + 0.5) / count - 0.5
        stroke = between(rng, 0.3, 0.55) / count
        x, y = (off, 0.0) if upright else ((share - 0.85) / 2, off)
        size = (stroke, share) if upright else (share, stroke)
        at = R.apply([0.85 * x * wide, 0.85 * y * high, thick / 2]) + sticker.position
        made.append(
            spec.Prop(
                "box", triple(at), sticker.rotation,
                (size[0] * wide, size[1] * high, RAISED), paint.color, paint.roughness, 0.0,
            )
        )  # fmt: skip
    return made


def _strokes(
    letters: int, high: float, rng: np.random.Generator
) -> list[tuple[float, float, float, float]]:
    """(x, y, width, height) of the boxes of so many letters [m]: stems, and bars between them."""
    thin, step = 0.18 * high, 0.8 * high
    made = []
    for i in range(letters):
        x, bar = i * step, int(rng.integers(4))
        made.append((x, 0.0, thin, high))
        if bar < 3:
            made.append((x + 0.25 * high, (bar - 1) * (high - thin) / 2, 0.4 * high, thin))
        if rng.random() < 0.6:
            made.append((x + 0.45 * high, 0.0, thin, high))
    return made


def _sinking(radius: float, across: float) -> float:
    """How far a tube falls away at half of a chord about its middle [m]."""
    return radius - math.sqrt(max(radius**2 - (across / 2) ** 2, 0.0))


def _frame(tube: Tube, angle: float) -> Points:
    """(3, 3) axes in a tube's link: along it, across it, and out at an angle about it."""
    along = (tube.end - tube.start) / tube.length
    x = beside(along)
    out = math.cos(angle) * x + math.sin(angle) * np.cross(along, x)
    return np.stack([along, np.cross(out, along), out], axis=1)


def _circle(face: Rim, skin: Skin, share: float, count: int, phase: float) -> Points:
    """(N, 3) places on a skin about a face's middle, in its link: those of `count` that it has."""
    x = beside(face.out)
    axes = np.stack([x, np.cross(face.out, x), face.out])
    points = (skin.points - face.place) @ axes.T
    points = points[points[:, 2] > -DEEP * face.radius]
    angles = phase + 2 * math.pi * np.arange(count) / count
    circle = share * face.radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    close = cdist(points[:, :2], circle) < BESIDE * face.radius
    highest = np.where(close, points[:, 2:], -np.inf).max(axis=0)
    there = np.isfinite(highest)
    return np.column_stack([circle, highest])[there] @ axes + face.place


def _placed(rim: Rim, T_world_link: Poses) -> tuple[Points, Points]:
    """A rim's middle and direction in the world."""
    T = T_world_link[rim.link]
    return T[:3, :3] @ rim.place + T[:3, 3], T[:3, :3] @ rim.out


def _ring(place: Points, along: Points, radius: float, wide: float, paint: Paint) -> spec.Prop:
    across = 2 * PROUD * radius
    return spec.Prop(
        "cylinder", triple(place), aim(along), (across, across, wide),
        paint.color, paint.roughness, paint.metallic,
    )  # fmt: skip


def _dark(rng: np.random.Generator) -> Paint:
    grey = between(rng, 0.003, 0.03)
    return Paint((grey, grey, grey), between(rng, 0.4, 0.8))


def _metal(rng: np.random.Generator) -> Paint:
    grey = between(rng, 0.4, 0.75)
    return Paint((grey, grey, grey), between(rng, 0.2, 0.45), 1.0)
