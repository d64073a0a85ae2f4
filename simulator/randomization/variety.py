"""How varied the images are: for each hidden variable beside the pose a switch and ranges.

A `Variety` belongs to a run's settings and travels to every simulator. Ranges are uniform; a part
that is switched off takes its plain value. `variety` finds one by name or in a TOML file.
"""

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from blender_scenes.spec import MAX_PROPS
from jointloop.common.errors import JointloopError

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
    """Whether the lens distorts; drawn coefficients are scaled down together where the lens would
    not cover the frame."""
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

    stand: float = 0.6
    """Share of images with a floor or a table under the robot, of those whose pose leaves room for
    the one that is drawn."""
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
        b = self.background
        if not any((b.city, b.interior, b.outdoor, b.photos)):
            raise VarietyError("variety.background: all themes have weight 0; expected one above 0")


BOUNDS: dict[str, Range] = {
    "framing": (0.1, 100),
    "elevation": (-math.pi / 2, math.pi / 2),
    "look_at": (-10, 10),
    "focal": (0.1, 100),
    "sun_elevation": (-math.pi / 2, math.pi / 2),
    "sun_strength": (0, 1000),
    "sun_angle": (0, math.pi),
    "environment_strength": (0, 1000),
    "exposure": (-10, 10),
    "roughness": (0, 1),
    "metallic": (0, 1),
    "city": (0, 1e6),
    "interior": (0, 1e6),
    "outdoor": (0, 1e6),
    "photos": (0, 1e6),
    "brightness": (0, 100),
    "zoom": (1, 100),
    "most": (1, MAX_PROPS // 2),
    "size": (1e-3, 10),
    "blur": (0, 100),
    "gain": (0, 10),
    "saturation": (0, 10),
    "noise": (0, 255),
    "quality": (1, 100),
}
"""Smallest and largest value that makes sense; 0 and 1 of a share that is not named here."""


def _check(part: object, where: str) -> None:
    for field in fields(part):  # type: ignore[arg-type]
        value, name = getattr(part, field.name), f"{where}.{field.name}"
        low, high = BOUNDS.get(field.name, (0, 1) if field.type is float else (-100, 100))
        if is_dataclass(value):
            _check(value, name)
        elif field.type == Range and not low <= value[0] <= value[1] <= high:
            raise VarietyError(
                f"{name} is {value}; expected two numbers, the lower first, of {low:g} to {high:g}"
            )
        elif field.type in (float, int) and not low <= value <= high:
            raise VarietyError(f"{name} is {value}; expected {low:g} to {high:g}")


CALM = Variety(distractors=None, sensor=None)
"""The robot alone, in varied light before varied backgrounds."""

FULL = Variety(
    camera=CameraVariety(lens=True), distractors=DistractorVariety(robots=("ur5", "panda"))
)
"""Everything switched on."""

NAMED = {"calm": CALM, "full": FULL}


def variety(name: str) -> Variety:
    """The variety of that name, or of the TOML file at that path.

    Raises:
        VarietyError: there is neither, or the file cannot be used.
    """
    if name in NAMED:
        return NAMED[name]
    path = Path(name)
    if not path.is_file():
        raise VarietyError(f"variety {name!r} is none of {', '.join(NAMED)}, and no file")
    return read_variety(path)


def read_variety(path: Path) -> Variety:
    """A variety from a TOML file.

    Its tables are the fields of `Variety`, their keys those of its parts; what is left out keeps
    its default. `sensor = false` switches a part off.

    Raises:
        VarietyError: the file cannot be read, or names or holds something that makes no sense.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise VarietyError(f"variety {path} cannot be read: {error}") from error
    try:
        hints = get_type_hints(Variety)
        _know(tables, hints, "it")
        return Variety(**{name: _part(hints[name], tables[name], name) for name in tables})
    except VarietyError as error:
        raise VarietyError(f"variety {path}: {error}") from None


def _part(hint: Any, table: Any, where: str) -> Any:
    """A part of a variety from its table; None where it is false."""
    kind, *others = get_args(hint) or (hint,)
    if table is False and others:
        return None
    if table is True:
        return kind()
    if not isinstance(table, dict):
        raise VarietyError(f"{where} is {table!r}; expected a table{', or false' * bool(others)}")
    hints = get_type_hints(kind)
    _know(table, hints, f"[{where}]")
    return kind(**{key: _value(hints[key], table[key], f"{where}.{key}") for key in table})


def _value(hint: Any, value: Any, where: str) -> Any:
    if hint is bool or hint is int:
        fits, wanted = type(value) is hint, {bool: "true or false", int: "a whole number"}[hint]
    elif hint is float:
        fits, wanted = _is_number(value), "a number"
    elif hint == Range:
        fits = isinstance(value, list) and len(value) == 2 and all(map(_is_number, value))
        value, wanted = (tuple(map(float, value)) if fits else value), "[lowest, highest]"
    else:
        fits = isinstance(value, list) and all(isinstance(name, str) for name in value)
        value, wanted = (tuple(value) if fits else value), "a list of names"
    if not fits:
        raise VarietyError(f"{where} is {value!r}; expected {wanted}")
    return float(value) if hint is float else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _know(table: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise VarietyError(f"{where} has {key!r}; known: {', '.join(known)}")
