"""What is unknown, and how far the robot that it makes is off the keypoints that were seen.

    State (poses of the base, intrinsics, joint angles) --move--> State --residuals--> numbers

C cameras that stand still see one robot at T instants; a view is what one camera sees at one
instant. A single photo is one view. Steps of a pose are a rotation vector, applied from the left,
and a shift of the translation, so that no place on the sphere of rotations is special.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from simulator.robot import Robot

Array = NDArray[np.float64]

NEAREST = 1e-2
"""Points that are not this far in front of a camera [m] are projected as if they were."""
STEP = 1e-6
"""Of the differences that derivatives by joint angles are taken from [rad] or [m]."""


@dataclass(frozen=True, eq=False)
class Lens:
    """A camera as far as it does not stand anywhere."""

    K: Array
    """(3, 3) intrinsics [px], pixel centres at integers."""
    distortion: Array
    """(5,) k1, k2, p1, p2, k3 (OpenCV); zeros for a pinhole."""

    def project(self, points: Array) -> tuple[Array, Array, Array]:
        """Pixels of points in the camera's frame.

        Args:
            points: (N, 3) [m].

        Returns:
            (N, 2) pixels, (N, 2, 3) their derivatives by the points [px/m], (N, 2, 4) those by
            fx, fy, cx, cy.
        """
        held = points.copy()
        held[:, 2] = np.maximum(held[:, 2], NEAREST)
        zero = np.zeros(3)
        pixels, jacobian = cv2.projectPoints(held, zero, zero, self.K, self.distortion)
        jacobian = np.asarray(jacobian, np.float64)
        by_point = jacobian[:, 3:6].reshape(-1, 2, 3)
        by_K = jacobian[:, 6:10].reshape(-1, 2, 4)
        return np.asarray(pixels, np.float64).reshape(-1, 2), by_point, by_K


@dataclass(frozen=True, eq=False)
class View:
    """The keypoints that one camera sees at one instant."""

    pixels: Array
    """(J, 2) [px]; not looked at where the weight is 0."""
    weights: Array
    """(J,) 0 for what is not seen, 1 for what is sure; a residual's square is taken times it."""
    camera: int = 0
    instant: int = 0

    @cached_property
    def used(self) -> NDArray[np.int64]:
        """Indices of the keypoints seen."""
        return np.flatnonzero(self.weights > 0)


@dataclass(frozen=True, eq=False)
class State:
    """One answer: where the base is before each camera, and how the robot is bent."""

    T_camera_base: Array
    """(C, 4, 4)."""
    K: Array
    """(C, 3, 3) [px]."""
    q: Array
    """(T, D) [rad] or [m]."""


