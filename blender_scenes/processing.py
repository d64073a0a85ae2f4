"""A camera's processing of a picture, from the open shutter to the file. No pixel moves.

    motion --expose (Sensor)--> vignette --> noise --> tone --> sharpening --> files

Every step takes and gives 8-bit sRGB, and is left out where it does nothing.
"""

from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from blender_scenes.processing_spec import NO_FILM, Film, Sensor
from blender_scenes.sensor import compressed, expose

Picture = NDArray[np.uint8]
"""(H, W, 3) sRGB."""

STREAM = 0xF113
"""Tells the film's noise from other draws of the same seed."""
SMEAR = 33
"""Places of a moving picture that are laid over each other."""
READ = 0.3
"""Noise in black over that in white."""
PATCH = 4
"""Size of the blotches of colour noise [px]."""
HALO = 1.0
"""Standard deviation of what sharpening takes away [px]."""
BLOCK = 8
"""Side of JPEG's blocks [px]."""
STEP = 24
"""Smallest step at the edge of a block, of 255, that is taken for the picture's own."""


def process(image: Picture, sensor: Sensor, film: Film, seed: int) -> Picture:
    """The picture that a camera makes of an image; its steps stand in `processing_spec`.

    Args:
        image: (H, W, 3) sRGB; left as it is.
        sensor: what lens and sensor do.
        film: what all else does.
        seed: of the noise; the same one gives the same bytes.

    Returns:
        (H, W, 3), C-contiguous.

    Raises:
        SceneError: a JPEG quality out of 1 to 100.
    """
    if film == NO_FILM:
        return expose(image, sensor, seed)
    picture = moved(image, film.motion)
    picture = expose(picture, replace(sensor, jpeg=None), seed)
    picture = vignetted(picture, film.vignette)
    picture = noisy(picture, film.shot, film.blotches, seed)
    picture = toned(picture, film)
    picture = sharpened(picture, film.sharpening)
    if sensor.jpeg is not None:
        picture = compressed(picture, sensor.jpeg)
    picture = resampled(picture, film.scale)
    if film.jpeg is not None:
        picture = compressed(picture, film.jpeg)
    if film.video is not None:
        picture = deblocked(compressed(picture, film.video))
    return np.ascontiguousarray(picture)


