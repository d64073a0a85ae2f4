"""Training batches changed as they pass: moved, recoloured, put elsewhere, covered in parts.

    batch --warp--> --backgrounds--> --tint--> --cut out--> batch

Labels follow: keypoints move with their images, belief maps are painted anew, what a rectangle
covers is hidden. All pixels are worked on where the batch lies, on the trainer's device.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jointloop.common.draws import random_source
from jointloop.common.settings import ConfigError
from simulator.labels import HIDDEN, LEVELS, OUTSIDE, VISIBLE
from simulator.randomization.settings import SampleSettings
from trainer.augmentation.backgrounds import Backgrounds
from trainer.augmentation.bank import Bank
from trainer.augmentation.colour import tint
from trainer.augmentation.geometry import draw_motions, move, warp
from trainer.batch import Batch
from trainer.beliefs.paint import paint
from trainer.config.augmentation import AugmentConfig

DRAWS = 0x61756720
"""Stream of augmentation's random numbers."""


class Augment:
    """Augments the batches of one run.

    Args:
        config: what may happen to a batch.
        settings: of its samples: their size, and how their belief maps are painted.
        seed: of all draws.
        mirror: (J,) which keypoint each becomes in a mirror image; None where a mirror image shows
            no pose of the robot.
        device: that batches lie on.

    Raises:
        ConfigError: images are to be mirrored, but the robot has no mirror image.
        PhotoError: the folder of photos cannot be used.
    """

    def __init__(
        self,
        config: AugmentConfig,
        settings: SampleSettings,
        seed: int = 0,
        mirror: Sequence[int] | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.config, self._settings, self._seed = config, settings, seed
        self.device = torch.device(device)
        if config.flip and mirror is None:
            raise ConfigError(
                f"augment.flip is {config.flip}, but a mirror image of robot "
                f"{settings.robot} is no pose of it (its description has no `mirror`); "
                "expected 0"
            )
        self._mirror = None if mirror is None else np.array(mirror)
        photos = None
        if config.photos is not None:
            photos = Bank(Path(config.photos), settings.width, settings.height, seed)
        self._backgrounds = Backgrounds(photos)

    def __call__(self, batch: Batch, number: int) -> Batch:
        """The batch, changed; one that nothing is to happen to comes back as it is.

        Seed and number decide on all draws, whatever was drawn before.

        Args:
            batch: on its device; is left as it was.
            number: of the batch in its run, or whatever else tells it from others.
        """
        c, rng = self.config, random_source(self._seed, DRAWS, number)
        if c.moves or c.background or c.tints:
            images, masks = batch.images.float(), batch.masks.float()
            if c.moves:
                images, masks, batch = self._moved(images, masks, batch, rng)
            if c.background:
                images = self._backgrounds.behind(images, masks, c.background, number, rng)
            if c.tints:
                images = tint(images, c, rng)
            batch = replace(batch, images=_bytes(images), masks=_bytes(masks))
        return self._cut_out(batch, rng) if c.cutouts else batch

    def _moved(
        self, images: Tensor, masks: Tensor, batch: Batch, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor, Batch]:
        """Images and masks moved, and the batch with its labels moved."""
        width, height = batch.size
        T, flipped = draw_motions(self.config, len(batch), width, height, rng)
        pixels, visibility = batch.pixels.copy(), batch.visibility.copy()
        if self._mirror is not None:
            pixels[flipped] = pixels[flipped][:, self._mirror]
            visibility[flipped] = visibility[flipped][:, self._mirror]
        pixels, visibility = move(pixels, visibility, T, width, height)
        settings = self._settings
        beliefs = paint(
            torch.from_numpy(pixels).to(images),
            torch.from_numpy(visibility > OUTSIDE).to(images.device),
            width,
            height,
            settings.stride,
            settings.sigma,
        )
        images, masks = warp(images, masks, T)
        labels = {"pixels": pixels, "visibility": visibility, "beliefs": _bytes(beliefs * LEVELS)}
        return images, masks, replace(batch, **labels)

    def _cut_out(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """The batch with up to so many rectangles over each image."""
        images, masks, visibility = batch.images.clone(), batch.masks.clone(), batch.visibility
        n, most = len(batch), self.config.cutouts
        there = np.arange(most) < rng.integers(0, most + 1, n)[:, None]
        x, y = (_spans(n, most, size, self.config.cutout, rng) for size in batch.size)
        colours = torch.from_numpy(rng.integers(0, 256, (n, most, 3, 1, 1), np.uint8))
        colours = colours.to(images.device)
        for i, k in np.argwhere(there):
            window = (slice(*y[i, k]), slice(*x[i, k]))
            images[i][:, *window] = colours[i, k]
            masks[i][window] = 255
        column, row = (batch.pixels[..., None, axis] + 0.5 for axis in (0, 1))
        over = there[:, None] & _within(column, x[:, None]) & _within(row, y[:, None])
        covered = over.any(axis=2) & (visibility == VISIBLE)
        visibility = np.where(covered, np.uint8(HIDDEN), visibility)
        return replace(batch, images=images, masks=masks, visibility=visibility)


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


def _bytes(values: Tensor) -> Tensor:
    """Floats from 0 to 255 as uint8, rounded and clipped."""
    return values.round_().clamp_(0, 255).to(torch.uint8)
