"""What stands under a robot, behind, beside and before it: a lab of primitives.

The order is that of building one: what the base stands on, floor, walls and what hangs there, then
what stands before the robot and what stands behind. Whatever would touch the robot, come too close
to the camera or hide too much is left out.
"""

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from blender_scenes import spec
from jointloop.common.hints import Within
from jointloop.common.settings import Checked, Range, Share
from simulator.randomization import clutter, furniture, hangings, rooms
from simulator.randomization.primitives import METALS, between, block, pick
from simulator.randomization.stage import Stage, along_bones
from simulator.robot import Robot

Points = NDArray[np.float64]
Rng = np.random.Generator

CLEARANCE = 0.09
"""Of things from the robot's skeleton [robot reaches]."""
GAP = 0.001
"""Of the base from what it stands on, so that no two surfaces share a plane [m]."""
ON_WALLS = (
    hangings.whiteboard,
    hangings.whiteboard,
    hangings.poster,
    hangings.poster,
    hangings.window,
    hangings.cooler,
    hangings.duct,
    hangings.duct,
    hangings.coat,
)
TALL = (
    furniture.shelves,
    furniture.shelves,
    furniture.shelves,
    furniture.cupboard,
    furniture.cupboard,
    furniture.cupboard,
    furniture.cartons,
    furniture.cartons,
    clutter.bicycle,
    clutter.chair,
    clutter.chair,
    clutter.barrier,
    clutter.ladder,
    clutter.frame,
    clutter.pipes,
    clutter.bucket,
)


@dataclass(frozen=True)
class SceneryVariety(Checked, where="variety.scenery"):
    """A room around the robot, and what stands in it; takes the place of distractors' stands."""

    stand: Share = 0.85
    """Share of images with something under the base."""
    ground: Share = 0.15
    """Share of images whose robot stands on the floor, of those whose pose leaves room for it."""
    height: Annotated[Range, Within(0.1, 10)] = (0.6, 1.0)
    """Of the base above the floor, in the others [m]; more where the arm hangs lower."""
    floor: Share = 0.5
    """Share of images with a floor; where it is missing, the background shows."""
    wall: Share = 0.35
    """Share of images with a wall behind the robot."""
    corner: Share = 0.3
    """Share of images with a second wall, of those with one."""
    gap: Annotated[Range, Within(0, 100)] = (0.1, 1.2)
    """Of walls from what reaches farthest towards them [robot reaches]."""
    before: Share = 0.5
    """Share of images with a desk, a monitor, a box or a post before the robot."""
    tubes: Share = 0.35
    """Share of images with metal tubes that look like an arm's."""
    cables: Share = 0.4
    """Share of images with cables on the floor."""
    most: Annotated[int, Meta(ge=0, le=32)] = 7
    """Most things behind and beside the robot."""
    hides: Share = 0.5
    """Largest share of the keypoints in the picture that all of it may hide."""


def draw_scenery(
    variety: SceneryVariety | None,
    robot: Robot,
    keypoints: Points,
    others: list[Points],
    camera: spec.Camera,
    most: int,
    rng: Rng,
) -> tuple[spec.Prop, ...]:
    """A lab around the robot.

    Args:
        variety: shares and ranges; None draws none.
        robot: for its reach and skeleton.
        keypoints: (J, 3) of this pose [m].
        others: (P, 3) points along the skeleton of each further robot, from its base on [m].
        camera: that sees it; what it does not see is left out.
        most: primitives.
        rng: random source.
    """
    if variety is None:
        return ()
    reach, bones = robot.reach, along_bones(robot, keypoints)
    low = float(bones[:, 2].min()) - CLEARANCE * reach
    height = between(rng, *variety.height)
    if rng.random() < variety.ground and low > -CLEARANCE * reach:
        height = 0.0
    else:
        height = max(height, -low)
    stage = Stage(
        camera=camera,
        floor=-height - GAP,
        keypoints=keypoints,
        bones=np.vstack([bones, *others]),
        clearance=CLEARANCE * reach,
        hides=variety.hides,
        most=most,
    )
    eye = stage.eye
    yaw = math.atan2(eye[1], eye[0]) + between(rng, -0.6, 0.6)
    if rng.random() < variety.stand:
        _stand(stage, height, reach, yaw, rng)
    for other in others:
        _foot(stage, other[0], reach, rng)
    if rng.random() < variety.floor and eye[2] > stage.floor + 0.1:
        stage.put(rooms.floor(rng), (0, 0, stage.floor), yaw + between(rng, -0.8, 0.8), 0.0)
    walls = _walls(stage, variety, reach, yaw, rng)
    if rng.random() < variety.before:
        _before(stage, yaw, rng)
    _around(stage, variety, reach, yaw, walls, rng)
    return tuple(stage.props)


