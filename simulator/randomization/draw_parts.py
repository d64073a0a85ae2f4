"""One function for each part of the hidden variables: (ranges, random source) -> drawn values."""

import math
import zlib
from collections.abc import Sequence
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from blender_scenes import spec
from simulator.randomization.primitives import triple
from simulator.randomization.stage import along_bones
from simulator.randomization.variety import (
    BackgroundVariety,
    CameraVariety,
    DistractorVariety,
    LightVariety,
    MaterialVariety,
    Range,
    SensorVariety,
    WearVariety,
)
from simulator.robot import Robot

HELD_OUT_SHARE = 0.2
"""Of the backgrounds of a theme that only held-out samples see, at least one."""


def number(rng: np.random.Generator, bounds: Range) -> float:
    """One uniform draw."""
    return float(rng.uniform(*bounds))


def draw_sun(variety: LightVariety, rng: np.random.Generator) -> spec.Sun:
    """The sun, of strength 0 where it is switched off."""
    warmth = float(rng.uniform(0, 0.3))
    strength = number(rng, variety.sun_strength)
    return spec.Sun(
        azimuth=float(rng.uniform(-math.pi, math.pi)),
        elevation=number(rng, variety.sun_elevation),
        strength=strength if variety.sun else 0.0,
        angle=number(rng, variety.sun_angle),
        color=(1.0, 1.0 - warmth / 2, 1.0 - warmth),
    )


def draw_environment(variety: LightVariety, rng: np.random.Generator) -> spec.Environment:
    """Light from all around."""
    return spec.Environment(
        hdri=str(rng.choice(spec.HDRIS)),
        rotation=float(rng.uniform(0, 2 * math.pi)),
        strength=number(rng, variety.environment_strength),
    )


def draw_materials(
    variety: MaterialVariety | None, rng: np.random.Generator
) -> tuple[spec.Material, ...]:
    """One material per slot, near the robot's own or far from it."""
    if variety is None:
        own = spec.Material((0.5, 0.5, 0.5), 0.0, 0.5, 0.0)
        return (own,) * spec.MATERIAL_SLOTS
    most = 1.0 if rng.random() < variety.far else variety.near
    return tuple(
        spec.Material(
            color=triple(rng.uniform(0, 1, 3)),
            mix=float(rng.uniform(0, most)),
            roughness=number(rng, variety.roughness),
            metallic=number(rng, variety.metallic),
        )
        for _ in range(spec.MATERIAL_SLOTS)
    )


def pool(names: Sequence[str], held_out: bool) -> tuple[str, ...]:
    """The part of a theme's backgrounds that held-out, or training, samples see.

    Which is which depends on the names alone, so that adding one moves few.
    """
    order = sorted(names, key=lambda name: (zlib.crc32(name.encode()), name))
    count = max(1, round(HELD_OUT_SHARE * len(order)))
    return tuple(order[:count] if held_out else order[count:])


def draw_wear(variety: WearVariety | None, rng: np.random.Generator) -> spec.Wear:
    """Spots upon surfaces: dust, mostly light, or grease."""
    if variety is None or rng.random() >= variety.share:
        return spec.NO_WEAR
    grey = float(rng.uniform(0.35, 0.8) if rng.random() < 0.65 else rng.uniform(0.01, 0.1))
    warm = float(rng.uniform(0.75, 1.0))
    low, high = (math.log(size) for size in variety.size)
    return spec.Wear(
        dust=number(rng, variety.dust),
        color=(grey, grey * (1 + warm) / 2, grey * warm),
        roughness=number(rng, variety.roughness),
        size=math.exp(float(rng.uniform(low, high))),
    )


def draw_background(
    variety: BackgroundVariety, photos: Sequence[str], held_out: bool, rng: np.random.Generator
) -> spec.Background:
    """A theme, then one of its pictures."""
    pictures: dict[spec.Theme, Sequence[str]] = {**spec.THEMES, "photos": photos}
    themes = {name: pictures[name] for name in get_args(spec.Theme)}  # in the order of the draws
    names: list[spec.Theme] = [
        name for name in themes if themes[name] and getattr(variety, name) > 0
    ]
    weights = np.array([getattr(variety, name) for name in names])
    theme = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    choice = tuple(themes[theme])
    if variety.disjoint:
        kinds = [name for name in spec.THEMES if name != theme] if theme == "clutter" else [theme]
        choice = tuple(name for kind in kinds for name in pool(themes[kind], held_out))
    return spec.Background(
        theme=theme,
        image=choice[int(rng.integers(len(choice)))],
        rotation=float(rng.uniform(0, 2 * math.pi)),
        brightness=number(rng, variety.brightness),
        zoom=number(rng, variety.zoom),
        place=(float(rng.random()), float(rng.random())),
        mirrored=bool(rng.random() < 0.5),
        clutter=int(rng.integers(1, spec.CLUTTERS)) if theme == "clutter" else 0,
    )


