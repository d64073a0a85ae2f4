"""How varied the images are: for each hidden variable beside the pose a switch and ranges.

A `Variety` belongs to a run's settings and travels to every simulator. Ranges are uniform; a part
that is switched off takes its plain value.
"""

import math
from dataclasses import dataclass, fields, is_dataclass

from blender_scenes.spec import MAX_PROPS, JointloopError

Range = tuple[float, float]


class VarietyError(JointloopError):
    """A range or a share makes no sense."""


@dataclass(frozen=True)
class CameraVariety:
    """Where the camera stands and how it sees."""

    framing: Range = (0.75, 1.2)
    """Distance over the one at which the pose just fits the image height."""
    azimuth: Range = (-math.pi, math.pi)
    """[rad]."""
    elevation: Range = (math.radians(-5), math.radians(60))
    """[rad]."""
    roll: Range = (math.radians(-8), math.radians(8))
    """[rad]."""
    look_at: Range = (-0.1, 0.1)
    """Offset of the look-at point from the pose's centre, along each axis [robot reaches]."""
    focal: Range = (1.1, 2.0)
    """Focal length over image height."""
    lens: bool = False
    """Whether the lens distorts."""
    k1: Range = (-0.25, 0.1)
    k2: Range = (-0.02, 0.05)
    tangential: Range = (-0.003, 0.003)
    """Of p1 and p2."""


@dataclass(frozen=True)
class LightVariety:
    """Sun, light from all around, exposure."""

    sun: bool = True
    sun_elevation: Range = (math.radians(15), math.radians(85))
    """[rad]."""
    sun_strength: Range = (0.5, 4.0)
    """[W/m^2]."""
    sun_angle: Range = (math.radians(0.5), math.radians(15))
    """Angular diameter [rad]."""
    environment_strength: Range = (0.3, 1.2)
    exposure: Range = (-0.6, 0.6)
    """Stops."""


@dataclass(frozen=True)
class MaterialVariety:
    """The robot's own look, and how far from it images go."""

    near: float = 0.1
    """Largest mix of another colour, roughness and metallic into the robot's own."""
    far: float = 0.3
    """Share of images in which the mix may be complete."""
    roughness: Range = (0.15, 0.8)
    metallic: Range = (0.0, 1.0)


@dataclass(frozen=True)
class BackgroundVariety:
    """What stands behind the robot."""

    city: float = 1.0
    """Weight of this theme among those drawn; likewise the others."""
    interior: float = 1.0
    outdoor: float = 1.0
    photos: float = 3.0
    """Of the user's own pictures, where a folder of them is given."""
    brightness: Range = (0.4, 1.4)
    zoom: Range = (1.0, 2.0)
    """Of photos."""
    disjoint: bool = True
    """Held-out samples see backgrounds that no training sample sees."""


@dataclass(frozen=True)
class DistractorVariety:
    """Things in the scene that are not the robot."""

    stand: float = 0.3
    """Share of images with a floor or a table under the robot."""
    props: float = 0.4
    """Share of images with primitives around the robot."""
    occluders: float = 0.3
    """Share of images with primitives between the camera and the robot."""
    most: int = 4
    """Primitives of either kind in one image, 1 to 16."""
    size: Range = (0.05, 0.5)
    """Of primitives [robot reaches]; occluders take at most half of it."""
    robots: tuple[str, ...] = ()
    """Names of further robots that may stand around, unlabelled."""
    robot_share: float = 0.3
    """Share of images with one of them."""


@dataclass(frozen=True)
class SensorVariety:
    """What lens and sensor do to the picture; labels do not move."""

    blur: Range = (0.0, 0.8)
    """[px]."""
    gain: Range = (0.9, 1.1)
    saturation: Range = (0.7, 1.2)
    noise: Range = (0.0, 6.0)
    """Of 255."""
    jpeg: float = 0.3
    """Share of images that are compressed."""
    quality: Range = (40.0, 95.0)


@dataclass(frozen=True)
class Variety:
    """All parts; one that is None is switched off."""

    camera: CameraVariety = CameraVariety()
    light: LightVariety = LightVariety()
    materials: MaterialVariety | None = MaterialVariety()
    background: BackgroundVariety = BackgroundVariety()
    distractors: DistractorVariety | None = DistractorVariety()
    sensor: SensorVariety | None = SensorVariety()

    def __post_init__(self) -> None:
        _check(self, "variety")


def _check(part: object, where: str) -> None:
    for field in fields(part):  # type: ignore[arg-type]
        value, name = getattr(part, field.name), f"{where}.{field.name}"
        if is_dataclass(value):
            _check(value, name)
        elif field.type == Range and not (
            math.isfinite(value[0]) and math.isfinite(value[1]) and value[0] <= value[1]
        ):
            raise VarietyError(f"{name} is {value}; expected two finite numbers, the lower first")
        elif isinstance(value, float) and not 0 <= value < math.inf:
            raise VarietyError(f"{name} is {value}; expected a share or weight of at least 0")
        elif field.name == "most" and not 1 <= value <= MAX_PROPS // 2:
            raise VarietyError(f"{name} is {value}; expected 1 to {MAX_PROPS // 2}")


CALM = Variety(distractors=None, sensor=None)
"""The robot alone, in varied light before varied backgrounds."""