@dataclass(frozen=True, eq=False)
class Problem:
    """What is seen, what is known, and what is to be found."""

    robot: Robot
    lenses: tuple[Lens, ...]
    """C of them."""
    views: tuple[View, ...]
    free: NDArray[np.bool_]
    """(T, D) the joint angles to be found."""
    noise: float = 1.0
    """Standard deviation of a sure keypoint along x and y [px]."""
    refine_K: bool = False
    """Whether fx, fy, cx and cy are to be found too."""
    posed: bool = False
    """Whether the poses are known, and stay."""

    @property
    def size(self) -> int:
        """Numbers to be found."""
        return self.poses + 4 * len(self.lenses) * self.refine_K + int(self.free.sum())

    @property
    def poses(self) -> int:
        """Numbers of the poses, which come first."""
        return 0 if self.posed else 6 * len(self.lenses)

    @property
    def anchor(self) -> View:
        """The view that shows most: the search begins there, and untold angles are held there."""
        return max(self.views, key=lambda view: float(view.weights.sum()))

    def at(self, cameras: Sequence[int], instants: Sequence[int]) -> "Problem":
        """The part of it that some cameras see at some instants, counted anew."""
        views = tuple(
            replace(view, camera=cameras.index(view.camera), instant=instants.index(view.instant))
            for view in self.views
            if view.camera in cameras and view.instant in instants
        )
        lenses = tuple(self.lenses[c] for c in cameras)
        return replace(self, lenses=lenses, views=views, free=self.free[list(instants)])

    def points(self, q: Array) -> Array:
        """(..., J, 3) keypoints in the frame of the base [m], for q (..., D)."""
        return base_points(self.robot, q)

    def move(self, state: State, step: Array) -> State:
        """The state after a step (size,)."""
        C = len(self.lenses)
        T, K, q = state.T_camera_base.copy(), state.K.copy(), state.q.copy()
        if not self.posed:
            poses = step[: self.poses].reshape(C, 6)
            T[:, :3, :3] = Rotation.from_rotvec(poses[:, :3]).as_matrix() @ T[:, :3, :3]
            T[:, :3, 3] += poses[:, 3:]
        if self.refine_K:
            change = step[self.poses : self.poses + 4 * C].reshape(C, 4)
            for number, (row, column) in enumerate(((0, 0), (1, 1), (0, 2), (1, 2))):
                K[:, row, column] += change[:, number] * state.K[:, 0, 0]
        q[self.free] += step[self.size - int(self.free.sum()) :]
        return State(T, K, q)

    def residuals(self, state: State) -> Array:
        """(R,) x and y of every keypoint seen, found less seen, in standard deviations."""
        off = []
        for view, local in self._seen(state):
            pixels, _, _ = self._lens(state, view.camera).project(local)
            off.append((pixels - view.pixels[view.used]) * self._scale(view))
        return np.concatenate(off).ravel()

    def jacobian(self, state: State, step: Array) -> Array:
        """(R, size) derivatives of the residuals at a state moved by a step."""
        moved = self.move(state, step)
        by_q, rows = self._points_by_q(moved.q), []
        for view, local in self._seen(moved):
            _, by_point, by_K = self._lens(moved, view.camera).project(local)
            block = self._by_all(view, moved, local, by_point, by_q[view.instant])
            if not self.posed:
                turn = slice(6 * view.camera, 6 * view.camera + 3)
                block[..., turn] = block[..., turn] @ _left(step[turn])
            if self.refine_K:
                at = self.poses + 4 * view.camera
                block[..., at : at + 4] = by_K * state.K[view.camera, 0, 0]
            rows.append((block * self._scale(view)[..., None]).reshape(-1, self.size))
        return np.concatenate(rows)

    def in_space(self, state: State) -> Array:
        """(S, size) derivatives of the keypoints seen in each camera's frame: as if their depth
        were seen too, and K known."""
        by_q, rows = self._points_by_q(state.q), []
        for view, local in self._seen(state):
            same = np.tile(np.eye(3), (len(local), 1, 1))
            block = self._by_all(view, state, local, same, by_q[view.instant])
            rows.append(block.reshape(-1, self.size))
        return np.concatenate(rows)

    def _by_all(
        self, view: View, state: State, local: Array, by_point: Array, by_q: Array
    ) -> Array:
        """(N, M, size) derivatives by poses and joint angles.

        Args:
            view: whose keypoints they are.
            state: where they are taken.
            local: (N, 3) keypoints seen, in the camera's frame.
            by_point: (N, M, 3) derivatives of M numbers by these.
            by_q: (J, 3, D) derivatives of all keypoints in the base's frame by the joint angles.
        """
        c, t = view.camera, view.instant
        T = state.T_camera_base[c]
        block = np.zeros((*by_point.shape[:2], self.size))
        if not self.posed:
            block[..., 6 * c : 6 * c + 3] = -by_point @ cross(local - T[:3, 3])
            block[..., 6 * c + 3 : 6 * c + 6] = by_point
        free = self.free[t]
        block[..., self.columns[t, free]] = by_point @ (T[:3, :3] @ by_q[view.used][..., free])
        return block

    def _seen(self, state: State) -> list[tuple[View, Array]]:
        """Every view with (N, 3) the keypoints that it sees, in its camera's frame."""
        points = self.points(state.q)
        T = state.T_camera_base[[view.camera for view in self.views]]
        return [
            (view, points[view.instant, view.used] @ to[:3, :3].T + to[:3, 3])
            for view, to in zip(self.views, T, strict=True)
        ]

    def _lens(self, state: State, camera: int) -> Lens:
        return Lens(state.K[camera], self.lenses[camera].distortion)

    def _scale(self, view: View) -> Array:
        """(N, 1) standard deviations per pixel."""
        return np.sqrt(view.weights[view.used])[:, None] / self.noise

    @cached_property
    def columns(self) -> NDArray[np.int64]:
        """(T, D) place of each angle among the numbers to be found, -1 for one that is known."""
        places = np.full(self.free.shape, -1)
        places[self.free] = np.arange(self.free.sum()) + self.size - self.free.sum()
        return places

    def _points_by_q(self, q: Array) -> Array:
        """(T, J, 3, D) derivatives of keypoints by the joint angles; 0 by those that are known."""
        by_q = np.zeros((len(q), len(self.robot.keypoints), 3, q.shape[1]))
        free = np.flatnonzero(self.free.any(axis=0))
        if len(free):
            steps = STEP * np.eye(q.shape[1])[free, None]
            ahead, behind = self.points(np.stack([q + steps, q - steps]))
            by_q[..., free] = np.moveaxis((ahead - behind) / (2 * STEP), 0, -1)
        return by_q

    @cached_property
    def limits(self) -> tuple[Array, Array]:
        """See `limits_of`."""
        return limits_of(self.robot)

    def in_limits(self, q: Array) -> Array:
        """Joint angles (..., D), whole turns taken off those that turn all round, towards 0."""
        lower, _ = self.limits
        wrapped = (q + np.pi) % (2 * np.pi) - np.pi
        wrapped += 2 * np.pi * (wrapped < self.robot.lower)
        wrapped -= 2 * np.pi * (wrapped > self.robot.upper)
        return np.where(np.isinf(lower), wrapped, q)


