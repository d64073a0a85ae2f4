"""Batches brought to another size, and labels that follow a motion."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simulator.labels import LEVELS, OUTSIDE
from simulator.randomization.settings import SampleSettings
from trainer.augmentation.geometry import Size, fit, move, warp
from trainer.batch import Batch, join
from trainer.beliefs.paint import paint

CHUNK = 64
"""Images that are worked on at once."""


def resized(batch: Batch, size: Size, settings: SampleSettings) -> Batch:
    """The batch with all of every image in the middle of a frame of that size.

    Args:
        batch: one of that size comes back as it is.
        size: width, height [px].
        settings: how belief maps are painted.
    """
    if batch.size == size:
        return batch
    parts = []
    for part in batch.chunks(CHUNK):
        T = np.tile(fit(part.size, size, whole=True), (len(part), 1, 1))
        images, masks = warp(part.images.float(), part.masks.float(), T, size)
        moved = carried(part, T, size, settings)
        parts.append(replace(moved, images=as_bytes(images), masks=as_bytes(masks)))
    return join(parts)


def carried(batch: Batch, T: NDArray[np.float64], size: Size, settings: SampleSettings) -> Batch:
    """The batch with its labels moved; its images and masks stay.

    Args:
        batch: whose labels move.
        T: (N, 3, 3) T_new_old.
        size: width, height of the moved images [px].
        settings: how belief maps are painted.
    """
    pixels, visibility = move(batch.pixels, batch.visibility, T, *size)
    where = batch.images.device
    beliefs = paint(
        torch.from_numpy(pixels).to(where, torch.float32),
        torch.from_numpy(visibility > OUTSIDE).to(where),
        *size,
        settings.stride,
        settings.sigma,
    )
    return replace(batch, pixels=pixels, visibility=visibility, beliefs=as_bytes(beliefs * LEVELS))


def as_bytes(values: Tensor) -> Tensor:
    """Floats from 0 to 255 as uint8, rounded and clipped; the floats are written over."""
    return values.round_().clamp_(0, 255).to(torch.uint8)
