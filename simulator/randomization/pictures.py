"""How pictures are taken: cameras as people hold them, lamps, and a camera's own processing.

Parts of a `simulator.randomization.variety.Variety`; they are off in the varieties without photos'
habits, and `real` has them all.
"""

import math
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from blender_scenes.spec import MAX_LAMPS
from jointloop.common.hints import ANGLE, Within
from jointloop.common.settings import Checked, Range, Share

Steep = Annotated[Range, Within(-math.pi / 2, math.pi / 2), ANGLE]
Turn = Annotated[Range, Within(-math.pi, math.pi), ANGLE]
Filling = Annotated[Range, Within(0.05, 5)]
Stops = Annotated[Range, Within(-4, 4)]
Spread = Annotated[Range, Within(0, 255)]
Quality = Annotated[Range, Within(1, 100)]


@dataclass(frozen=True)
class HeldVariety(Checked, where="variety.camera.held"):
    """Cameras as people hold them: upright, at eye level or on a table, the robot in the frame."""

    wide: Share = 0.2
    """Share of images whose camera is as the part above has it instead."""
    elevation: Steep = (0.0, math.radians(35))
    """Of the camera above the robot's middle [rad]."""
    low: Share = 0.2
    """Share of images taken from below."""
    low_elevation: Steep = (math.radians(-25), 0.0)
    """Of those [rad]."""
    roll: Turn = (math.radians(-3), math.radians(3))
    """About the viewing direction [rad]."""
    tilted: Share = 0.1
    """Share of images that are held askew."""
    tilted_roll: Turn = (math.radians(-15), math.radians(15))
    """Of those [rad]."""
    focal: Annotated[Range, Within(0.1, 100)] = (0.8, 2.0)
    """Focal length over the shorter side of the image."""
    filling: Filling = (0.35, 0.95)
    """Share of the frame that the robot takes, along the side that it fills more."""
    close: Share = 0.1
    """Share of images in which the robot does not fit the frame."""
    close_filling: Filling = (1.0, 1.5)
    """Of those."""
    cut: Share = 0.15
    """Share of images whose lower edge cuts the robot's base off."""
    cut_depth: Annotated[Range, Within(0, 1)] = (0.05, 0.3)
    """Of those: how far, over the height of the robot in the image."""


@dataclass(frozen=True)
class LampVariety(Checked, where="variety.light.lamps"):
    """Lamps beside the sun, which throw no shadows, and windows behind the robot."""

    share: Share = 0.7
    """Share of images with lamps."""
    most: Annotated[int, Meta(ge=1, le=MAX_LAMPS)] = 3
    """Most of them in one image."""
    elevation: Steep = (math.radians(30), math.radians(90))
    """Above the horizon [rad]."""
    strength: Annotated[Range, Within(0, 1000)] = (0.1, 0.9)
    """[W/m^2]."""
    angle: Annotated[Range, Within(0, math.pi), ANGLE] = (math.radians(5), math.radians(40))
    """Angular diameter [rad]."""
    warmth: Annotated[Range, Within(-1, 1)] = (-0.15, 0.45)
    """Share of blue that a lamp's light lacks; below 0, of red."""
    window: Share = 0.15
    """Share of images with a window behind the robot."""
    window_elevation: Steep = (math.radians(5), math.radians(35))
    """Of its light above the horizon [rad]."""
    window_aside: Turn = (math.radians(-50), math.radians(50))
    """From straight behind [rad]."""
    window_strength: Annotated[Range, Within(0, 1000)] = (1.5, 5.0)
    """[W/m^2]."""
    window_shade: Annotated[Range, Within(0, 1)] = (0.3, 0.7)
    """What is left of all other light on the robot, since the camera is set for the window."""

    @property
    def room(self) -> int:
        """Most lamps in one image, a window among them."""
        return min(MAX_LAMPS, self.most + (self.window > 0))


@dataclass(frozen=True)
class FilmVariety(Checked, where="variety.film"):
    """What a camera's processing and the way to a file do to the picture; labels do not move."""

    moving: Share = 0.1
    """Share of images smeared by motion."""
    motion: Annotated[Range, Within(0, 64)] = (1.0, 4.0)
    """How far things move while the shutter is open [px]."""
    vignette: Annotated[Range, Within(0, 1)] = (0.0, 0.3)
    """Share of the light that is lost in the corners."""
    shot: Spread = (0.0, 6.0)
    """Standard deviation of the noise in white, of 255."""
    denoised: Share = 0.5
    """Share of images that have coarse noise of colours in its place, as denoising leaves it."""
    blotches: Spread = (0.0, 6.0)
    """Of those: its standard deviation, of 255."""
    warmth: Stops = (-0.4, 0.5)
    """Red over blue [stops]."""
    tint: Stops = (-0.1, 0.12)
    """Green over red and blue [stops]."""
    gamma: Annotated[Range, Within(0.1, 10)] = (0.8, 1.3)
    """Exponent on the encoded colours."""
    black: Annotated[Range, Within(-0.5, 0.3)] = (-0.08, 0.06)
    """Encoded level that becomes black; below 0, black is lifted."""
    white: Annotated[Range, Within(0.4, 2)] = (0.8, 1.08)
    """Encoded level that becomes white."""
    contrast: Annotated[Range, Within(-1, 1)] = (-0.3, 0.8)
    """How much of an S the tone curve is."""
    sharpened: Share = 0.75
    """Share of images that are sharpened."""
    sharpening: Annotated[Range, Within(0, 10)] = (0.3, 1.6)
    """Of those: share of the difference from a blurred copy that is added."""
    resampled: Share = 0.2
    """Share of images made smaller and enlarged again."""
    scale: Annotated[Range, Within(0.1, 1)] = (0.65, 0.95)
    """Of those: the size in between, over their own."""
    compressed: Share = 0.5
    """Share of images compressed as JPEG, beside what the sensor does."""
    quality: Quality = (30.0, 92.0)
    """Of those."""
    filmed: Share = 0.12
    """Share of images compressed like a frame of video."""
    video_quality: Quality = (15.0, 50.0)
    """Of those."""
