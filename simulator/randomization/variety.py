"""How varied the images are: for each hidden variable a switch and ranges; the angles themselves
come from the prior.

A `Variety` belongs to a run's settings and travels to every simulator. Ranges are uniform; a part
that is switched off takes its plain value. `variety` finds one by name or in a TOML file.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from jointloop.common.hints import ANGLE, Within
from jointloop.common.settings import Checked, ConfigError, Range, Share, read
from jointloop.common.toml import load
from simulator.randomization.details import DetailVariety
from simulator.randomization.dress import DressVariety
from simulator.randomization.pictures import FilmVariety, HeldVariety, LampVariety
from simulator.randomization.poses import PoseVariety
from simulator.randomization.scenery import SceneryVariety
from simulator.robot.grippers import known_grippers

TURNS = 32 * math.pi
"""Bound of angles that have none of their own [rad]."""
Steep = Annotated[Range, Within(-math.pi / 2, math.pi / 2), ANGLE]
Turn = Annotated[Range, Within(-TURNS, TURNS), ANGLE]
Coefficient = Annotated[Range, Within(-100, 100)]
Strength = Annotated[Range, Within(0, 1000)]
Factor = Annotated[Range, Within(0, 10)]
Between01 = Annotated[Range, Within(0, 1)]
MOST = 16
"""Primitives of either kind in one image, at most."""
Weight = Annotated[float, Meta(ge=0, le=1e6)]


@dataclass(frozen=True)
class CameraVariety(Checked, where="variety.camera", later=("held",)):
    """Where the camera stands and how it sees."""

    framing: Annotated[Range, Within(0.1, 100)] = (0.75, 1.2)
    """Distance over the one at which the pose just fits the image height."""
    azimuth: Turn = (-math.pi, math.pi)
    """Of the camera about the robot [rad]."""
    elevation: Steep = (math.radians(-5), math.radians(60))
    """Of the camera above the look-at point [rad]."""
    roll: Turn = (math.radians(-8), math.radians(8))
    """About the viewing direction [rad]."""
    look_at: Annotated[Range, Within(-10, 10)] = (-0.1, 0.1)
    """Offset of the look-at point from the pose's centre, along each axis [robot reaches]."""
    focal: Annotated[Range, Within(0.1, 100)] = (1.1, 2.0)
    """Focal length over image height."""
    lens: bool = False
    """Whether the lens distorts; drawn coefficients are scaled down together where the lens would
    not cover the frame."""
    k1: Coefficient = (-0.25, 0.1)
    """First radial coefficient of the distortion, in OpenCV's model."""
    k2: Coefficient = (-0.02, 0.05)
    """Second radial coefficient."""
    tangential: Coefficient = (-0.003, 0.003)
    """Of p1 and p2."""
    held: HeldVariety | None = None
    """Cameras as people hold them: upright, at eye level or on a table, the robot in the frame."""


@dataclass(frozen=True)
class LightVariety(Checked, where="variety.light", later=("lamps",)):
    """Sun, light from all around, exposure."""

    sun: bool = True
    """Whether it shines."""
    sun_elevation: Steep = (math.radians(15), math.radians(85))
    """Above the horizon [rad]."""
    sun_strength: Strength = (0.5, 4.0)
    """[W/m^2]."""
    sun_angle: Annotated[Range, Within(0, math.pi), ANGLE] = (math.radians(0.5), math.radians(15))
    """Angular diameter [rad]."""
    environment_strength: Strength = (0.3, 1.2)
    """Factor of the light from all around."""
    exposure: Annotated[Range, Within(-10, 10)] = (-0.6, 0.6)
    """[stops]."""
    lamps: LampVariety | None = None
    """Lamps beside the sun, which throw no shadows, and windows behind the robot."""


@dataclass(frozen=True)
class MaterialVariety(Checked, where="variety.materials"):
    """The robot's own look, and how far from it images go."""

    near: Share = 0.1
    """Largest mix of another colour, roughness and metallic into the robot's own."""
    far: Share = 0.3
    """Share of images in which the mix may be complete."""
    roughness: Between01 = (0.15, 0.8)
    """Of what is mixed in."""
    metallic: Between01 = (0.0, 1.0)
    """Of what is mixed in."""


@dataclass(frozen=True)
class WearVariety(Checked, where="variety.wear"):
    """Spots of dust or grease upon surfaces."""

    share: Share = 0.6
    """Share of images with spots."""
    dust: Between01 = (0.0, 0.5)
    """Share of the surface's colour that they take in their middle."""
    roughness: Between01 = (0.0, 0.25)
    """How much rougher they are, and what lies between them smoother."""
    size: Annotated[Range, Within(1e-3, 10)] = (0.01, 0.15)
    """Of spots [m]."""


