"""What augmentation puts behind a robot, in place of what was rendered there.

    half of them   the user's photos, where a folder is given
    half the rest  patterns: colour noise from gradients to grains, in octaves
    the others     patches of another image of the batch, shuffled: edges and textures as they
                   occur, robots among them, but none whole

A robot's mask covers its edge in part; there, what was behind it shines through as much as before.
Colours mix by their sRGB codes.
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from trainer.augmentation.bank import Bank

OCTAVES = (2, 6, 24)
"""Knots of a pattern along an image's shorter side, coarse to fine; 2 are a gradient."""
BANDS = 4
"""Patches that an image is cut into, along each side."""


class Backgrounds:
    """Makes backgrounds for images of a batch.

    Args:
        photos: the user's, at least as large as the images, which show windows of them; None leaves
            them out.
    """

    def __init__(self, photos: Bank | None = None) -> None:
        self._photos = photos

    def behind(
        self,
        images: Tensor,
        masks: Tensor,
        share: float,
        number: int,
        rng: np.random.Generator,
        bare: NDArray[np.bool_] | None = None,
    ) -> Tensor:
        """The images, a share of them before new backgrounds.

        Args:
            images: (N, 3, H, W) float, 0 to 255; written over.
            masks: (N, H, W) float, 0 to 255; what they cover stays.
            share: of the images, on average.
            number: of the batch.
            rng: random source.
            bare: (N,) which of them are before new ones in any case.
        """
        drawn = rng.random(len(images)) < share
        chosen = np.flatnonzero(drawn if bare is None else drawn | bare)
        if not len(chosen):
            return images
        new = self._draw(images, chosen, number, rng)
        cover = (masks[chosen] / 255)[:, None]
        images[chosen] = torch.lerp(new, images[chosen], cover)
        return images

    def _draw(
        self, images: Tensor, chosen: NDArray[np.int64], number: int, rng: np.random.Generator
    ) -> Tensor:
        """(n, 3, H, W) backgrounds for the chosen images, of a kind drawn for each."""
        photo = (rng.random(len(chosen)) < 0.5) & (self._photos is not None)
        patched = ~photo & (rng.random(len(chosen)) < 0.5) & (len(images) > 1)
        new = torch.empty_like(images[chosen])
        if len(at := np.flatnonzero(photo)) and self._photos is not None:
            parts = torch.from_numpy(self._photos.parts(len(at), number, rng))
            new[at] = _windows(parts, new, rng)
        if len(at := np.flatnonzero(patched)):
            others = (chosen[at] + rng.integers(1, len(images), len(at))) % len(images)
            new[at] = shuffled(images, others, rng)
        if len(at := np.flatnonzero(~photo & ~patched)):
            new[at] = patterns(len(at), new, rng)
        return new


def _windows(photos: Tensor, like: Tensor, rng: np.random.Generator) -> Tensor:
    """(n, 3, h, w) of photos (n, 3, H, W), from anywhere in each."""
    height, width = like.shape[-2:]
    rows, columns = (
        rng.integers(whole - part + 1, size=len(photos))
        for whole, part in zip(photos.shape[2:], (height, width), strict=True)
    )
    windows = [
        photo[:, y : y + height, x : x + width]
        for photo, y, x in zip(photos, rows, columns, strict=True)
    ]
    return torch.stack(windows).to(like)


def patterns(count: int, like: Tensor, rng: np.random.Generator) -> Tensor:
    """(count, 3, H, W) noise of several octaves, each image with a mixture and contrast of its own.

    Args:
        count: of patterns.
        like: (..., H, W) float; gives size, kind and device.
        rng: random source.
    """
    height, width = like.shape[-2:]
    weights = rng.dirichlet([0.5] * len(OCTAVES), count)
    total = torch.zeros(count, 3, height, width, device=like.device)
    for knots, weight in zip(OCTAVES, weights.T, strict=True):
        shape = (
            count,
            3,
            *(max(2, round(knots * s / min(width, height))) for s in (height, width)),
        )
        grid = rng.uniform(-1, 1, shape) * weight[:, None, None, None]
        coarse = torch.from_numpy(grid).to(total)
        total += F.interpolate(coarse, (height, width), mode="bilinear", align_corners=True)
    middle = torch.from_numpy(rng.uniform(30, 225, (count, 3, 1, 1))).to(total)
    strength = torch.from_numpy(rng.uniform(20, 200, (count, 1, 1, 1))).to(total)
    return (middle + strength * total).clamp_(0, 255)


def shuffled(images: Tensor, others: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
    """(n, 3, H, W) of images (N, 3, H, W): bands of rows, and of columns, in another order.

    Args:
        images: float.
        others: (n,) which of them.
        rng: random source.
    """
    height, width = images.shape[2:]
    rows, columns = (
        torch.from_numpy(np.stack([_shuffled_bands(size, rng) for _ in others])).to(images.device)
        for size in (height, width)
    )
    which = torch.from_numpy(others).to(images.device)[:, None, None]
    # Channels last, so that indexing moves whole colours.
    colours = images.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]]
    return colours.permute(0, 3, 1, 2)


def _shuffled_bands(size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    bands = np.array_split(np.arange(size), BANDS)
    return np.concatenate([bands[i] for i in rng.permutation(BANDS)])
