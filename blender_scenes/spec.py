"""What to render, in plain numbers: the language between the simulator and its scenes. No bpy.

A `RobotModel` says what a scene is built from, once. A `Frame` says all that one image shows; a
`Scene` turns frames into pixels and answers which surface a camera ray meets first.

Conventions: lengths [m], angles [rad], `T_a_b` maps points in frame b to frame a. Camera axes are
OpenCV's (+x right, +y down, +z forward). Pixel centres lie at integers. Colours are linear RGB.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Engine = Literal["cycles", "stick"]

HDRIS = ("city", "courtyard", "forest", "interior", "night", "studio", "sunrise", "sunset")
"""The HDRIs that ship with Blender (CC0), by name."""

MATERIAL_SLOTS = 6
"""Materials drawn per image; base material i of a robot takes slot i modulo this."""


class JointloopError(Exception):
    """Base of every error that a user's input or environment can cause.

    The message names the thing, its value, and what would have been right.
    """


class SceneError(JointloopError):
    """A scene cannot be built or rendered."""


@dataclass(frozen=True)
class Visual:
    """One visible mesh or primitive of a link."""

    link: int
    """Index into `RobotModel.links`."""
    T_link_visual: NDArray[np.float64]
    """(4, 4) pose of the geometry in its link's frame."""
    mesh: Path | None = None
    """Mesh file (.dae, .stl, .obj), or None for a primitive."""
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Mesh scale along x, y, z."""
    primitive: tuple[Literal["box", "cylinder", "sphere"], tuple[float, ...]] | None = None
    """Kind and size [m]: box (x, y, z), cylinder (radius, length), sphere (radius,)."""
    color: tuple[float, float, float] | None = None
    """Linear RGB from the URDF, used where the mesh file brings no material of its own."""


@dataclass(frozen=True)
class RobotModel:
    """What a scene needs to know of a robot."""

    name: str
    links: tuple[str, ...]
    """Link names; a frame poses them in this order."""
    parents: tuple[int, ...]
    """Index of each link's parent, -1 for the root."""
    visuals: tuple[Visual, ...]


@dataclass(frozen=True)
class Camera:
    """A pinhole camera."""

    width: int
    height: int
    K: NDArray[np.float64]
    """(3, 3) intrinsics [px]."""
    T_world_camera: NDArray[np.float64]
    """(4, 4), OpenCV axes."""

    @property
    def T_camera_world(self) -> NDArray[np.float64]:
        """(4, 4), the rigid inverse of T_world_camera."""
        T = np.eye(4)
        T[:3, :3] = self.T_world_camera[:3, :3].T
        T[:3, 3] = -T[:3, :3] @ self.T_world_camera[:3, 3]
        return T


@dataclass(frozen=True)
class Sun:
    """A far light."""

    azimuth: float
    """Direction the light comes from, about +z [rad]."""
    elevation: float
    """Above the horizon [rad]."""
    strength: float
    """[W/m^2]."""
    angle: float
    """Angular diameter, softens shadows [rad]."""
    color: tuple[float, float, float]


@dataclass(frozen=True)
class Environment:
    """Light from all around."""

    hdri: str
    """One of `HDRIS`."""
    rotation: float
    """About +z [rad]."""
    strength: float
    """Factor on the HDRI's radiance."""


@dataclass(frozen=True)
class Material:
    """How far one material slot departs from the robot's own look."""

    color: tuple[float, float, float]
    """Linear RGB mixed into the base colour."""
    mix: float
    """0 keeps the base colour, roughness and metallic, 1 replaces them."""
    roughness: float
    metallic: float


@dataclass(frozen=True)
class Background:
    """What stands behind the robot: a panorama seen through the same camera, turned."""

    image: str
    """One of `HDRIS`."""
    rotation: float
    """About +z [rad]."""
    brightness: float
    """Factor on the linear colours."""


@dataclass(frozen=True)
class Frame:
    """All that one image shows."""

    T_world_link: NDArray[np.float64]
    """(L, 4, 4), in the order of `RobotModel.links`."""
    camera: Camera
    sun: Sun
    environment: Environment
    exposure: float
    """Stops."""
    materials: tuple[Material, ...]
    """`MATERIAL_SLOTS` of them."""
    background: Background
    seed: int = 0
    """Of the renderer's sampling noise, 0 to 2**31 - 1."""


@dataclass(frozen=True)
class Rendered:
    """What a scene makes of a frame."""

    image: NDArray[np.uint8]
    """(H, W, 3) RGB, C-contiguous."""
    mask: NDArray[np.uint8]
    """(H, W) coverage of the image by the robot, 0 to 255."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Wall time by stage: sync, render, read, composite."""


class Scene(Protocol):
    """A robot that can be posed, seen and probed. Built once, rendered many times."""

    model: RobotModel

    def render(self, frame: Frame) -> Rendered:
        """Draw one frame."""
        ...

    def first_hits(
        self, frame: Frame, targets: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """What a ray from the camera centre through each target meets first.

        Args:
            frame: the scene's state; need not have been rendered.
            targets: (N, 3) points in the world [m].

        Returns:
            (N,) distance from the camera centre to the first surface [m], inf where there is none,
            and (N,) index of the link it belongs to, -1 where there is none.
        """
        ...

    def close(self) -> None:
        """Give back what the scene holds (temporary files, data blocks)."""
        ...