def _stand(stage: Stage, height: float, reach: float, yaw: float, rng: Rng) -> None:
    """What the base stands on, and what lies beside it there."""
    turn = yaw + float(rng.integers(4)) * math.pi / 2 + between(rng, -0.3, 0.3)
    if height == 0:
        _plate(stage, reach, turn, rng)
        return
    wide = float(between(rng, 0.12, 0.25) * reach)
    kinds = ["table", "table", "desk", "cart", "profiles", "pedestal", "pedestal"]
    for kind in (*rng.permutation(kinds), "pedestal"):
        x, y = (float(v) * reach for v in rng.uniform(0.45, 1.0, 2))
        if kind == "desk":
            x, y = between(rng, 0.7, 1.0), between(rng, 1.4, 2.2)
        if kind == "pedestal":
            thing, x, y = furniture.pedestal(rng, wide, height), wide, wide
        elif kind == "cart":
            thing = furniture.cart(rng, x, y, height)
        elif kind == "profiles":
            thing = furniture.profiles(rng, x, y, height)
        else:
            thing = furniture.table(rng, x, y, height)
        aside = (
            between(rng, -1, 1) * max(0.0, x / 2 - wide),
            between(rng, -1, 1) * max(0.0, y / 2 - wide),
        )
        if kind == "pedestal":
            aside = 0.0, 0.0
        cosine, sine = math.cos(turn), math.sin(turn)
        at = cosine * aside[0] - sine * aside[1], sine * aside[0] + cosine * aside[1]
        if stage.put(thing, (*at, stage.floor), turn, 0.02 * reach):
            if kind != "pedestal":
                _litter(stage, (*at, -GAP), turn, (x, y), int(rng.integers(0, 7)), rng)
            return


def _plate(stage: Stage, reach: float, turn: float, rng: Rng) -> None:
    """A plate or a rail, a little in the floor."""
    wide = between(rng, 0.2, 0.5) * reach
    if rng.random() < 0.5:
        plate = [block((0, 0, -0.009), (wide, wide, 0.02), pick(rng, METALS))]
        stage.put(plate, (0, 0, -GAP / 2 - 0.001), turn, 0.0)


def _foot(stage: Stage, base: Points, reach: float, rng: Rng) -> None:
    """A column under a further robot."""
    high = float(base[2]) - stage.floor - GAP
    if high > 0.05:
        thing = furniture.pedestal(rng, between(rng, 0.15, 0.3) * reach, high)
        stage.put(thing, (base[0], base[1], stage.floor), between(rng, -3, 3), 0.0)


def _litter(
    stage: Stage,
    at: tuple[float, float, float],
    yaw: float,
    size: tuple[float, float],
    count: int,
    rng: Rng,
) -> None:
    """Small things, and maybe a monitor, on a table top about `at`."""
    cosine, sine = math.cos(yaw), math.sin(yaw)
    for i in range(count):
        x, y = (float(v) for v in rng.uniform(-0.45, 0.45, 2) * size)
        place = at[0] + cosine * x - sine * y, at[1] + sine * x + cosine * y, at[2]
        monitor = i == 0 and rng.random() < 0.35
        thing = clutter.monitor(rng) if monitor else clutter.trifle(rng)
        stage.put(thing, place, between(rng, -math.pi, math.pi))


def _walls(
    stage: Stage, variety: SceneryVariety, reach: float, yaw: float, rng: Rng
) -> list[tuple[Points, float]]:
    """Walls behind and beside, with what hangs there: a point of each and where it faces."""
    made: list[tuple[Points, float]] = []
    if rng.random() >= variety.wall:
        return made
    faces = [yaw]
    if rng.random() < variety.corner:
        faces.append(yaw + (math.pi / 2 if rng.random() < 0.5 else -math.pi / 2))
    high = between(rng, 2.3, 3.4) if rng.random() < 0.85 else between(rng, 1.1, 1.8)
    free = np.vstack([stage.bones, stage.eye[None]])
    for face in faces:
        normal = np.array([math.cos(face), math.sin(face), 0.0])
        back = -float((free @ normal).min()) + 0.35 + between(rng, *variety.gap) * reach
        foot = -back * normal + (0, 0, stage.floor)
        if stage.put(rooms.wall(rng, high), foot, face):
            made.append((foot, face))
            for _ in range(int(rng.integers(1, 5))):
                _hang(stage, foot, face, high, rng)
    return made


