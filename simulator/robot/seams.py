"""Where a robot's parts meet at its joints, and the round faces about the joints' axes.

Found from the skins of `simulator.robot.surface`, so that it holds for any robot.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from simulator.robot.robot import Robot
from simulator.robot.surface import Body, Skin, body

NEAR = 0.12
"""Points of a housing lie within this of the joint's axis [reaches]."""
STEPS = 48
"""Places along an axis that are looked at for a seam."""
FEWEST = 12
"""Points on a skin that show a rim or a face."""
SECTORS = 10
"""About an axis, in each of which a rim shows."""
ROUND = 0.88
"""Least radius of a rim over its largest."""
FACE = 0.004
"""Depth of what counts as one face [m]."""
CLOSED = 0.012
"""Between a gap and the face that it hides, at most [m]."""
THINNEST = 0.012
"""Least radius of a rim or a face [reaches]."""


@dataclass(frozen=True, eq=False)
class Rim:
    """A circle about a joint's axis, in a link's frame."""

    link: int
    place: NDArray[np.float64]
    """(3,) its middle [m]."""
    out: NDArray[np.float64]
    """(3,) unit vector along the axis; of a face, away from the robot."""
    radius: float
    """[m]."""


@dataclass(frozen=True, eq=False)
class Seams:
    """What shows at a robot's joints."""

    gaps: tuple[Rim, ...]
    """Where two housings turn against each other."""
    faces: tuple[Rim, ...]
    """Ends of housings, as far as they are flat."""


@cache
def seams(robot: Robot) -> Seams:
    """The seams and faces of the arm up to a robot's last keypoint."""
    own = body(robot)
    gaps, faces = [], []
    for joint in robot.joints:
        if joint.angle is None or joint.kind == "prismatic" or joint.child not in own.skins:
            continue
        axis = np.asarray(joint.axis, np.float64)
        axis = axis / np.linalg.norm(axis)
        near, least = NEAR * robot.reach, THINNEST * robot.reach
        if gap := _gap(robot, own, joint.parent, joint.child, axis):
            gaps.append(gap)
        ends = (_face(own.skins[joint.child], joint.child, side * axis, near) for side in (-1, 1))
        faces += [face for face in ends if face is not None and face.radius > least]
    open_faces = (face for face in faces if not any(_closed(face, gap) for gap in gaps))
    return Seams(tuple(gaps), tuple(open_faces))


def _closed(face: Rim, gap: Rim) -> bool:
    """Whether a face lies in a gap, where nothing of it shows."""
    return face.link == gap.link and abs(float((face.place - gap.place) @ gap.out)) < CLOSED


def _gap(robot: Robot, own: Body, parent: int, child: int, axis: NDArray[np.float64]) -> Rim | None:
    """The rim at which a link's housing and that of the link above divide the axis best."""
    if parent not in own.skins:
        return None
    T_world = robot.forward((robot.lower + robot.upper) / 2)
    T = np.linalg.inv(T_world[child]) @ T_world[parent]
    near = NEAR * robot.reach
    mine = _about(own.skins[child].points, axis, near)
    others = _about(own.skins[parent].points @ T[:3, :3].T + T[:3, 3], axis, near)
    if min(len(mine), len(others)) < FEWEST:
        return None
    heights, theirs = mine @ axis, others @ axis
    cuts = np.linspace(-near, near, STEPS)
    above = (heights > cuts[:, None]).mean(axis=1) - (theirs > cuts[:, None]).mean(axis=1)
    cut = float(cuts[np.abs(above).argmax()])
    around = mine[np.abs(heights - cut) < near / STEPS * 2]
    radius = _round(around, axis)
    if radius < THINNEST * robot.reach or np.abs(above).max() < 0.5:
        return None
    return Rim(child, cut * axis, axis, radius)


def _face(skin: Skin, link: int, out: NDArray[np.float64], near: float) -> Rim | None:
    """The end of a housing in a direction along its axis, None where it is no face."""
    points = _about(skin.points, out, near)
    if len(points) < FEWEST:
        return None
    heights = points @ out
    top = float(heights.max())
    flat = points[heights > top - FACE]
    radius = _spread(flat, out)
    return None if len(flat) < FEWEST else Rim(link, top * out, out, radius)


def _about(
    points: NDArray[np.float64], axis: NDArray[np.float64], near: float
) -> NDArray[np.float64]:
    """The points (N, 3) of a link that lie around a joint at its origin."""
    close = np.linalg.norm(points - np.outer(points @ axis, axis), axis=1) < near
    return points[close & (np.abs(points @ axis) < 2 * near)]


def _round(points: NDArray[np.float64], axis: NDArray[np.float64]) -> float:
    """The radius of the circle that points outline about an axis [m]; 0 where it is none."""
    x = beside(axis)
    across = points @ np.stack([x, np.cross(axis, x)], axis=1)
    sector = np.floor(np.arctan2(*across.T) / (2 * np.pi) * SECTORS).astype(int) % SECTORS
    radii = np.zeros(SECTORS)
    np.maximum.at(radii, sector, np.linalg.norm(across, axis=1))
    return float(np.median(radii)) if radii.min() > ROUND * radii.max() else 0.0


def beside(axis: NDArray[np.float64]) -> NDArray[np.float64]:
    """A unit vector at right angles to an axis (3,)."""
    x = np.cross(axis, np.eye(3)[np.abs(axis).argmin()])
    return x / np.linalg.norm(x)


def _spread(points: NDArray[np.float64], axis: NDArray[np.float64]) -> float:
    """How far most of some points lie from an axis [m]; 0 for few."""
    if len(points) < FEWEST:
        return 0.0
    return float(np.percentile(np.linalg.norm(points - np.outer(points @ axis, axis), axis=1), 85))
