"""Belief maps painted on the device, from keypoints that augmentation has moved."""

import torch
from torch import Tensor

ABSENT = -1e6
"""Cell of a keypoint that no map shows."""


def paint(
    pixels: Tensor, present: Tensor, width: int, height: int, stride: int, sigma: float
) -> Tensor:
    """One map per keypoint with peak 1 at the keypoint.

    `simulator.labels.belief_map` without its rounding: exp(-d^2 / (2 sigma^2)), d the distance of
    a cell's centre, at pixel (c + 0.5) stride - 0.5, from the unrounded keypoint, in cells.

    Args:
        pixels: (N, J, 2) keypoints [px]; those that are not present may be NaN.
        present: (N, J) bool; false leaves a map empty.
        width: of the image [px].
        height: of the image [px].
        stride: pixels per cell.
        sigma: standard deviation of the peak [cells].

    Returns:
        (N, J, height / stride, width / stride) in [0, 1], on the device of `pixels`.
    """
    cells = torch.where(present[..., None], (pixels + 0.5) / stride - 0.5, ABSENT)
    x, y = (torch.arange(size // stride, device=cells.device) for size in (width, height))
    gx = torch.exp(-((x - cells[..., :1]) ** 2) / (2 * sigma**2))
    gy = torch.exp(-((y - cells[..., 1:]) ** 2) / (2 * sigma**2))
    return gy[..., :, None] * gx[..., None, :]
