"""What augmentation may do to a training batch, and named amounts of it."""

import math
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from jointloop.common.hints import Within
from jointloop.common.settings import Checked, ConfigError, Range, Share
from simulator.randomization.settings import parse_size

HalfTurn = Annotated[float, Meta(ge=0, le=180)]


LATER = ("sizes", "grey", "curve", "sharpen", "jpeg", "patches")
"""Settings that files of earlier versions lack."""


@dataclass(frozen=True)
class AugmentConfig(Checked, where="augment", later=LATER):
    """Ranges and shares; all of it is off by default. Every image gets draws of its own."""

    rotation: HalfTurn = 0.0
    """Largest turn about the image's centre, either way [deg]."""
    shift: Share = 0.0
    """Largest shift along either axis, either way, as a share of the image's shorter side."""
    scale: Annotated[Range, Within(0.1, 10)] = (1.0, 1.0)
    """Smallest and largest factor of size, about the centre; its logarithm is drawn uniformly."""
    sizes: tuple[str, ...] = ()
    """Image sizes WIDTHxHEIGHT that batches are trained at, one drawn for each batch; none: the
    input size. Images get them in the sampling that moves them, shorter side on shorter side."""
    flip: Share = 0.0
    """Share of images that are mirrored; only for robots whose description has a `mirror`."""
    background: Share = 0.0
    """Share of images whose background is replaced, in front of which the robot and all around it
    stay: see `trainer.augmentation.backgrounds`. Where it is above 0, so is that of every image
    that has shrunk far inside its frame. Needs samples with masks."""
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
    grey: Share = 0.0
    """Share of images that lose their colour."""
    curve: Share = 0.0
    """Largest bend c of the tone curve x + c x (1 - x), either way, x from black 0 to white 1."""
    blur: Annotated[float, Meta(ge=0, le=3)] = 0.0
    """Largest standard deviation of a Gaussian blur [px]; half of the images get none."""
    sharpen: Annotated[float, Meta(ge=0, le=5)] = 0.0
    """Largest strength of sharpening (how much of what a slight blur takes away is added); half of
    the images get none."""
    noise: Annotated[float, Meta(ge=0, le=255)] = 0.0
    """Largest standard deviation of noise, of 255; half of the images get none."""
    jpeg: Share = 0.0
    """Share of images with the losses of JPEG, of a quality of 25 to 90."""
    cutouts: Annotated[int, Meta(ge=0, le=16)] = 0
    """Most rectangles that are laid over an image."""
    cutout: Share = 0.25
    """Largest side of such a rectangle, as a share of the image's side."""
    patches: Share = 0.0
    """Share of such rectangles that show a part of another image, instead of one colour."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for size in self.sizes:
            parse_size(size)
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
        losses = (self.blur, self.sharpen, self.noise, self.jpeg)
        return any((*amounts, self.grey, self.curve, *losses))

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
        grey=0.1,
        curve=0.5,
        blur=1.0,
        sharpen=1.0,
        noise=10,
        jpeg=0.2,
        cutouts=2,
        patches=0.5,
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
