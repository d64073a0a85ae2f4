"""Training batches changed as they pass: moved, recoloured, put elsewhere, covered in parts.

    batch --warp--> --backgrounds--> --tint--> --cut out--> batch

Labels follow: keypoints move with their images, belief maps are painted anew, what a rectangle
covers is hidden. Of several sizes that are wanted, a batch comes out at one. All pixels are worked
on where the batch lies, on the trainer's device.
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
from simulator.randomization.settings import SampleSettings
from trainer.augmentation.backgrounds import Backgrounds
from trainer.augmentation.bank import Bank
from trainer.augmentation.colour import tint
from trainer.augmentation.cutouts import cut_out
from trainer.augmentation.geometry import Size, draw_motions, fit, shown, warp
from trainer.augmentation.resize import as_bytes, carried
from trainer.batch import Batch
from trainer.config.augmentation import AugmentConfig
from trainer.config.config import Config

DRAWS = 0x61756720
"""Stream of augmentation's random numbers."""
SIZES = 0x73697A65
"""Stream of those that choose sizes."""
COVERED = 0.85
"""An image whose picture covers less of its frame gets a new background, where these are wanted."""


class Augment:
    """Augments the batches of one run.

    Args:
        config: what may happen to a batch.
        settings: of its samples: their size, and how their belief maps are painted.
        seed: of all draws.
        mirror: (J,) which keypoint each becomes in a mirror image; None where a mirror image shows
            no pose of the robot.
        device: that batches lie on.
        sizes: that batches are trained at; none: that of the settings.

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
        sizes: Sequence[Size] = (),
    ) -> None:
        self.config, self._settings, self._seed = config, settings, seed
        self.device = torch.device(device)
        self._sizes = tuple(sizes) or ((settings.width, settings.height),)
        if config.flip and mirror is None:
            raise ConfigError(
                f"augment.flip is {config.flip}, but a mirror image of robot "
                f"{settings.robot} is no pose of it (its description has no `mirror`); "
                "expected 0"
            )
        self._mirror = None if mirror is None else np.array(mirror)
        photos = None
        if config.photos is not None:
            width, height = np.max(self._sizes, axis=0).tolist()
            photos = Bank(Path(config.photos), width, height, seed)
        self._backgrounds = Backgrounds(photos)

    @staticmethod
    def of(
        config: Config, mirror: Sequence[int] | None, device: torch.device | str = "cpu"
    ) -> "Augment":
        """What a run's config does to its batches.

        Raises:
            ConfigError: see the class.
            PhotoError: likewise.
        """
        return Augment(config.augment, config.settings, config.seed, mirror, device, config.sizes)

    def __call__(self, batch: Batch, number: int, step: int | None = None) -> Batch:
        """The batch, changed; one that nothing is to happen to comes back as it is.

        Seed, number and step decide on all draws, whatever was drawn before.

        Args:
            batch: on its device; is left as it was.
            number: of the batch in its run, or whatever else tells it from others.
            step: decides on the size; None takes the number. Batches that processes share in one
                step are of one size, or all would wait for the largest.
        """
        c, rng = self.config, random_source(self._seed, DRAWS, number)
        drawn = random_source(self._seed, SIZES, number if step is None else step)
        size = self._sizes[int(drawn.integers(len(self._sizes)))]
        moves = c.moves or size != batch.size
        if moves or c.background or c.tints:
            images, masks = batch.images.float(), batch.masks.float()
            bare = np.zeros(len(batch), bool)
            if moves:
                images, masks, bare, batch = self._moved(images, masks, batch, size, rng)
            if c.background:
                images = self._backgrounds.behind(images, masks, c.background, number, rng, bare)
            if c.tints:
                images = tint(images, c, rng)
            batch = replace(batch, images=as_bytes(images), masks=as_bytes(masks))
        return cut_out(batch, c, rng) if c.cutouts else batch

    def _moved(
        self, images: Tensor, masks: Tensor, batch: Batch, size: Size, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor, NDArray[np.bool_], Batch]:
        """Images and masks moved, which of them show much beside, and the batch moved likewise."""
        T, flipped = draw_motions(self.config, len(batch), *size, rng)
        T = T @ fit(batch.size, size)
        pixels, visibility = batch.pixels.copy(), batch.visibility.copy()
        if self._mirror is not None:
            pixels[flipped] = pixels[flipped][:, self._mirror]
            visibility[flipped] = visibility[flipped][:, self._mirror]
        bare = shown(T, batch.size, size) < COVERED
        turned = replace(batch, pixels=pixels, visibility=visibility)
        return *warp(images, masks, T, size), bare, carried(turned, T, size, self._settings)
