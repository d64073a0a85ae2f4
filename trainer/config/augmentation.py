"""What augmentation may do to a training batch, and named amounts of it."""

import math
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from jointloop.common.hints import Within
from jointloop.common.settings import Checked, ConfigError, Range, Share

HalfTurn = Annotated[float, Meta(ge=0, le=180)]


@dataclass(frozen=True)
class AugmentConfig(Checked, where="augment"):
    """Ranges and shares; all of it is off by default. Every image gets draws of its own."""

    rotation: HalfTurn = 0.0
    """Largest turn about the image's centre, either way [deg]."""
    shift: Share = 0.0
    """Largest shift along either axis, either way, as a share of the image's shorter side."""
    scale: Annotated[Range, Within(0.1, 10)] = (1.0, 1.0)
    """Smallest and largest factor of size, about the centre; its logarithm is drawn uniformly."""
    flip: Share = 0.0
    """Share of images that are mirrored; only for robots whose description has a `mirror`."""
    background: Share = 0.0
    """Share of images whose background is replaced, in front of which the robot and all around it
    stay: see `trainer.augmentation.backgrounds`. Needs samples with masks."""
    photos: str | None = None
    """Folder of the user's pictures, for half of the replaced backgrounds."""
    brightness: Share = 0.0
    """Largest change of brightness, either way, as a share of white."""
    contrast: Share = 0.0
    """Largest change of the contrast about middle grey, either way, as a share of it."""
    saturation: Share = 0.0
    """Largest change of the saturation, either way, as a share of it."""
    hue: HalfTurn = 0.0
    """Largest turn of the hue, either way [deg]."""
    gain: Share = 0.0
    """Largest change of each colour channel, either way, as a share of it."""
    blur: Annotated[float, Meta(ge=0, le=3)] = 0.0
    """Largest standard deviation of a Gaussian blur [px]; half of the images get none."""
    noise: Annotated[float, Meta(ge=0, le=255)] = 0.0
    """Largest standard deviation of noise, of 255; half of the images get none."""
    cutouts: Annotated[int, Meta(ge=0, le=16)] = 0
    """Most rectangles of one colour that are laid over an image."""
    cutout: Share = 0.25
    """Largest side of such a rectangle, as a share of the image's side."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.photos is not None and not self.background:
            raise ConfigError("augment.photos is given, but augment.background is 0")

    @property
    def moves(self) -> bool:
        """Whether keypoints may move."""
        return self.scale != (1.0, 1.0) or any((self.rotation, self.shift, self.flip))

    @property
    def tints(self) -> bool:
        """Whether colours may change."""
        amounts = (self.brightness, self.contrast, self.saturation, self.hue, self.gain)
        return any((*amounts, self.blur, self.noise))

    @property
    def radians(self) -> float:
        """Largest turn [rad]."""
        return math.radians(self.rotation)


AMOUNTS = {
    "off": AugmentConfig(),
    "light": AugmentConfig(
        rotation=10,
        shift=0.05,
        scale=(0.9, 1.1),
        brightness=0.1,
        contrast=0.2,
        saturation=0.2,
        gain=0.1,
        noise=6,
    ),
    "full": AugmentConfig(
        rotation=30,
        shift=0.12,
        scale=(0.8, 1.4),
        background=0.5,
        brightness=0.15,
        contrast=0.3,
        saturation=0.4,
        hue=15,
        gain=0.2,
        blur=1.0,
        noise=10,
        cutouts=2,
    ),
}
"""Amounts of augmentation by name."""


def amount(name: str) -> AugmentConfig:
    """The amount of that name.

    Raises:
        ConfigError: there is none.
    """
    if name not in AMOUNTS:
        raise ConfigError(f"no augmentation {name!r}; there are {', '.join(AMOUNTS)}")
    return AMOUNTS[name]