def moved(picture: Picture, motion: tuple[float, float]) -> Picture:
    """A picture that moves by so much [px], right and down, while it is taken."""
    if not any(motion):
        return picture
    kernel = _line(motion)
    smeared = cv2.filter2D(picture, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
    return smeared.astype(np.uint8, copy=False)


def _line(motion: tuple[float, float]) -> NDArray[np.float32]:
    """Weights of a line through the middle of an odd square, the same to both sides."""
    half = int(np.ceil(max(map(abs, motion)) / 2))
    along = np.linspace(-0.5, 0.5, SMEAR)[:, None]
    places = np.arange(-half, half + 1)
    near_x, near_y = (
        np.maximum(0, 1 - np.abs(places - along * extent)).astype(np.float32) for extent in motion
    )
    kernel = near_y.T @ near_x
    return kernel / kernel.sum()


def vignetted(picture: Picture, loss: float) -> Picture:
    """A picture whose light falls off with the square of the distance from the middle."""
    if loss <= 0:
        return picture
    height, width = picture.shape[:2]
    # The root is near enough to what sRGB makes of light.
    share = np.sqrt(1 - np.float32(loss) * _outwards(height, width))
    fallen = cv2.multiply(picture, cv2.merge([share] * 3), dtype=cv2.CV_8U)
    return fallen.astype(np.uint8, copy=False)


@lru_cache(maxsize=8)
def _outwards(height: int, width: int) -> NDArray[np.float32]:
    """(H, W) square of the distance from the middle, 1 in the corners."""
    y, x = (np.linspace(-1, 1, length, dtype=np.float32) ** 2 for length in (height, width))
    return (y[:, None] * np.float32(height**2) + x * np.float32(width**2)) / np.float32(
        height**2 + width**2
    )


def noisy(picture: Picture, shot: float, blotches: float, seed: int) -> Picture:
    """A picture with noise that grows with brightness, and coarse noise of colours."""
    if shot <= 0 and blotches <= 0:
        return picture
    rng = np.random.default_rng((STREAM, seed))
    height, width = picture.shape[:2]
    noise = np.zeros((height, width, 3), np.float32)
    if blotches > 0:
        size = (-(-height // PATCH), -(-width // PATCH), 3)
        coarse = rng.standard_normal(size, np.float32) * np.float32(blotches)
        coarse -= coarse.mean(axis=2, keepdims=True)  # colours alone
        noise = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    if shot > 0:
        spread = cv2.LUT(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), _strengths() * np.float32(shot))
        grain = rng.standard_normal((height, width), np.float32) * spread
        noise = cv2.add(noise, cv2.merge([grain] * 3))
    return cv2.add(picture, noise, dtype=cv2.CV_8U).astype(np.uint8, copy=False)


@lru_cache(maxsize=1)
def _strengths() -> NDArray[np.float32]:
    """(256,) noise at every level over that in white: of the light, and of reading it out."""
    return np.sqrt(READ**2 + (1 - READ**2) * np.arange(256, dtype=np.float32) / 255)


def toned(picture: Picture, film: Film) -> Picture:
    """A picture after white balance and tone curve, which clip what goes beyond white."""
    plain = replace(
        NO_FILM,
        warmth=film.warmth,
        tint=film.tint,
        gamma=film.gamma,
        black=film.black,
        white=film.white,
        contrast=film.contrast,
    )
    if plain == NO_FILM:
        return picture
    return cv2.LUT(picture, tone_curves(plain)[None]).astype(np.uint8, copy=False)


def tone_curves(film: Film) -> Picture:
    """(256, 3) what becomes of each level of red, green and blue."""
    level = np.arange(256)[:, None] / 255
    # Gains are of light; to a power of 1 / 2.2 they are near enough of its code.
    stops = np.array([film.warmth / 2, film.tint, -film.warmth / 2])
    balanced = level * 2.0 ** (stops / 2.2)
    curve = balanced**film.gamma
    curve = ((curve - film.black) / (film.white - film.black)).clip(0, 1)
    curve += film.contrast * (curve**2 * (3 - 2 * curve) - curve)
    return np.rint(curve.clip(0, 1) * 255).astype(np.uint8)


def sharpened(picture: Picture, share: float) -> Picture:
    """A picture whose differences from a blurred copy are made larger."""
    if share <= 0:
        return picture
    blurred = cv2.GaussianBlur(picture, (0, 0), HALO, borderType=cv2.BORDER_REFLECT_101)
    return cv2.addWeighted(picture, 1 + share, blurred, -share, 0).astype(np.uint8, copy=False)


def resampled(picture: Picture, scale: float) -> Picture:
    """A picture that was made smaller and brought back to its size."""
    height, width = picture.shape[:2]
    small = max(round(width * scale), 1), max(round(height * scale), 1)
    if small == (width, height):
        return picture
    # Without the blur a dot between two of the smaller picture's pixels would move to one of them.
    spread = 0.5 / min(scale, 1)
    soft = cv2.GaussianBlur(picture, (0, 0), spread, borderType=cv2.BORDER_REFLECT_101)
    less = cv2.resize(soft, small, interpolation=cv2.INTER_LINEAR)
    back = cv2.resize(less, (width, height), interpolation=cv2.INTER_CUBIC)
    return back.astype(np.uint8, copy=False)


def deblocked(picture: Picture) -> Picture:
    """A picture whose small steps at the edges of JPEG's blocks are half taken away."""
    smooth = picture.astype(np.int16)
    for rows in (smooth, smooth.swapaxes(0, 1)):
        before, after = rows[BLOCK - 1 : -1 : BLOCK], rows[BLOCK::BLOCK]
        step = after - before
        move = np.where(np.abs(step) < STEP, step, 0) // 4
        before += move
        after -= move
    return smooth.clip(0, 255).astype(np.uint8)