def _hang(stage: Stage, foot: Points, face: float, high: float, rng: Rng) -> None:
    """Something on a wall, where the camera sees it."""
    thing = ON_WALLS[int(rng.integers(len(ON_WALLS)))](rng)
    normal = np.array([math.cos(face), math.sin(face), 0.0])
    ray = stage.ray(float(rng.random()), between(rng, 0.0, 0.8))
    away = float(ray @ normal)
    if away > -0.1:
        return
    place = stage.eye + ray * (float((foot - stage.eye) @ normal) / away)
    place[2] = min(max(place[2], stage.floor + 0.4), stage.floor + high - 0.5)
    stage.put(thing, place, face)


def _before(stage: Stage, yaw: float, rng: Rng) -> None:
    """Something between camera and robot, that rises into the picture from below."""
    base = float(np.linalg.norm(stage.eye))
    for _ in range(4):
        edge = stage.eye + stage.ray(between(rng, 0.05, 0.95), between(rng, 0.65, 0.97)) * (
            base * between(rng, 0.4, 0.85)
        )
        high, kind = float(edge[2]) - stage.floor, rng.random()
        turn = yaw + between(rng, -0.5, 0.5)
        if high < 0.1:
            continue
        if kind < 0.55:
            x, y = between(rng, 0.4, 0.9), between(rng, 0.8, 2.0)
            at = edge[0] + math.cos(turn) * x / 2, edge[1] + math.sin(turn) * x / 2
            if stage.put(furniture.table(rng, x, y, high), (*at, stage.floor), turn):
                top = (*at, float(edge[2]) + 0.001)
                _litter(stage, top, turn, (x, y), int(rng.integers(1, 8)), rng)
                return
        elif kind < 0.7:
            screen = clutter.monitor(rng)
            if stage.put(screen, (edge[0], edge[1], edge[2] - 0.3), turn):
                return
        elif kind < 0.85:
            x, y = (float(v) for v in rng.uniform(0.2, 0.6, 2))
            if stage.put(furniture.carton(rng, x, y, high), (edge[0], edge[1], stage.floor), turn):
                return
        else:
            thing = (clutter.barrier, clutter.chair)[int(rng.integers(2))](rng)
            if stage.put(thing, (edge[0], edge[1], stage.floor), turn):
                return


def _around(
    stage: Stage,
    variety: SceneryVariety,
    reach: float,
    yaw: float,
    walls: list[tuple[Points, float]],
    rng: Rng,
) -> None:
    """What stands behind and beside the robot, against walls or free."""
    wanted = [
        TALL[int(i)] for i in rng.integers(len(TALL), size=int(rng.integers(variety.most + 1)))
    ]
    if rng.random() < variety.tubes:
        wanted[:0] = [clutter.tubes] * int(rng.integers(1, 3))
    if rng.random() < variety.cables:
        wanted[:0] = [clutter.cable] * int(rng.integers(1, 4))
    base = math.hypot(*stage.eye[:2])
    for make in wanted:
        thing = make(rng)
        for _ in range(3):
            far = base + between(rng, 0.1, 1.6) * reach + (0.5 if make in TALL else 0.0)
            place = stage.ground(between(rng, 0.0, 1.0), between(rng, 0.0, 1.0), far)
            turn = yaw + between(rng, -0.3, 0.3)
            if walls and make in TALL and rng.random() < 0.7:
                foot, turn = walls[int(rng.integers(len(walls)))]
                normal = np.array([math.cos(turn), math.sin(turn)])
                place = place - (float((place - foot[:2]) @ normal) - 0.32) * normal
            elif any(
                (place - foot[:2]) @ (math.cos(face), math.sin(face)) < 0.5 for foot, face in walls
            ):
                continue
            if stage.put(thing, (*place, stage.floor), turn):
                break
