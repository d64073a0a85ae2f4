"""What becomes of a picture once it is rendered, in plain numbers: `Sensor` and `Film`.

The steps of both, in the order of a camera's (`blender_scenes.processing` takes them):

    motion, Sensor's blur to noise, vignette, shot noise, blotches, white balance, tone,
    sharpening, Sensor's JPEG, resampling, JPEG once more, video
"""

import sys
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

Finite = Annotated[float, Meta(ge=-sys.float_info.max, le=sys.float_info.max)]
"""A number that is one, and finite; whoever reads it from elsewhere is sure of that."""
Vector = tuple[Finite, Finite, Finite]


@dataclass(frozen=True)
class Sensor:
    """What lens and sensor do to the picture, in this order."""

    blur: Finite = 0.0
    """Standard deviation of a Gaussian blur [px]."""
    gain: Vector = (1.0, 1.0, 1.0)
    """Factor on each channel."""
    saturation: Finite = 1.0
    """0 is grey, 1 leaves colours alone."""
    noise: Finite = 0.0
    """Standard deviation of the read-out noise, of 255."""
    jpeg: int | None = None
    """Quality 1 to 100, None for no compression."""


NO_SENSOR = Sensor()


@dataclass(frozen=True)
class Film:
    """What a camera's own processing and the way to a file do to the picture, in this order.

    As it stands nothing.
    """

    motion: tuple[Finite, Finite] = (0.0, 0.0)
    """How far things move while the shutter is open, right and down [px]; half to either side."""
    vignette: Finite = 0.0
    """Share of the light that is lost in the corners."""
    shot: Finite = 0.0
    """Standard deviation of the noise in white, of 255; dark parts have less of it."""
    blotches: Finite = 0.0
    """Standard deviation of coarse noise of colours, as denoising leaves it, of 255."""
    warmth: Finite = 0.0
    """Red over blue [stops]."""
    tint: Finite = 0.0
    """Green over red and blue [stops]."""
    gamma: Finite = 1.0
    """Exponent on the encoded colours; more darkens the middle."""
    black: Finite = 0.0
    """Encoded level, of 1, that becomes black; below 0, black is lifted."""
    white: Finite = 1.0
    """Encoded level, of 1, that becomes white; what lies above is lost."""
    contrast: Finite = 0.0
    """How much of an S the tone curve is: 1 is a whole one, below 0 it is flattened."""
    sharpening: Finite = 0.0
    """Share of the difference from a blurred copy that is added; edges get halos."""
    scale: Finite = 1.0
    """Size that the picture is brought to before it is enlarged again, of its own."""
    jpeg: int | None = None
    """Quality 1 to 100 of compression once more, None for none."""
    video: int | None = None
    """Quality 1 to 100 of a JPEG whose blocks are smoothed at their edges, as those of a frame of
    video are; None for none."""


NO_FILM = Film()
