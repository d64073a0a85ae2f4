"""Images, masks and keypoints moved alike: turned, scaled, mirrored and shifted.

A motion is a (3, 3) matrix `T_new_old` that takes homogeneous pixel positions (x, y, 1) of an image
to those of the moved image; pixel centres lie at integers in both.
"""

import dataclasses
import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from simulator.labels import HIDDEN, OUTSIDE, in_frame
from trainer.config.augmentation import AugmentConfig


def draw_motions(
    config: AugmentConfig, count: int, width: int, height: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Motions about the image's centre: mirrored, scaled and turned, then shifted.

    Returns:
        (count, 3, 3) T_new_old, and (count,) which of them mirror.
    """
    angle = rng.uniform(-config.radians, config.radians, count)
    low, high = map(math.log, config.scale)
    scale = np.exp(rng.uniform(low, high, count))
    reach = config.shift * min(width, height)
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    shift = rng.uniform(-reach, reach, (count, 2))
    flipped = rng.random(count) < config.flip
    T = np.tile(np.eye(3), (count, 1, 1))
    cosine, sine = np.multiply(scale, np.cos(angle)), np.multiply(scale, np.sin(angle))
    T[:, 0, 0], T[:, 0, 1] = np.where(flipped, -cosine, cosine), -sine
    T[:, 1, 0], T[:, 1, 1] = np.where(flipped, -sine, sine), cosine
    T[:, :2, 2] = centre + shift - T[:, :2, :2] @ centre
    return T, flipped


def warp(images: Tensor, masks: Tensor, T: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
    """Move images and masks; bilinear, without smoothing where an image shrinks.

    What comes in from beyond an image repeats its border; a mask covers none of it.

    Args:
        images: (N, C, H, W) float.
        masks: (N, H, W) float.
        T: (N, 3, 3) T_new_old.

    Returns:
        The same of the moved images.
    """
    height, width = images.shape[2:]
    # Torch counts from -1 to 1 over the image's whole extent, from border to border.
    to_unit = np.array([[2 / width, 0, 1 / width - 1], [0, 2 / height, 1 / height - 1], [0, 0, 1]])
    theta = to_unit @ np.linalg.inv(T) @ np.linalg.inv(to_unit)
    onto = torch.from_numpy(theta[:, :2]).to(images)
    x, y = ((2 * torch.arange(s, device=images.device) + 1) / s - 1 for s in (width, height))
    # A sum of what follows from the column and what from the row: affine_grid takes ten times this.
    along = onto[:, None, None, :, 0] * x[:, None] + onto[:, None, None, :, 2]
    grid = along + onto[:, None, None, :, 1] * y[:, None, None]
    moved = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    covered = F.grid_sample(masks[:, None], grid, padding_mode="zeros", align_corners=False)
    return moved, covered[:, 0]


def move(
    pixels: NDArray[np.float64],
    visibility: NDArray[np.uint8],
    T: NDArray[np.float64],
    width: int,
    height: int,
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Keypoints of the moved images.

    One that leaves the frame is outside of it. One that comes in is hidden, since the image never
    showed what is there.

    Args:
        pixels: (N, J, 2) [px]; NaN stays.
        visibility: (N, J).
        T: (N, 3, 3) T_new_old.
        width: of the images [px].
        height: of the images [px].

    Returns:
        The same of the moved images.
    """
    moved = np.einsum("nab,njb->nja", T[:, :2, :2], pixels) + T[:, None, :2, 2]
    inside = in_frame(moved.reshape(-1, 2), width, height).reshape(visibility.shape)
    known = np.where(inside, np.maximum(visibility, HIDDEN), OUTSIDE)
    return moved, known.astype(np.uint8)


class Motion:
    """Moves single pictures as training would, never mirrored: what `check-labels` looks at.

    Args:
        config: how far things move.
        width: of the pictures [px].
        height: of the pictures [px].
    """

    def __init__(self, config: AugmentConfig, width: int, height: int) -> None:
        self._config = dataclasses.replace(config, flip=0.0)
        self._size = width, height

    def keypoints(self, pixels: NDArray[np.float64], number: int) -> NDArray[np.float64]:
        """Where (J, 2) keypoints [px] of the picture of that number come to lie."""
        known = np.full((1, len(pixels)), HIDDEN, np.uint8)
        return move(pixels[None], known, self._of(number), *self._size)[0][0]

    def picture(self, light: NDArray[np.float64], number: int) -> NDArray[np.float64]:
        """The picture (H, W) of that number, moved."""
        image = torch.from_numpy(light)[None, None]
        return warp(image, image[0], self._of(number))[0][0, 0].numpy()

    def _of(self, number: int) -> NDArray[np.float64]:
        return draw_motions(self._config, 1, *self._size, np.random.default_rng(number))[0]
