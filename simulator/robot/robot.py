"""A robot: kinematics in plain numpy, and its keypoints."""

import hashlib
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.robot.description import load
from simulator.robot.errors import RobotError
from simulator.robot.parts import Joint, Keypoint, RobotParts

STILL = 1e-3
"""Keypoints that never are farther from the base show no pose [m]."""
LARGEST = 100.0
"""No keypoint is farther from the base [m]: numbers beyond are millimetres."""


@dataclass(frozen=True, eq=False)
class Robot(RobotParts):
    """A robot that moves."""

    @classmethod
    @cache
    def named(cls, name: str) -> "Robot":
        """The robot of that name, or of the TOML file at that path.

        Raises:
            RobotError: unknown name, or a description that cannot be used.
        """
        robot = cls(**vars(load(name)))
        if robot.reach < STILL:
            names = ", ".join(robot.keypoint_names)
            raise RobotError(
                f"robot {name}: its keypoints ({names}) never leave the base; name one on a link "
                "that moves"
            )
        if robot.reach > LARGEST:
            raise RobotError(
                f"robot {name}: its keypoints are up to {robot.reach:g} m from the base; wanted at "
                f"most {LARGEST:g}. All lengths are metres, in the URDF as well; a "
                "joint that slides farther needs narrower limits"
            )
        return robot

    @property
    def keypoint_names(self) -> tuple[str, ...]:
        """J names."""
        return tuple(k.name for k in self.keypoints)

    @cached_property
    def slides(self) -> NDArray[np.bool_]:
        """(D,) whether what an angle is named for slides: it is a length [m]."""
        kinds = {joint.name: joint.kind for joint in self.joints}
        return np.array([kinds[name] == "prismatic" for name in self.angle_names])

    @cached_property
    def fingerprint(self) -> str:
        """Differs where kinematics, ranges or keypoints do: two sides that train must agree."""
        poses = (np.zeros(self.lower.size), (self.lower + self.upper) / 2)
        points = np.stack([self.keypoints_world(self.forward(q)) for q in poses])
        numbers = np.concatenate([points.ravel(), self.lower, self.upper]).round(6) + 0.0
        names = repr((self.keypoint_names, self.angle_names))
        return hashlib.sha256(names.encode() + numbers.tobytes()).hexdigest()[:16]

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

    @property
    def bodies(self) -> tuple[int, ...]:
        """(L,) body of each link, 0 for what stays: links that no joint moves against each other
        are one body."""
        return tuple(self._chain[1])

    @cached_property
    def held_bodies(self) -> frozenset[tuple[int, int]]:
        """Pairs of bodies that a joint holds together, the one nearer to the base first."""
        return frozenset((above, body) for body, (_, above, _) in enumerate(self._chain[0], 1))

    def own_links(self, keypoint: Keypoint) -> frozenset[int]:
        """The links whose surface shows a keypoint: the two bodies of the joint that it marks."""
        steps, bodies, _ = self._chain
        marked = bodies[keypoint.link if keypoint.marks is None else keypoint.marks]
        own = {bodies[keypoint.link], marked}
        if marked:
            own.add(steps[marked - 1][1])
        return frozenset(link for link, body in enumerate(bodies) if body in own)

    @cached_property
    def _chain(self) -> tuple[list[tuple[Joint, int, "_Motion"]], list[int], NDArray[np.float64]]:
        """Moving joints with their motion and the body above, each link's body, T_body_link.

        All that stays put is multiplied out once: a pose costs one product a moving joint. Bodies
        are counted in the order of the joints that move them, after the one that stays.
        """
        joints = {joint.child: joint for joint in self.joints}
        steps: list[tuple[Joint, int, _Motion]] = []
        bodies = [0] * len(self.model.links)
        T_body_link = np.tile(np.eye(4), (len(self.model.links), 1, 1))
        for link, parent in enumerate(self.model.parents):
            if parent < 0:
                T_body_link[link, 2, 3] = self.height
                continue
            joint = joints[link]
            motion = _Motion.after(T_body_link[parent] @ joint.T_parent_joint, joint)
            if joint.angle is None:
                T_body_link[link] = motion.at(joint.offset)
                bodies[link] = bodies[parent]
            else:
                steps.append((joint, bodies[parent], motion))
                bodies[link] = len(steps)
        return steps, bodies, T_body_link

    def forward(self, q: ArrayLike) -> NDArray[np.float64]:
        """Forward kinematics.

        Args:
            q: (..., D) joint angles [rad], or [m] for prismatic joints.

        Returns:
            (..., L, 4, 4) T_world_link in the order of `model.links`.

        Raises:
            RobotError: not D angles.
        """
        angles = np.asarray(q, dtype=np.float64)
        if angles.shape[-1:] != self.lower.shape:
            raise RobotError(
                f"robot {self.name!r} has {self.lower.size} joint angles, got shape {angles.shape}"
            )
        steps, bodies, T_body_link = self._chain
        T_world_body = np.empty((*angles.shape[:-1], len(steps) + 1, 4, 4))
        T_world_body[..., 0, :, :] = np.eye(4)
        for body, (joint, above, motion) in enumerate(steps, 1):
            T_above_body = motion.at(joint.factor * angles[..., joint.angle] + joint.offset)
            T_world_body[..., body, :, :] = T_world_body[..., above, :, :] @ T_above_body
        return T_world_body[..., bodies, :, :] @ T_body_link

    def keypoints_world(self, T_world_link: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., J, 3) keypoints [m], given (..., L, 4, 4) link poses."""
        T = T_world_link[..., [k.link for k in self.keypoints], :, :]
        offsets = np.stack([k.offset for k in self.keypoints])
        return np.einsum("...jab,jb->...ja", T[..., :3, :3], offsets) + T[..., :3, 3]

    @cached_property
    def reach(self) -> float:
        """Largest distance of a keypoint from the base over 512 fixed random poses [m]."""
        rng = np.random.default_rng(0)
        poses = rng.uniform(self.lower, self.upper, (512, self.lower.size))
        points = self.keypoints_world(self.forward(poses))
        return float(np.linalg.norm(points, axis=-1).max())


@dataclass(frozen=True, eq=False)
class _Motion:
    """A joint's motion as a sum of three (4, 4) matrices; rotation by Rodrigues' formula."""

    prismatic: bool
    still: NDArray[np.float64]
    first: NDArray[np.float64]
    """Times the value, or its sine."""
    second: NDArray[np.float64]
    """Times one minus its cosine."""

    @classmethod
    def after(cls, T: NDArray[np.float64], joint: Joint) -> "_Motion":
        """The joint's motion, then (4, 4) T."""
        first, second = np.zeros((4, 4)), np.zeros((4, 4))
        if joint.kind == "prismatic":
            first[:3, 3] = joint.axis
            return cls(True, T, T @ first, second)
        x, y, z = joint.axis
        first[:3, :3] = [[0, -z, y], [z, 0, -x], [-y, x, 0]]
        second[:3, :3] = first[:3, :3] @ first[:3, :3]
        return cls(False, T, T @ first, T @ second)

    def at(self, value: ArrayLike) -> NDArray[np.float64]:
        """(..., 4, 4) for values (...)."""
        amount = np.asarray(value, dtype=np.float64)[..., None, None]
        if self.prismatic:
            return self.still + amount * self.first
        return self.still + np.sin(amount) * self.first + (1 - np.cos(amount)) * self.second
