"""A robot: kinematics in plain numpy, and its keypoints."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blender_scenes.spec import JointloopError, RobotModel


class RobotError(JointloopError):
    """A robot's description cannot be used."""


@dataclass(frozen=True)
class Joint:
    """One joint of the tree; fixed ones have no angle."""

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
    """Index into q, None for a joint that stays at zero."""


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


@dataclass(frozen=True, eq=False)
class Robot:
    """Kinematic tree, keypoints and ranges of a robot whose base stands at the world's origin."""

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
    body_radius: float
    """How far behind the visible surface of its joint a keypoint lies at most [m]."""

    @classmethod
    def named(cls, name: str) -> "Robot":
        """The robot of that name, or of the TOML file at that path.

        Raises:
            RobotError: unknown name, or a description that cannot be used.
        """
        from simulator.urdf import load  # which builds Robots

        return load(name)

    @property
    def keypoint_names(self) -> tuple[str, ...]:
        """J names."""
        return tuple(k.name for k in self.keypoints)

    @property
    def skeleton(self) -> tuple[tuple[int, int], ...]:
        """Pairs of keypoints to draw a bone between: each one and the nearest above it."""
        by_link: dict[int, int] = {}
        bones = []
        for j, keypoint in enumerate(self.keypoints):
            link = keypoint.link
            while link >= 0 and link not in by_link:
                link = self.model.parents[link]
            if link >= 0:
                bones.append((by_link[link], j))
            by_link[keypoint.link] = j
        return tuple(bones)

    def own_links(self, keypoint: Keypoint) -> frozenset[int]:
        """The links whose surface shows a keypoint: its own, and the one across its joint.

        Links welded to those count as the same body.
        """
        body = {keypoint.link}
        crossed = False
        while not crossed and (above := self._joint_above.get(min(body))):
            body.add(above.parent)
            crossed = above.angle is not None
        return frozenset(body)

    @cached_property
    def _joint_above(self) -> dict[int, Joint]:
        return {joint.child: joint for joint in self.joints}

    def forward(self, q: ArrayLike) -> NDArray[np.float64]:
        """Forward kinematics.

        Args:
            q: (D,) joint angles [rad], or [m] for prismatic joints.

        Returns:
            (L, 4, 4) T_world_link in the order of `model.links`.
        """
        angles = np.asarray(q, dtype=np.float64)
        if angles.shape != self.lower.shape:
            raise RobotError(
                f"robot {self.name!r} has {self.lower.size} joint angles, got shape {angles.shape}"
            )
        T_world_link = np.tile(np.eye(4), (len(self.model.links), 1, 1))
        for joint in self.joints:
            T = T_world_link[joint.parent] @ joint.T_parent_joint
            if joint.angle is not None:
                T = T @ _motion(joint, angles[joint.angle])
            T_world_link[joint.child] = T
        return T_world_link

    def keypoints_world(self, T_world_link: NDArray[np.float64]) -> NDArray[np.float64]:
        """(J, 3) keypoints [m], given (L, 4, 4) link poses."""
        T = T_world_link[[k.link for k in self.keypoints]]
        offsets = np.stack([k.offset for k in self.keypoints])
        return np.einsum("jab,jb->ja", T[:, :3, :3], offsets) + T[:, :3, 3]

    @cached_property
    def reach(self) -> float:
        """Largest distance of a keypoint from the base over 512 fixed random poses [m]."""
        rng = np.random.default_rng(0)
        poses = rng.uniform(self.lower, self.upper, (512, self.lower.size))
        points = np.stack([self.keypoints_world(self.forward(q)) for q in poses])
        return float(np.linalg.norm(points, axis=-1).max())


def _motion(joint: Joint, value: float) -> NDArray[np.float64]:
    """(4, 4) motion of a joint about or along its axis; rotation by Rodrigues' formula."""
    T = np.eye(4)
    if joint.kind == "prismatic":
        T[:3, 3] = joint.axis * value
        return T
    x, y, z = joint.axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    T[:3, :3] += math.sin(value) * cross + (1 - math.cos(value)) * cross @ cross
    return T
