"""A set of labelled pictures, looked through for what cannot be true of the robot."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from simulator.labels import VISIBLE, in_frame
from simulator.robot import Robot
from trainer.evaluation.coco_out import around
from trainer.pose.marks.explain import Explained, explain
from trainer.pose.marks.flags import Sight
from trainer.pose.marks.many import Eye
from trainer.pose.problem import Array
from trainer.pose.shots import Shot

Kind = Literal["off", "swapped", "unexplained", "outside", "flag", "jump"]
SLIMMEST = 1 / 3
"""Shorter over longer side of a robot's box that its size follows from at least: an arm that is
stretched out is no smaller."""
FINEST = 0.5
"""Marks are no better than this [px]."""
SURE = 3.0
"""Standard deviations by which a place that is proposed lies within the picture."""


@dataclass(frozen=True)
class Fault:
    """Something about a picture's marks that cannot be true."""

    kind: Kind
    keypoints: tuple[str, ...]
    """Those that it is about."""
    text: str
    sigmas: float | None = None
    """The residual, where it has one."""


@dataclass(frozen=True, eq=False)
class Looked:
    """One picture, looked at."""

    shot: Shot
    size: tuple[int, int]
    """Width and height [px]."""
    found: Explained
    faults: tuple[Fault, ...]
    proposed: dict[str, tuple[float, float, float]]
    """Keypoints that are not marked but would lie in the picture: x, y and standard deviation."""

    @property
    def checked(self) -> bool:
        """Whether the marks tell more than a pose."""
        return self.found.spare > 0


def people_err(robot: Robot, shot: Shot) -> Array:
    """(J,) standard deviations along x and y that people's marks have [px], by the robot's sigmas
    and the size that it has in the picture."""
    seen = shot.weights > 0
    box = shot.box if shot.box is not None and shot.box[2] * shot.box[3] > 0 else None
    width, height = (box or around(shot.pixels[seen]))[2:]
    long, short = max(width, height), min(width, height)
    side = np.sqrt(long * max(short, SLIMMEST * long))
    sigmas = np.array([keypoint.sigma for keypoint in robot.keypoints])
    return np.maximum(sigmas * side / np.sqrt(2), FINEST)


def look(
    robot: Robot,
    shot: Shot,
    size: tuple[int, int],
    sight: Sight | None = None,
    noise: float | None = None,
    q: Array | None = None,
) -> Looked:
    """Look at one picture's marks.

    Args:
        robot: that is marked.
        shot: the marks; without a lens, the focal length is found as well.
        size: of the picture, width and height [px].
        sight: tells what the robot hides; without, flags are not looked at. Nor are they without
            joint angles: other poses with the same marks hide other keypoints.
        noise: standard deviation of marks along x and y [px]; without, what people err by.
        q: (D,) joint angles where they are known.
    """
    std = people_err(robot, shot) if noise is None else np.full(len(robot.keypoints), noise)
    eye = Eye.unknown(*size) if shot.lens is None else Eye(shot.lens)
    found = explain(robot, eye, shot.pixels, std, q)
    faults = [*_outside(robot, shot, size), *faults_of(robot, found)]
    flags = shot.flags
    if sight is not None and q is not None and flags is not None and found.spare > 0:
        seen = (flags == VISIBLE) & (found.weights > 0)
        for j in np.flatnonzero(sight.hidden(found, seen)).tolist():
            name = robot.keypoint_names[j]
            text = f"{name} is marked as visible, but the robot stands before it"
            faults.append(Fault("flag", (name,), text))
    return Looked(shot, size, found, tuple(faults), proposed(robot, found, shot, size))


def _outside(robot: Robot, shot: Shot, size: tuple[int, int]) -> list[Fault]:
    inside = in_frame(shot.pixels, *size)
    return [
        Fault(
            "outside",
            (name,),
            f"{name} is marked at {x:.1f}, {y:.1f}, outside of {size[0]}x{size[1]}",
        )
        for name, (x, y), seen, fits in zip(
            robot.keypoint_names, shot.pixels.tolist(), shot.weights > 0, inside, strict=True
        )
        if seen and not fits
    ]


