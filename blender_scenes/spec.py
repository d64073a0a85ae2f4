"""What to render, in plain numbers: the language between the simulator and its scenes. No bpy.

A `RobotModel` says what a scene is built from, once. A `Frame` says all that one image shows; a
`Scene` (see `scene`) makes an image of it.

Conventions: lengths [m], angles [rad], `T_a_b` maps points in frame b to frame a. Camera axes are
OpenCV's (+x right, +y down, +z forward). Pixel centres lie at integers. Colours are linear RGB.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from blender_scenes.processing_spec import NO_FILM, NO_SENSOR, Film, Finite, Sensor, Vector

Engine = Literal["cycles", "eevee", "workbench", "stick"]
Device = Literal["cpu", "gpu"]

HDRIS = ("city", "courtyard", "forest", "interior", "night", "studio", "sunrise", "sunset")
"""The HDRIs that ship with Blender (CC0), by name."""

SPP = 2
"""Samples that Cycles takes of a pixel, unless told otherwise."""

SHADING = 2
"""Version of how Blender's surfaces are shaded: 1 sampled light from all around, 2 looks it up."""

MATERIAL_SLOTS = 6
"""Materials drawn per image; base material i of a robot takes slot i modulo this."""

MAX_PROPS = 256
"""Primitives in one image."""

MAX_OTHERS = 8
"""Further robots in one image."""

MAX_LAMPS = 4
"""Lamps beside the sun in one image."""

CLUTTERS = 2**31
"""Seeds of clutter lie below this."""

MAX_PATH = 1024
"""Bytes of a picture's path below its folder, as all that keeps or sends one reads it."""

PLACES = (
    *("apartment", "bridge", "desert", "downtown", "esplanade", "hall", "lab", "lagoon", "lobby"),
    *("park", "piazza", "pines", "savanna", "sky", "softbox", "warehouse", "workshop"),
)
"""Further panoramas, in the folder `places` (CC0): backgrounds alone, no lights."""

Theme = Literal["city", "interior", "outdoor", "photos", "places", "clutter"]
"""Kinds of backgrounds: three of HDRIs, the user's own pictures, places, and things strewn over any
of the panoramas."""

THEMES: dict[Theme, tuple[str, ...]] = {
    "city": ("city", "courtyard", "night"),
    "interior": ("interior", "studio"),
    "outdoor": ("forest", "sunrise", "sunset"),
    "places": PLACES,
    "clutter": (*HDRIS, *PLACES),
}
"""The panoramas of each theme. What has no weight does not change what else is drawn."""

Distortion = tuple[Finite, Finite, Finite, Finite, Finite]


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
    """A pinhole camera behind a lens."""

    width: int
    height: int
    K: NDArray[np.float64]
    """(3, 3) intrinsics [px]."""
    T_world_camera: NDArray[np.float64]
    """(4, 4), OpenCV axes."""
    distortion: Distortion = (0.0, 0.0, 0.0, 0.0, 0.0)
    """Of the lens: Brown-Conrady's k1, k2, p1, p2, k3, in OpenCV's order."""

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

    azimuth: Finite
    """Direction the light comes from, about +z [rad]."""
    elevation: Finite
    """Above the horizon [rad]."""
    strength: Finite
    """[W/m^2]."""
    angle: Finite
    """Angular diameter, softens shadows [rad]."""
    color: Vector


@dataclass(frozen=True)
class Environment:
    """Light from all around."""

    hdri: str
    """One of `HDRIS`."""
    rotation: Finite
    """About +z [rad]."""
    strength: Finite
    """Factor on the HDRI's radiance."""


@dataclass(frozen=True)
class Material:
    """How far one material slot departs from the robot's own look."""

    color: Vector
    """Linear RGB mixed into the base colour."""
    mix: Finite
    """0 keeps the base colour, roughness and metallic, 1 replaces them."""
    roughness: Finite
    metallic: Finite


@dataclass(frozen=True)
class Wear:
    """Spots of dust or grease upon surfaces, and polish between them."""

    dust: Finite = 0.0
    """Share of the surface's colour that it takes in the middle of spots."""
    color: Vector = (0.5, 0.5, 0.5)
    """Linear RGB of it."""
    roughness: Finite = 0.0
    """How much rougher spots are; what lies between them is as much smoother."""
    size: Finite = 0.1
    """Of spots [m]."""


NO_WEAR = Wear()


@dataclass(frozen=True)
class Background:
    """What stands behind everything: a panorama seen through the same lens, or a photo."""

    theme: Theme
    image: str
    """One of the theme's panoramas, or the path of a photo below its folder."""
    rotation: Finite
    """Of a panorama about +z [rad]."""
    brightness: Finite
    """Factor on the linear colours."""
    zoom: Finite = 1.0
    """Of a photo: 1 just fills the frame, larger shows a part, as far as nothing is magnified."""
    place: tuple[Finite, Finite] = (0.5, 0.5)
    """Of a photo's visible part, each 0 to 1."""
    mirrored: bool = False
    clutter: int = 0
    """Seed of what is strewn over a panorama, below `CLUTTERS`; 0 strews nothing."""


@dataclass(frozen=True)
class Prop:
    """A primitive that is not the robot: it distracts, and hides what lies behind it."""

    kind: Literal["box", "cylinder", "sphere", "cone", "line"]
    """A line is a thin cylinder; all are centred, their axis along their own z."""
    position: Vector
    """Of the centre, in the world [m]."""
    rotation: Vector
    """Axis times angle [rad]."""
    size: Vector
    """Full extent along its own axes [m]."""
    color: Vector
    """Linear RGB."""
    roughness: Finite
    metallic: Finite


@dataclass(frozen=True)
class Stand:
    """What the robot's base stands on, its upper side at z = 0."""

    kind: Literal["none", "floor", "table"]
    size: tuple[Finite, Finite]
    """Along x and y [m]."""
    yaw: Finite
    """About +z [rad]."""
    thickness: Finite
    """[m]."""
    color: Vector
    """Linear RGB."""
    roughness: Finite


NO_STAND = Stand("none", (1.0, 1.0), 0.0, 0.1, (0.5, 0.5, 0.5), 0.5)


@dataclass(frozen=True, eq=False)
class OtherRobot:
    """A further robot in the scene, without labels."""

    name: str
    """Of a model that the scene was built with."""
    T_world_link: NDArray[np.float64]
    """(L, 4, 4), in the order of that model's links."""


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
    stand: Stand = NO_STAND
    props: tuple[Prop, ...] = ()
    others: tuple[OtherRobot, ...] = ()
    sensor: Sensor = NO_SENSOR
    lamps: tuple[Sun, ...] = ()
    """Further far lights, which throw no shadows."""
    film: Film = NO_FILM
    wear: Wear = NO_WEAR
    """Of the robot, and of further ones."""
    stains: Wear = NO_WEAR
    """Of all else that stands before the background."""
    seed: int = 0
    """Of the renderer's and the sensor's noise, 0 to 2**31 - 1."""
