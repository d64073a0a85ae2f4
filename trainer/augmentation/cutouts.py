"""Rectangles laid over images: of one colour, or parts of another image of the batch."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simulator.labels import HIDDEN, VISIBLE
from trainer.batch import Batch
from trainer.config.augmentation import AugmentConfig


def cut_out(batch: Batch, config: AugmentConfig, rng: np.random.Generator) -> Batch:
    """The batch with up to so many rectangles over each image; keypoints below are hidden.

    Args:
        batch: is left as it was.
        config: how many, how large, and how many of them show parts of images.
        rng: random source.
    """
    images, masks, visibility = batch.images.clone(), batch.masks.clone(), batch.visibility
    n, most = len(batch), config.cutouts
    there = np.arange(most) < rng.integers(0, most + 1, n)[:, None]
    x, y = (_spans(n, most, size, config.cutout, rng) for size in batch.size)
    colours = torch.from_numpy(rng.integers(0, 256, (n, most, 3, 1, 1), np.uint8))
    colours = colours.to(images.device)
    patched = (rng.random((n, most)) < config.patches) if config.patches else np.zeros_like(there)
    for i, k in np.argwhere(there):
        window = (slice(*y[i, k]), slice(*x[i, k]))
        fill = _patch(batch.images, i, window, rng) if patched[i, k] and n > 1 else colours[i, k]
        images[i][:, *window] = fill
        masks[i][window] = 255
    column, row = (batch.pixels[..., None, axis] + 0.5 for axis in (0, 1))
    over = there[:, None] & _within(column, x[:, None]) & _within(row, y[:, None])
    covered = over.any(axis=2) & (visibility == VISIBLE)
    visibility = np.where(covered, np.uint8(HIDDEN), visibility)
    return replace(batch, images=images, masks=masks, visibility=visibility)


def _patch(images: Tensor, i: int, window: tuple[slice, slice], rng: np.random.Generator) -> Tensor:
    """(3, h, w) of another image than that one, as large as the window, from anywhere in it."""
    other = (i + int(rng.integers(1, len(images)))) % len(images)
    begins = [
        int(rng.integers(side - (span.stop - span.start) + 1))
        for side, span in zip(images.shape[2:], window, strict=True)
    ]
    rows, columns = (
        slice(begin, begin + span.stop - span.start)
        for begin, span in zip(begins, window, strict=True)
    )
    return images[other][:, rows, columns]


def _spans(
    n: int, count: int, size: int, share: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """(n, count, 2) begin and end, excluded, of spans of at most a share of a side [px]."""
    length = rng.integers(1, max(round(share * size), 1) + 1, (n, count))
    begin = rng.integers(1 - length, size)
    return np.stack([begin, begin + length], axis=-1).clip(0, size)


def _within(places: NDArray[np.float64], spans: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether places, measured from the image's border, lie in spans (..., 2) [px]."""
    return (places >= spans[..., 0]) & (places < spans[..., 1])
