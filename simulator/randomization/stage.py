"""The stage around a robot: takes things that the camera sees and that leave the robot free."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from blender_scenes import solids, spec
from simulator import labels
from simulator.randomization.primitives import Thing, placed, shortened
from simulator.robot import Robot

Points = NDArray[np.float64]

BREATH = 0.3
"""Nothing stands closer to the camera than this [m]."""
FRINGE = 0.15
"""Share of the image beyond each edge that a bent lens may still show."""
_CORNERS = np.stack(np.meshgrid(*[[-0.5, 0.5]] * 3), axis=-1).reshape(-1, 3)


@dataclass
class Stage:
    """What stands around so far, and what it must leave free."""

    camera: spec.Camera
    floor: float
    """Height of the floor [m]."""
    keypoints: Points
    """(J, 3) of the robot [m]."""
    bones: Points
    """(P, 3) points along the skeletons that nothing may touch [m]."""
    clearance: float
    """From any of them [m]."""
    hides: float
    """Largest share of the keypoints in the picture that all this may hide."""
    most: int
    """Primitives."""
    props: Thing = field(default_factory=list)

    def __post_init__(self) -> None:
        pixels, _ = labels.project(self.camera, self.keypoints)
        inside = labels.in_frame(pixels, self.camera.width, self.camera.height)
        self._targets = self.keypoints[inside]
        self._covered = np.zeros(len(self._targets), bool)

    @property
    def eye(self) -> Points:
        """(3,) centre of the camera [m]."""
        return self.camera.T_world_camera[:3, 3]

    def put(
        self, thing: Thing, at: Sequence[float] | Points, yaw: float, clearance: float | None = None
    ) -> bool:
        """Take a thing where it touches and hides nothing, as far as the camera sees it.

        Args:
            thing: in its own frame.
            at: its place in the world [m].
            yaw: about +z [rad].
            clearance: from the skeletons [m]; the stage's own unless given.

        Returns:
            Whether it was taken.
        """
        x, y, z = (float(value) for value in at)
        moved = placed(thing, (x, y, z), yaw)
        R, place, size = _boxes(moved)
        free = self.clearance if clearance is None else clearance
        if _distance(R, place, size, self.bones).min(initial=np.inf) < free:
            return False
        if _distance(R, place, size, self.eye[None]).min(initial=np.inf) < BREATH:
            return False
        shown = self._seen(R, place, size)
        seen = [part for part, visible in zip(moved, shown, strict=True) if visible]
        if not seen or len(self.props) + len(seen) > self.most:
            return False
        rays = self._targets - self.eye
        hidden = self._covered | (solids.first_hits(seen, self.eye, rays) < 1)
        if len(hidden) and hidden.mean() > self.hides:
            return False
        self._covered = hidden
        self.props += [shortened(part) for part in seen]
        return True

    def ray(self, across: float, down: float) -> Points:
        """(3,) direction of a pixel's ray, its place given in shares of the image."""
        pixel = np.array([across * self.camera.width, down * self.camera.height, 1.0])
        ray = self.camera.T_world_camera[:3, :3] @ np.linalg.solve(self.camera.K, pixel)
        return ray / np.linalg.norm(ray)

    def ground(self, across: float, down: float, farthest: float) -> Points:
        """(2,) where a pixel's ray meets the floor, but at most that far from the camera [m]."""
        ray, flat = self.ray(across, down), farthest
        level = math.hypot(ray[0], ray[1])
        if ray[2] < 0:
            flat = min(flat, (self.floor - self.eye[2]) / ray[2] * level)
        return self.eye[:2] + flat / max(level, 1e-6) * ray[:2]

    def _seen(self, R: Points, place: Points, size: Points) -> NDArray[np.bool_]:
        """(N,) boxes that the picture and its fringe can show."""
        T = self.camera.T_camera_world
        corners = np.einsum("nij,nkj->nki", R, _CORNERS * size[:, None]) + place[:, None]
        points = corners @ T[:3, :3].T + T[:3, 3]
        depth = points[..., 2]
        pixels = points @ self.camera.K[:2].T / np.maximum(depth, 1e-3)[..., None]
        extent = np.array([self.camera.width, self.camera.height])
        low, high = pixels.min(axis=1), pixels.max(axis=1)
        inside = ((high > -FRINGE * extent) & (low < (1 + FRINGE) * extent)).all(axis=1)
        before, behind = (depth > 0.01).any(axis=1), (depth <= 0.01).any(axis=1)
        return before & (inside | behind)


def along_bones(robot: Robot, keypoints: NDArray[np.float64]) -> NDArray[np.float64]:
    """(P, 3) points along a robot's skeleton, given (J, 3) keypoints [m]."""
    bones = np.array(robot.skeleton, int).reshape(-1, 2)
    starts, ends = keypoints[bones[:, 0]], keypoints[bones[:, 1]]
    along = np.linspace(0, 1, 9)[:, None, None]
    return (starts + along * (ends - starts)).reshape(-1, 3)


def distances(props: Sequence[spec.Prop], points: Points) -> Points:
    """(N, P) of (P, 3) points from the boxes around N primitives, 0 within [m]."""
    return _distance(*_boxes(props), points)


def _boxes(props: Sequence[spec.Prop]) -> tuple[Points, Points, Points]:
    """(N, 3, 3) rotations, (N, 3) centres and (N, 3) sizes of the boxes around primitives."""
    R = Rotation.from_rotvec([part.rotation for part in props]).as_matrix()
    return R, np.array([part.position for part in props]), np.array([part.size for part in props])


def _distance(R: Points, place: Points, size: Points, points: Points) -> Points:
    """(N, P) distances of points to boxes, 0 within [m]."""
    local = np.einsum("nji,npj->npi", R, points[None] - place[:, None])
    return np.linalg.norm(np.maximum(np.abs(local) - size[:, None] / 2, 0), axis=-1)