def faults_of(robot: Robot, found: Explained) -> list[Fault]:
    """What is wrong with marks that no pose has; nothing where one has them."""
    if not found.faulty:
        return []
    names, residuals = robot.keypoint_names, found.residuals
    if found.swapped is not None:
        i, j = found.swapped
        text = f"{names[i]} and {names[j]} stand in each other's place"
        worst = float(np.nanmax(residuals[[i, j]]))
        return [Fault("swapped", (names[i], names[j]), text, worst)]
    if found.off is not None:
        j, (x, y) = found.off, found.pixels[found.off]
        text = f"{names[j]} is {residuals[j]:.1f} sigmas off"
        if np.isfinite((x, y, found.std[j])).all():
            text += f"; the others put it at {x:.1f}, {y:.1f} (to {found.std[j]:.1f} px)"
            text += " or farther away" if found.apart[j] > SURE * found.std[j] else ""
        return [Fault("off", (names[j],), text, float(residuals[j]))]
    j = int(np.nanargmax(np.where(np.isnan(residuals), -1.0, residuals)))
    text = f"no pose of the robot has these marks, with any one left out; {names[j]} is worst"
    return [Fault("unexplained", (names[j],), text, float(residuals[j]))]


def proposed(
    robot: Robot, found: Explained, shot: Shot, size: tuple[int, int]
) -> dict[str, tuple[float, float, float]]:
    """Keypoints that are not marked but would lie in the picture: x, y and standard deviation."""
    if found.spare <= 0 or (found.faulty and found.off is None and found.swapped is None):
        return {}
    places = {}
    for j, name in enumerate(robot.keypoint_names):
        (x, y), std = found.pixels[j].tolist(), float(found.std[j])
        rim = SURE * std
        inside = rim <= x <= size[0] - 1 - rim and rim <= y <= size[1] - 1 - rim
        alone = found.apart[j] <= SURE * std
        if shot.weights[j] == 0 and np.isfinite(std) and inside and alone:
            places[name] = (x, y, std)
    return places


def jumps(robot: Robot, shots: Sequence[Shot], diagonal: float, limit: float) -> dict[int, Fault]:
    """Frames before which a keypoint moves farther than a limit, by their number.

    Args:
        robot: that is marked.
        shots: frames in their order.
        diagonal: of the pictures [px].
        limit: in % of the diagonal, from one frame to the next.
    """
    found: dict[int, Fault] = {}
    for i in range(1, len(shots)):
        moved = 100 * np.linalg.norm(shots[i].pixels - shots[i - 1].pixels, axis=1) / diagonal
        far: NDArray[np.int64] = np.flatnonzero(moved > limit)
        if len(far):
            names = tuple(robot.keypoint_names[j] for j in far)
            each = ", ".join(f"{n} by {moved[j]:.1f} %" for n, j in zip(names, far, strict=True))
            text = f"from {shots[i - 1].name} moved {each} of the diagonal"
            found[i] = Fault("jump", names, text)
    return found


def look_through(
    robot: Robot,
    shots: Sequence[Shot],
    noise: float | None = None,
    q: Array | None = None,
    limit: float | None = None,
    update: Callable[[str], None] = lambda line: None,
) -> list[Looked]:
    """Look at all pictures of a set.

    Args:
        robot: that is marked.
        shots: the pictures, in their order.
        noise: see `look`.
        q: (N, D) joint angles where they are known.
        limit: see `jumps`; None where the pictures are no frames.
        update: takes lines that the next one replaces.

    Raises:
        JointloopError: a picture or the robot's meshes cannot be read.
    """
    sight, looked = Sight(robot), []
    for i, shot in enumerate(shots):
        height, width = shot.load().shape[:2]
        own = None if q is None else q[i]
        looked.append(look(robot, shot, (width, height), sight, noise, own))
        update(f"{i + 1} of {len(shots)}")
    if limit is not None:
        diagonal = float(np.hypot(*looked[0].size))
        for i, fault in jumps(robot, shots, diagonal, limit).items():
            one = looked[i]
            faults = (*one.faults, fault)
            looked[i] = Looked(one.shot, one.size, one.found, faults, one.proposed)
    return looked
