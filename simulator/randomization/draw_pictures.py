"""How a picture is taken, drawn: where people hold a camera, lamps, and a camera's processing."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from blender_scenes import spec
from jointloop.common.settings import Range, Share
from simulator.randomization.draw_parts import number
from simulator.randomization.pictures import FilmVariety, HeldVariety, LampVariety
from simulator.randomization.primitives import triple
from simulator.randomization.views import View, axes

PAD = 0.06
"""How far an arm reaches beyond its skeleton [robot reaches]."""
NEAREST = 0.2
"""Least distance of a camera from the arm's nearest part [robot reaches]."""
FARTHEST = 200.0
"""Largest distance [robot reaches]."""
ROUNDS = 30
"""Of bisection for a distance; each halves its error."""
NUDGES = 10
"""Rounds of moving the camera sideways until the robot is in its place."""
OFF_CENTRE = 0.8
"""Share of the room beside the robot that it may stray from the middle."""


def draw_held(
    variety: HeldVariety,
    view: View,
    points: NDArray[np.float64],
    reach: float,
    size: tuple[int, int],
    rng: np.random.Generator,
) -> View:
    """A view from where people hold a camera, its azimuth and lens those of another view.

    Args:
        variety: ranges.
        view: what a share of images keeps.
        points: (N, 3) of the robot, which belong into the frame [m].
        reach: of the robot [m].
        size: width and height of the image [px].
        rng: random source.
    """
    shorter = min(size)
    if rng.random() < variety.wide:
        return replace(view, focal=view.focal * shorter / size[1])
    elevation = _either(variety.low, variety.low_elevation, variety.elevation, rng)
    roll = _either(variety.tilted, variety.tilted_roll, variety.roll, rng)
    filling = _either(variety.close, variety.close_filling, variety.filling, rng)
    cut = number(rng, variety.cut_depth) if rng.random() < variety.cut else None
    f = number(rng, variety.focal) * shorter
    aside = rng.uniform(-OFF_CENTRE, OFF_CENTRE, 2)

    held = replace(view, elevation=elevation, roll=roll, focal=f / size[1])
    seen_from = axes(held)
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    body = _padded((points - centre) @ seen_from, PAD * reach)
    frame = np.array(size, float)
    distance = _distance(body, f, filling * frame, reach)
    moved = np.zeros(3)
    for _ in range(NUDGES):  # a camera moved sideways sees the body from aside, a little larger
        pixels = _pixels(body - moved, f, distance)
        extent = np.ptp(pixels, axis=0)
        place = aside * np.abs(frame - extent) / 2
        if cut is not None:
            place[1] = frame[1] / 2 + (cut - 0.5) * extent[1]
        middle = (pixels.min(axis=0) + pixels.max(axis=0)) / 2
        distance *= max(1.0, float((extent / (filling * frame)).max()))
        edges = np.stack([pixels.argmin(axis=0), pixels.argmax(axis=0)])
        pace = f / (body[edges, 2] + distance)  # of the edges [px/m]
        moved[:2] += (middle - place) / pace.mean(axis=0)
    return replace(held, distance=distance, look_at=triple(centre + seen_from @ moved))


def _either(share: Share, some: Range, others: Range, rng: np.random.Generator) -> float:
    """A draw from one range in a share of images, from another in all else."""
    return number(rng, some if rng.random() < share else others)


def _padded(points: NDArray[np.float64], pad: float) -> NDArray[np.float64]:
    """(4 N, 3) points, each moved to the left and right, up and down."""
    steps = pad * np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]])
    return (points[:, None] + steps).reshape(-1, 3)


def _pixels(body: NDArray[np.float64], f: float, distance: float) -> NDArray[np.float64]:
    """(N, 2) where points (N, 3), in the camera's axes about what it looks at, are seen [px]."""
    return f * body[:, :2] / (body[:, 2:] + distance)


def _distance(
    body: NDArray[np.float64], f: float, room: NDArray[np.float64], reach: float
) -> float:
    """The distance at which a body just fits into so much room (2,) [px]."""
    nearest = float(-body[:, 2].min()) + NEAREST * reach
    low, high = math.log(nearest), math.log(nearest + FARTHEST * reach)
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        fits = (np.ptp(_pixels(body, f, math.exp(middle)), axis=0) <= room).all()
        low, high = (low, middle) if fits else (middle, high)
    return math.exp(high)


def draw_lamps(
    variety: LampVariety | None, azimuth: float, rng: np.random.Generator
) -> tuple[tuple[spec.Sun, ...], float]:
    """Lamps beside the sun, and what is left of other light where one of them is a window.

    Args:
        variety: ranges; None draws none.
        azimuth: of the camera [rad].
        rng: random source.
    """
    if variety is None:
        return (), 1.0
    lamps: list[spec.Sun] = []
    shade = 1.0
    if rng.random() < variety.window:
        behind = azimuth + math.pi + number(rng, variety.window_aside)
        lamps.append(
            spec.Sun(
                azimuth=math.remainder(behind, 2 * math.pi),
                elevation=number(rng, variety.window_elevation),
                strength=number(rng, variety.window_strength),
                angle=number(rng, variety.angle),
                color=_color(number(rng, variety.warmth)),
            )
        )
        shade = number(rng, variety.window_shade)
    if rng.random() < variety.share:
        lamps += [_lamp(variety, rng) for _ in range(int(rng.integers(1, variety.most + 1)))]
    return tuple(lamps[: variety.room]), shade


def _lamp(variety: LampVariety, rng: np.random.Generator) -> spec.Sun:
    return spec.Sun(
        azimuth=float(rng.uniform(-math.pi, math.pi)),
        elevation=number(rng, variety.elevation),
        strength=number(rng, variety.strength),
        angle=number(rng, variety.angle),
        color=_color(number(rng, variety.warmth)),
    )


def _color(warmth: float) -> spec.Vector:
    """Linear RGB of light that lacks so much blue, or red where it is below 0."""
    lack = abs(warmth)
    low, high = (1 - lack, 1.0) if warmth >= 0 else (1.0, 1 - lack)
    return high, 1 - lack / 2, low


def draw_film(variety: FilmVariety | None, rng: np.random.Generator) -> spec.Film:
    """What a camera's processing and the way to a file do."""
    if variety is None:
        return spec.NO_FILM
    length = number(rng, variety.motion) if rng.random() < variety.moving else 0.0
    angle = float(rng.uniform(0, math.pi))
    denoised = bool(rng.random() < variety.denoised)
    return spec.Film(
        motion=(length * math.cos(angle), length * math.sin(angle)),
        vignette=number(rng, variety.vignette),
        shot=0.0 if denoised else number(rng, variety.shot),
        blotches=number(rng, variety.blotches) if denoised else 0.0,
        warmth=number(rng, variety.warmth),
        tint=number(rng, variety.tint),
        gamma=number(rng, variety.gamma),
        black=number(rng, variety.black),
        white=number(rng, variety.white),
        contrast=number(rng, variety.contrast),
        sharpening=number(rng, variety.sharpening) if rng.random() < variety.sharpened else 0.0,
        scale=number(rng, variety.scale) if rng.random() < variety.resampled else 1.0,
        jpeg=round(number(rng, variety.quality)) if rng.random() < variety.compressed else None,
        video=round(number(rng, variety.video_quality)) if rng.random() < variety.filmed else None,
    )
