"""Further robots in the scene: drawn, posed, and where their skeletons are."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blender_scenes import spec
from simulator import labels
from simulator.randomization.stage import along_bones
from simulator.randomization.variety import DistractorVariety
from simulator.robot import Robot

TRIES = 12
"""Places tried for a further robot before one out of sight is taken."""


@dataclass(frozen=True)
class Other:
    """A further robot: which, how posed, and where its base stands on z = 0."""

    name: str
    q: tuple[spec.Finite, ...]
    """Joint angles [rad]."""
    place: tuple[spec.Finite, spec.Finite]
    """x, y of its base [m]."""
    yaw: spec.Finite
    """[rad]."""


def draw_others(
    variety: DistractorVariety | None,
    robot: Robot,
    seen_by: spec.Camera,
    rng: np.random.Generator,
) -> tuple[Other, ...]:
    """A further robot beside this one, where the camera sees some of it if such a place is found.

    Most places around a robot that fills the frame lie out of it: one in four was seen at all.
    """
    if variety is None or not variety.robots or rng.random() >= variety.robot_share:
        return ()
    name = variety.robots[int(rng.integers(len(variety.robots)))]
    make = Robot.named(name)
    other = _beside(robot, name, rng)
    for _ in range(TRIES):
        points = make.keypoints_world(posed(other).T_world_link)
        pixels, _ = labels.project(seen_by, points)
        if labels.in_frame(pixels, seen_by.width, seen_by.height).any():
            break
        other = _beside(robot, name, rng)
    return (other,)


def _beside(robot: Robot, name: str, rng: np.random.Generator) -> Other:
    other = Robot.named(name)
    angle = float(rng.uniform(-math.pi, math.pi))
    distance = rng.uniform(0.9, 1.6) * (robot.reach + other.reach) / 2
    return Other(
        name=name,
        q=tuple(rng.uniform(other.lower, other.upper).tolist()),
        place=(float(distance * math.cos(angle)), float(distance * math.sin(angle))),
        yaw=float(rng.uniform(-math.pi, math.pi)),
    )


def bones(other: Other) -> NDArray[np.float64]:
    """(P, 3) the base of a further robot and points along its skeleton [m]."""
    robot = Robot.named(other.name)
    keypoints = robot.keypoints_world(posed(other).T_world_link)
    return np.vstack([(*other.place, 0.0), along_bones(robot, keypoints)])


def posed(other: Other) -> spec.OtherRobot:
    """Its links' poses in the world."""
    T_world_base = np.eye(4)
    cosine, sine = math.cos(other.yaw), math.sin(other.yaw)
    T_world_base[:2, :2] = [[cosine, -sine], [sine, cosine]]
    T_world_base[:2, 3] = other.place
    return spec.OtherRobot(other.name, T_world_base @ Robot.named(other.name).forward(other.q))
