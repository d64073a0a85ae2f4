"""Images, masks and keypoints moved alike: turned, scaled, mirrored and shifted, to any size.

A motion is a (3, 3) matrix `T_new_old` that takes homogeneous pixel positions (x, y, 1) of an image
to those of the moved image; pixel centres lie at integers in both. Sizes are width, height [px].
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

Size = tuple[int, int]
LEAST = 0.75
"""Images that shrink by more are halved before they are sampled, as often as it takes."""
PLACES = 24
"""Places along each axis that tell how much of a frame its picture covers."""


def fit(old: Size, new: Size, whole: bool = False) -> NDArray[np.float64]:
    """The motion (3, 3) of an image to another size: centre to centre, its aspect kept.

    Its shorter side comes to be the new one's shorter side, so that a robot in the middle keeps its
    share of the frame, upright or across.

    Args:
        old: size of the image.
        new: size that it gets.
        whole: show all of it instead.
    """
    ratios = np.array(new) / np.array(old)
    scale = ratios.min() if whole else min(new) / min(old)
    T = np.diag([scale, scale, 1.0])
    T[:2, 2] = (np.array(new) - 1) / 2 - scale * (np.array(old) - 1) / 2
    return T


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


def warp(
    images: Tensor, masks: Tensor, T: NDArray[np.float64], size: Size | None = None
) -> tuple[Tensor, Tensor]:
    """Move images and masks in one bilinear sampling; those that shrink much are halved before.

    What comes in from beyond an image repeats its border; a mask covers none of it.

    Args:
        images: (N, C, H, W) float.
        masks: (N, H, W) float.
        T: (N, 3, 3) T_new_old.
        size: of the moved images; None keeps theirs.

    Returns:
        The same of the moved images.
    """
    height, width = images.shape[2:]
    new = size or (width, height)
    both = torch.cat([images, masks[:, None]], dim=1)
    scale = np.sqrt(np.abs(np.linalg.det(T[:, :2, :2])))
    halvings = np.maximum(np.ceil(np.log2(LEAST / scale)), 0).astype(int)
    if (halvings == halvings[0]).all():
        moved = _sampled(both, T, new, int(halvings[0]))
    else:
        moved = both.new_empty(len(both), both.shape[1], new[1], new[0])
        for count in np.unique(halvings):
            at = torch.from_numpy(np.flatnonzero(halvings == count)).to(both.device)
            moved[at] = _sampled(both[at], T[halvings == count], new, int(count))
    return moved[:, :-1], moved[:, -1]


def _sampled(both: Tensor, T: NDArray[np.float64], new: Size, halvings: int) -> Tensor:
    """(N, C + 1, h, w) of images whose last channel is their mask, halved so many times before."""
    height, width = both.shape[2:]
    for _ in range(halvings):
        both = F.avg_pool2d(both, 2, ceil_mode=True, count_include_pad=False)
    # Torch counts from -1 to 1 over the whole extent, from border to border; where a side does not
    # divide, halves reach beyond the image.
    extent = (both.shape[3] << halvings, both.shape[2] << halvings)
    onto = torch.from_numpy((_unit(extent) @ np.linalg.inv(T) @ np.linalg.inv(_unit(new)))[:, :2])
    onto = onto.to(both)
    x, y = ((2 * torch.arange(s, device=both.device) + 1) / s - 1 for s in new)
    # A sum of what follows from the column and what from the row: affine_grid takes ten times this.
    along = onto[:, None, None, :, 0] * x[:, None] + onto[:, None, None, :, 2]
    grid = along + onto[:, None, None, :, 1] * y[:, None, None]
    moved = F.grid_sample(both, grid, padding_mode="border", align_corners=False)
    right, below = (
        2 * side / whole - 1 for side, whole in zip((width, height), extent, strict=True)
    )
    u, v = grid.unbind(dim=-1)
    moved[:, -1] *= (u >= -1) & (u <= right) & (v >= -1) & (v <= below)
    return moved


def _unit(size: Size) -> NDArray[np.float64]:
    """(3, 3) from pixels of an image of that size to torch's coordinates."""
    width, height = size
    return np.array([[2 / width, 0, 1 / width - 1], [0, 2 / height, 1 / height - 1], [0, 0, 1]])


def shown(T: NDArray[np.float64], old: Size, new: Size) -> NDArray[np.float64]:
    """(N,) share of each moved image's frame that its picture covers.

    Args:
        T: (N, 3, 3) T_new_old.
        old: size of the images.
        new: size of the moved images.
    """
    share = (np.arange(PLACES) + 0.5) / PLACES
    x, y = np.meshgrid(*(share * side - 0.5 for side in new))
    places = np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    back = (np.linalg.inv(T) @ places)[:, :2].transpose(0, 2, 1)
    return in_frame(back.reshape(-1, 2), *old).reshape(len(T), -1).mean(axis=1)


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