def base_points(robot: Robot, q: Array) -> Array:
    """(..., J, 3) keypoints in the frame of the robot's root link [m], for q (..., D)."""
    points = robot.keypoints_world(robot.forward(q))
    return points - np.array([0.0, 0.0, robot.height])


def limits_of(robot: Robot) -> tuple[Array, Array]:
    """Lower and upper limits (D,) that hold a search; none where a joint turns all round."""
    lower, upper = robot.lower.copy(), robot.upper.copy()
    round_ = turns(robot) & (upper - lower >= 2 * np.pi - 1e-6)
    lower[round_], upper[round_] = -np.inf, np.inf
    return lower, upper


def turns(robot: Robot) -> NDArray[np.bool_]:
    """(D,) whether a whole turn of an angle changes nothing: all that it moves are rotations."""
    found = np.ones(len(robot.angle_names), bool)
    for joint in robot.joints:
        if joint.angle is not None:
            whole = joint.kind != "prismatic" and float(joint.factor).is_integer()
            found[joint.angle] &= whole
    return found


def cross(points: Array) -> Array:
    """(N, 3, 3) matrices of the cross product by points (N, 3)."""
    x, y, z = points.T
    zero = np.zeros_like(x)
    rows = [[zero, -z, y], [z, zero, -x], [-y, x, zero]]
    return np.moveaxis(np.array(rows), -1, 0)


def _left(turn: Array) -> Array:
    """(3, 3) left Jacobian of a rotation vector: what a change of it turns by."""
    angle = float(np.linalg.norm(turn))
    W = cross(turn[None])[0]
    if angle < 1e-6:
        return np.eye(3) + W / 2
    first = (1 - np.cos(angle)) / angle**2
    return np.eye(3) + first * W + (angle - np.sin(angle)) / angle**3 * (W @ W)