@dataclass(frozen=True)
class BackgroundVariety(Checked, where="variety.background", later=("places", "clutter")):
    """What stands behind the robot."""

    city: Weight = 1.0
    """Weight of this theme among those drawn; likewise the others."""
    interior: Weight = 1.0
    """Weight of rooms."""
    outdoor: Weight = 1.0
    """Weight of the open country."""
    photos: Weight = 3.0
    """Of the user's own pictures, where a folder of them is given."""
    places: Weight = 0.0
    """Of seventeen further panoramas, rooms and towns among them."""
    clutter: Weight = 0.0
    """Of things strewn over any of the panoramas, sharp where those are blurred."""
    brightness: Annotated[Range, Within(0, 100)] = (0.4, 1.4)
    """Factor."""
    zoom: Annotated[Range, Within(1, 100)] = (1.0, 2.0)
    """Of photos."""
    disjoint: bool = True
    """Held-out samples see backgrounds that no training sample sees."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.photos or self.without_photos):
            raise ConfigError("variety.background: all themes have weight 0; expected one above 0")

    @property
    def without_photos(self) -> bool:
        """Whether there are backgrounds for a user who gives no pictures."""
        return any((self.city, self.interior, self.outdoor, self.places, self.clutter))


@dataclass(frozen=True)
class DistractorVariety(Checked, where="variety.distractors"):
    """Things in the scene that are not the robot."""

    stand: Share = 0.6
    """Share of images with a floor or a table under the robot, of those whose pose leaves room for
    the one that is drawn."""
    props: Share = 0.4
    """Share of images with primitives around the robot."""
    occluders: Share = 0.3
    """Share of images with primitives between the camera and the robot."""
    most: Annotated[int, Meta(ge=1, le=MOST)] = 4
    """Most primitives of either kind in one image."""
    size: Annotated[Range, Within(1e-3, 10)] = (0.05, 0.5)
    """Of primitives [robot reaches]; occluders take at most half of it."""
    robots: tuple[str, ...] = ()
    """Names of further robots that may stand around, unlabelled."""
    robot_share: Share = 0.3
    """Share of images with one of them."""


@dataclass(frozen=True)
class SensorVariety(Checked, where="variety.sensor"):
    """What lens and sensor do to the picture; labels do not move."""

    blur: Annotated[Range, Within(0, 100)] = (0.0, 0.8)
    """Standard deviation [px]."""
    gain: Factor = (0.9, 1.1)
    """Factor of each colour channel."""
    saturation: Factor = (0.7, 1.2)
    """Factor."""
    noise: Annotated[Range, Within(0, 255)] = (0.0, 6.0)
    """Standard deviation, of 255."""
    jpeg: Share = 0.3
    """Share of images that are compressed."""
    quality: Annotated[Range, Within(1, 100)] = (40.0, 95.0)
    """Of their compression."""


LATER = ("poses", "dress", "film", "scenery", "wear", "stains")
"""Parts that varieties of earlier versions lack."""


@dataclass(frozen=True)
class Variety(Checked, where="variety", later=LATER):
    """All parts; one that is None is switched off."""

    camera: CameraVariety = CameraVariety()
    """Where the camera stands and how it sees."""
    light: LightVariety = LightVariety()
    """Sun, light from all around, exposure."""
    materials: MaterialVariety | None = MaterialVariety()
    """The robot's own look, and how far from it images go."""
    background: BackgroundVariety = BackgroundVariety()
    """What stands behind the robot."""
    distractors: DistractorVariety | None = DistractorVariety()
    """Things in the scene that are not the robot."""
    sensor: SensorVariety | None = SensorVariety()
    """What lens and sensor do to the picture; labels do not move."""
    poses: PoseVariety | None = None
    """Poses that a real robot could take: drawn anew until one collides with nothing."""
    dress: DressVariety | None = None
    """What sits on the robot: tools, cables, bands, stickers."""
    film: FilmVariety | None = None
    """What a camera's processing and the way to a file do to the picture; labels do not move."""
    scenery: SceneryVariety | None = None
    """A room around the robot, and what stands in it."""
    wear: WearVariety | None = None
    """Spots of dust or grease upon the robot."""
    stains: WearVariety | None = None
    """Spots upon all that stands around, floors and walls among it."""

    @property
    def worn(self) -> bool:
        """Whether anything is."""
        return self.wear is not None or self.stains is not None


CALM = Variety(distractors=None, sensor=None)
"""The robot alone, in varied light before varied backgrounds."""

FULL = Variety(
    camera=CameraVariety(lens=True), distractors=DistractorVariety(robots=("ur5", "panda"))
)
"""Everything switched on."""

REAL = Variety(
    camera=CameraVariety(lens=True, held=HeldVariety()),
    light=LightVariety(lamps=LampVariety()),
    background=BackgroundVariety(
        city=0.2,
        interior=0.2,
        outdoor=0.2,
        photos=7.0,
        zoom=(1.0, 1.3),
        places=0.4,
        clutter=3.0,
    ),
    distractors=DistractorVariety(props=0.2, occluders=0.15, robots=("panda",)),
    sensor=SensorVariety(blur=(0.0, 0.3), noise=(0.0, 0.0), saturation=(0.3, 1.0)),
    film=FilmVariety(),
    poses=PoseVariety(free=0.8),
    dress=DressVariety(tool_mesh=known_grippers(), details=DetailVariety()),
    scenery=SceneryVariety(),
    wear=WearVariety(),
    stains=WearVariety(),
)
"""Scenes as cameras see them; its noise is the film's."""

NAMED = {"calm": CALM, "full": FULL, "real": REAL}


def variety(name: str) -> Variety:
    """The variety of that name, or of the TOML file at that path.

    Raises:
        ConfigError: there is neither, or the file cannot be used.
    """
    if name in NAMED:
        return NAMED[name]
    path = Path(name)
    if not path.is_file():
        raise ConfigError(f"variety {name!r} is none of {', '.join(NAMED)}, and no file")
    return read_variety(path)


def read_variety(path: Path) -> Variety:
    """A variety from a TOML file.

    Its tables are the fields of `Variety`, their keys those of its parts; what is left out keeps
    its default. Angles are in degrees. `sensor = false` switches a part off.

    Raises:
        ConfigError: the file cannot be read, or names or holds something that makes no sense.
    """
    try:
        return read(Variety, load(path), base=Variety(), form="toml")
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
