"""How a photo of any size comes before a network, and how its keypoints come back.

photo --resized, aspect kept--> inner, in the upper left corner of --padded--> canvas

Pixel centres lie at integers, so a resized picture's pixel x shows the photo at
(x + 0.5) / factor - 0.5, along each axis with its own factor: sizes are whole numbers.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Image = NDArray[np.uint8]
LONGEST = 2.0
"""No side of a resized photo is longer than this many times the trained one's longer side."""


@dataclass(frozen=True)
class Framing:
    """One photo on one canvas; every size is width, height [px]."""

    photo: tuple[int, int]
    """Of the photo."""
    inner: tuple[int, int]
    """Of the photo on the canvas."""
    canvas: tuple[int, int]
    """Of what the network sees."""

    @staticmethod
    def free(
        photo: tuple[int, int], trained: tuple[int, int], multiple: int, scale: float = 1.0
    ) -> "Framing":
        """For a network that takes any multiple: the photo gets the area it was trained at.

        Args:
            photo: size of the photo.
            trained: image size that the network was trained at.
            multiple: canvas sides are multiples of this.
            scale: times that size, along each axis.
        """
        factor = math.sqrt(trained[0] * trained[1] / (photo[0] * photo[1]))
        factor = scale * min(factor, LONGEST * max(trained) / max(photo))
        inner = _times(photo, factor)
        width, height = (-(-side // multiple) * multiple for side in inner)
        return Framing(photo, inner, (width, height))

    @staticmethod
    def fixed(photo: tuple[int, int], canvas: tuple[int, int], scale: float = 1.0) -> "Framing":
        """For a network that takes one size: the photo becomes as large as fits, times a scale.

        Args:
            photo: size of the photo.
            canvas: size that the network takes.
            scale: at most 1.
        """
        factor = scale * min(canvas[0] / photo[0], canvas[1] / photo[1])
        return Framing(photo, _times(photo, factor), canvas)

    @property
    def factor(self) -> NDArray[np.float64]:
        """(2,) canvas pixels per photo pixel, along x and y."""
        return np.array(self.inner) / np.array(self.photo)

    def apply(self, image: Image, fill: tuple[int, int, int]) -> Image:
        """The canvas: the photo (H, W, 3) resized, without aliasing, and padded with a colour."""
        shrinks = self.inner[0] * self.inner[1] < self.photo[0] * self.photo[1]
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        inner = (
            image if self.inner == self.photo else cv2.resize(image, self.inner, None, 0, 0, how)
        )
        canvas = np.empty((self.canvas[1], self.canvas[0], 3), np.uint8)
        canvas[:] = fill
        canvas[: self.inner[1], : self.inner[0]] = inner
        return canvas

    def back(self, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (..., 2) on the canvas as points of the photo [px]."""
        return (pixels + 0.5) / self.factor - 0.5

    def shown(self, maps: Tensor, stride: int) -> Tensor:
        """The cells of (..., h, w) maps of the canvas that show some of the photo."""
        columns, rows = (-(-side // stride) for side in self.inner)
        return maps[..., :rows, :columns]

    def resample(self, maps: Tensor, other: "Framing") -> Tensor:
        """Maps (m, h, w) of this canvas as another framing of the same photo would have them.

        Both corners coincide, so places in cells differ by a factor alone; bicubic, in [0, 1].
        """
        if other == self:
            return maps
        height, width = maps.shape[1:]
        sides = []
        for axis, cells in ((0, width), (1, height)):
            count = cells * other.canvas[axis] // self.canvas[axis]
            ratio = float(self.factor[axis] / other.factor[axis])
            centres = (torch.arange(count, device=maps.device, dtype=maps.dtype) + 0.5) * ratio
            sides.append(2.0 * centres / cells - 1.0)
        y, x = torch.meshgrid(sides[1], sides[0], indexing="ij")
        grid = torch.stack([x, y], dim=-1)[None]
        sampled = F.grid_sample(
            maps[None], grid, mode="bicubic", padding_mode="border", align_corners=False
        )
        return sampled[0].clamp(0.0, 1.0)


def _times(size: tuple[int, int], factor: float) -> tuple[int, int]:
    width, height = (max(1, round(side * factor)) for side in size)
    return width, height
