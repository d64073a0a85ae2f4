"""The colours of images changed: brightness, contrast, saturation, hue, gain, tone, blur, noise.

All of it works on the 8-bit sRGB codes, as `blender_scenes.sensor` does, as floats from 0 to 255
that are left unclipped.
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from blender_scenes.sensor import LUMA
from trainer.augmentation.jpeg import compressed
from trainer.config.augmentation import AugmentConfig

GREY = 127.5
"""Contrast turns about this."""
REACH = 3
"""A blur's kernel reaches this many standard deviations to either side."""
SOFT = 0.8
"""Standard deviation of the blur that sharpening undoes [px]."""
QUALITY = (25.0, 90.0)
"""Range of JPEG's quality."""


def draw_colours(
    config: AugmentConfig, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(count, 3, 3) A and (count, 3) b that make A rgb + b of each colour.

    Hue and saturation first, then gain, contrast and brightness. The hue turns about the grey
    axis (Rodrigues' formula), which leaves greys as they are.
    """
    turn = np.radians(rng.uniform(-config.hue, config.hue, count))[:, None, None]
    saturation = 1 + rng.uniform(-config.saturation, config.saturation, count)[:, None, None]
    if config.grey:
        saturation *= (rng.random(count) >= config.grey)[:, None, None]
    gain = 1 + rng.uniform(-config.gain, config.gain, (count, 3))
    contrast = 1 + rng.uniform(-config.contrast, config.contrast, count)[:, None]
    brightness = 255 * rng.uniform(-config.brightness, config.brightness, count)[:, None]
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    hue = np.eye(3) * np.cos(turn) + cross * np.sin(turn) + (1 - np.cos(turn)) / 3
    grey = np.tile(LUMA.astype(np.float64), (3, 1))
    A = (contrast * gain)[..., None] * ((saturation * np.eye(3) + (1 - saturation) * grey) @ hue)
    return A, np.repeat((1 - contrast) * GREY + brightness, 3, axis=1)


def recolour(images: Tensor, A: NDArray[np.float64], b: NDArray[np.float64]) -> Tensor:
    """A rgb + b of every colour of (N, 3, H, W) float images."""
    matrix, offset = torch.from_numpy(A).to(images), torch.from_numpy(b).to(images)
    return torch.baddbmm(offset[..., None], matrix, images.flatten(2)).view_as(images)


def blur(images: Tensor, sigmas: NDArray[np.float64]) -> Tensor:
    """Gaussian blur of (N, C, H, W) float images by (N,) standard deviations [px] above 0."""
    radius = int(np.ceil(REACH * sigmas.max()))
    steps = np.arange(-radius, radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigmas[:, None] ** 2))
    weights /= weights.sum(axis=1, keepdims=True)
    n, channels = images.shape[:2]
    kernels = torch.from_numpy(weights).to(images).repeat_interleave(channels, 0)
    flat = F.pad(images, (radius, radius, radius, radius), mode="reflect").flatten(0, 1)[None]
    flat = F.conv2d(flat, kernels[:, None, None, :], groups=n * channels)
    return F.conv2d(flat, kernels[:, None, :, None], groups=n * channels).view_as(images)


def bend(images: Tensor, bends: NDArray[np.float64]) -> Tensor:
    """(N, C, H, W) float images clipped to 0 to 255, their tones x + c x (1 - x) of 255.

    A bend c of -1 to 1 keeps black and white and the order of tones.
    """
    images = images.clamp(0, 255)
    c = torch.from_numpy(bends).to(images)[:, None, None, None]
    return images * (1 + c - c / 255 * images)


def sharpen(images: Tensor, strengths: NDArray[np.float64]) -> Tensor:
    """(N, C, H, W) float images with more of what a slight blur would take, (N,) times that."""
    soft = blur(images, np.full(len(images), SOFT))
    return images + (images - soft) * torch.from_numpy(strengths).to(images)[:, None, None, None]


def tint(images: Tensor, config: AugmentConfig, rng: np.random.Generator) -> Tensor:
    """(N, 3, H, W) float images with all of it drawn anew."""
    n = len(images)
    images = recolour(images, *draw_colours(config, n, rng))
    if config.curve:
        images = bend(images, rng.uniform(-config.curve, config.curve, n))
    sigmas = rng.uniform(-config.blur, config.blur, n)
    if len(chosen := np.flatnonzero(sigmas > 0.1)):
        images[chosen] = blur(images[chosen], sigmas[chosen])
    if config.sharpen:
        extra = rng.uniform(-config.sharpen, config.sharpen, n)
        if len(chosen := np.flatnonzero(extra > 0)):
            images[chosen] = sharpen(images[chosen], extra[chosen])
    strengths = rng.uniform(-config.noise, config.noise, n)
    if len(chosen := np.flatnonzero(strengths > 0)):
        own = torch.Generator(images.device).manual_seed(int(rng.integers(2**62)))
        shape = (len(chosen), *images.shape[1:])
        noise = torch.randn(shape, generator=own, device=images.device)
        images[chosen] += noise * torch.from_numpy(strengths[chosen, None, None, None]).to(images)
    if config.jpeg and len(chosen := np.flatnonzero(rng.random(n) < config.jpeg)):
        images[chosen] = compressed(images[chosen], rng.uniform(*QUALITY, len(chosen)))
    return images
