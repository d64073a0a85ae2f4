"""What a robot is made of, in plain numbers: joints, keypoints, ranges."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from blender_scenes.spec import RobotModel
from simulator.robot.errors import RobotError

MAX_JOINTS = 64
"""That a robot's q moves."""
MAX_KEYPOINTS = 64
MAX_NAME = 64
"""Characters in the name of a robot or keypoint."""


@dataclass(frozen=True)
class Joint:
    """One joint of the tree. It is turned by, or moved to, `factor` q[angle] + `offset`."""

    name: str
    kind: Literal["revolute", "continuous", "prismatic", "fixed"]
    parent: int
    """Link index."""
    child: int
    """Link index."""
    T_parent_joint: NDArray[np.float64]
    """(4, 4) pose of the child link's frame at angle zero."""
    axis: NDArray[np.float64]
    """(3,) unit vector in the joint's frame."""
    angle: int | None
    """Index into q, None for a joint that stays at `offset`."""
    factor: float = 1.0
    """Other than 1 for a joint that mimics another one."""
    offset: float = 0.0
    """[rad] or [m]."""


@dataclass(frozen=True)
class Keypoint:
    """A named point fixed to a link."""

    name: str
    link: int
    """Link index."""
    offset: NDArray[np.float64]
    """(3,) in the link's frame [m]."""
    sigma: float
    """OKS fall-off, relative to the square root of the robot's box area."""
    depth: float
    """How far behind the visible surface of its joint it lies at most [m]."""
    marks: int | None = None
    """Child link of the joint that it marks; None is the nearest joint above its link."""


@dataclass(frozen=True, eq=False)
class RobotParts:
    """Kinematic tree, keypoints and ranges of a robot that stands at the world's origin.

    Raises:
        RobotError: more joints move than samples can tell of.
    """

    name: str
    model: RobotModel
    joints: tuple[Joint, ...]
    """Parents before children."""
    keypoints: tuple[Keypoint, ...]
    angle_names: tuple[str, ...]
    """Names of the D joints that q moves, in order."""
    lower: NDArray[np.float64]
    """(D,) [rad] or [m]."""
    upper: NDArray[np.float64]
    """(D,) [rad] or [m]."""
    height: float = 0.0
    """Of the root link's frame above the ground that the robot stands on [m]."""
    mirror: tuple[int, ...] | None = None
    """(J,) the keypoint that takes each one's place in a mirror image of the robot; None where a
    mirror image shows no pose of it."""
    notes: tuple[str, ...] = ()
    """What of its files was left out, passed over or stays at rest, a line each."""

    def __post_init__(self) -> None:
        if len(self.angle_names) > MAX_JOINTS:
            raise RobotError(
                f"robot {self.name} moves {len(self.angle_names)} joints, at most {MAX_JOINTS} "
                "can; name those that shall move in `joints`"
            )