def draw_distortion(variety: CameraVariety, rng: np.random.Generator) -> spec.Distortion:
    """Lens distortion, none where it is switched off."""
    if not variety.lens:
        return (0.0, 0.0, 0.0, 0.0, 0.0)
    p1, p2 = number(rng, variety.tangential), number(rng, variety.tangential)
    return number(rng, variety.k1), number(rng, variety.k2), p1, p2, 0.0


def draw_sensor(variety: SensorVariety | None, rng: np.random.Generator) -> spec.Sensor:
    """What lens and sensor do to the picture."""
    if variety is None:
        return spec.Sensor()
    quality = round(number(rng, variety.quality))
    return spec.Sensor(
        blur=number(rng, variety.blur),
        gain=triple(rng.uniform(*variety.gain, 3)),
        saturation=number(rng, variety.saturation),
        noise=number(rng, variety.noise),
        jpeg=quality if rng.random() < variety.jpeg else None,
    )


def draw_stand(
    variety: DistractorVariety | None,
    robot: Robot,
    keypoints: NDArray[np.float64],
    rng: np.random.Generator,
) -> spec.Stand:
    """A floor or a table under the robot, or nothing.

    Args:
        variety: shares; None draws none.
        robot: for its reach and skeleton.
        keypoints: (J, 3) of this pose [m]; one that reaches into the stand has none.
        rng: random source.
    """
    if variety is None or rng.random() >= variety.stand:
        return spec.NO_STAND
    floor = bool(rng.random() < 0.5)
    size = rng.uniform(*((2.0, 4.0) if floor else (0.4, 1.2)), 2) * robot.reach
    stand = spec.Stand(
        kind="floor" if floor else "table",
        size=(float(size[0]), float(size[1])),
        yaw=float(rng.uniform(-math.pi, math.pi)),
        thickness=float(rng.uniform(0.02, 0.1)),
        color=triple(rng.uniform(0.05, 0.9) * rng.uniform(0.7, 1.0, 3)),
        roughness=float(rng.uniform(0.3, 1.0)),
    )
    return spec.NO_STAND if _buries(stand, robot, keypoints) else stand


def _buries(stand: spec.Stand, robot: Robot, keypoints: NDArray[np.float64]) -> bool:
    """Whether a point of the robot's skeleton lies in the stand or under it."""
    points = along_bones(robot, keypoints)
    cosine, sine = math.cos(stand.yaw), math.sin(stand.yaw)
    beside = np.abs(points[:, :2] @ [[cosine, -sine], [sine, cosine]]) > np.array(stand.size) / 2
    return bool((~beside.any(axis=1) & (points[:, 2] < -0.01)).any())


def draw_props(
    variety: DistractorVariety | None,
    robot: Robot,
    keypoints: NDArray[np.float64],
    eye: NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[spec.Prop, ...]:
    """Primitives around the robot, and some before it.

    Args:
        variety: shares and sizes; None draws none.
        robot: for its reach.
        keypoints: (J, 3) of this pose [m].
        eye: (3,) centre of the camera [m].
        rng: random source.
    """
    if variety is None:
        return ()
    props: list[spec.Prop] = []
    if rng.random() < variety.props:
        for _ in range(int(rng.integers(1, variety.most + 1))):
            place = rng.normal(size=3)
            place *= rng.uniform(0.7, 1.6) * robot.reach / np.linalg.norm(place)
            props.append(_prop(variety.size, robot.reach, place, rng))
    if rng.random() < variety.occluders:
        low, high = variety.size
        for _ in range(int(rng.integers(1, variety.most + 1))):
            target = keypoints[int(rng.integers(len(keypoints)))]
            place = eye + rng.uniform(0.5, 0.85) * (target - eye)
            place = place + rng.normal(0, 0.05 * robot.reach, 3)
            props.append(_prop((low / 2, high / 2), robot.reach, place, rng))
    return tuple(props)


def _prop(
    size: Range, reach: float, place: NDArray[np.float64], rng: np.random.Generator
) -> spec.Prop:
    kinds = ("box", "cylinder", "sphere", "cone", "line")
    kind = kinds[int(rng.integers(len(kinds)))]
    extent = rng.uniform(*size, 3) * reach
    if kind == "line":
        thin = rng.uniform(0.005, 0.02) * reach
        extent = np.array([thin, thin, rng.uniform(0.5, 3.0) * reach])
    elif kind == "sphere":
        extent = np.full(3, extent[0])
    axis = rng.normal(size=3)
    return spec.Prop(
        kind=kind,
        position=triple(place),
        rotation=triple(axis / np.linalg.norm(axis) * rng.uniform(0, math.pi)),
        size=triple(extent),
        color=triple(rng.uniform(0.02, 0.95, 3)),
        roughness=float(rng.uniform(0.1, 1.0)),
        metallic=float(rng.random() < 0.2),
    )
