"""From belief maps to keypoints: the best peak of each map, to a fraction of a cell.

The peak is the highest cell of the smoothed map, which is what smoothed non-maximum suppression
leaves when one peak per joint is kept. Its place within the cell follows from a quadratic fitted
to the log of the belief around it: for a Gaussian peak that log is a quadratic, so its maximum is
the keypoint (DARK: Zhang et al., "Distribution-Aware Coordinate Representation", CVPR 2020). The
fit is weighted by the squared belief (Guo, "A Simple Algorithm for Fitting a Gaussian Function",
2011) instead of smoothing first, since smoothing would need cells beyond the frame's edge, and it
bends alike along both axes, since targets do: at a corner nine cells have to settle it.

`locate` is made of plain tensor operations, so that an exported network can carry it along.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

DEFINITION = 1
"""Counts up whenever the same belief map comes to give other keypoints."""
FOUND = 0.1
"""A keypoint counts as found if its peak's belief is at least this."""
SMOOTHING = 1.0
"""Standard deviation of the smoothing that picks the peak [cells]."""
REACH = 2
"""The fit sees cells up to this far from the peak, along each axis."""
LONGEST = 1.5
"""Fits that end farther than this from the highest cell, along an axis, are cut there [cells]."""
FLOOR = 1e-4
"""Beliefs are raised to this before their log is taken."""


@dataclass(frozen=True, eq=False)
class Peaks:
    """One peak per image and joint."""

    pixels: NDArray[np.float64]
    """(N, J, 2) x, y in the image [px]."""
    scores: NDArray[np.float64]
    """(N, J) belief at the peak's highest cell, 0 to 1."""

    @staticmethod
    def of(pixels: Tensor, scores: Tensor) -> "Peaks":
        """From what `locate` gives."""
        return Peaks(pixels.double().cpu().numpy(), scores.double().cpu().numpy())

    @property
    def found(self) -> NDArray[np.bool_]:
        """(N, J) whether the score reaches `FOUND`."""
        return self.scores >= FOUND


def decode(belief: Tensor, stride: int) -> Peaks:
    """The best peak of every belief map; see `locate`."""
    return Peaks.of(*locate(belief, stride))


def locate(belief: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """The best peak of every belief map, where the belief is.

    Args:
        belief: (N, J, h, w) in [0, 1], the last stage.
        stride: image pixels per cell; cell c has its centre at pixel (c + 0.5) stride - 0.5.

    Returns:
        (N, J, 2) pixels x, y in double precision and (N, J) scores, as `Peaks` has them; a map
        without a peak still has one, with a score under `FOUND`.
    """
    joints, height, width = belief.shape[1:]
    maps = belief.detach().float().reshape(-1, height, width)
    best = _smooth(maps).flatten(1).argmax(dim=1)
    cells = cells_at(best, width)
    scores = maps.flatten(1).gather(1, best[:, None])
    pixels = (cells + fit(maps, cells) + 0.5) * stride - 0.5
    return pixels.reshape(-1, joints, 2), scores.reshape(-1, joints)


def cells_at(index: Tensor, width: int) -> Tensor:
    """(..., 2) column and row of cells with these indices in a map of that width."""
    row = index // width
    return torch.stack([index - row * width, row], dim=-1)  # ONNX takes no remainder of free sizes


def _smooth(maps: Tensor) -> Tensor:
    """Gaussian smoothing of (M, h, w) maps; the border cells continue beyond the frame."""
    radius = int(3 * SMOOTHING)
    steps = torch.arange(-radius, radius + 1, device=maps.device, dtype=maps.dtype)
    kernel = torch.exp(-(steps**2) / (2 * SMOOTHING**2))
    kernel /= kernel.sum()
    padded = F.pad(maps[:, None], (radius, radius, radius, radius), mode="replicate")
    return F.conv2d(F.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))[:, 0]


def fit(maps: Tensor, cells: Tensor) -> Tensor:
    """Offset (M, 2) of each peak from its highest cell (M, 2), in cells; double precision."""
    near = torch.arange(-REACH, REACH + 1, device=maps.device)
    dy, dx = (d.flatten() for d in torch.meshgrid(near, near, indexing="ij"))
    height, width = maps.shape[1:]
    x, y = cells[:, :1] + dx, cells[:, 1:] + dy
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    flat = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
    values = maps.flatten(1).gather(1, flat).double().clamp(min=FLOOR)
    weights = inside * (values / values.amax(dim=1, keepdim=True)) ** 2
    dx, dy = dx.double(), dy.double()
    basis = torch.stack([torch.ones_like(dx), dx, dy, (dx * dx + dy * dy) / 2], dim=1)
    # Sums, not products of matrices: a map's bits must not depend on how many are beside it.
    normal = (weights[:, :, None, None] * (basis[:, :, None] * basis[:, None, :])).sum(dim=1)
    right = ((weights * values.log())[:, :, None] * basis).sum(dim=1)
    _, slope_x, slope_y, bend = _solved(normal, right).unbind(dim=1)
    # Newton's step of the fitted quadratic; a map that bends upwards has no peak to step to.
    step = torch.stack([slope_x, slope_y], dim=1) / -bend[:, None]
    return torch.where(bend[:, None] < 0, step, 0.0).clamp(-LONGEST, LONGEST)


def _solved(matrix: Tensor, right: Tensor) -> Tensor:
    """The solutions (M, n) of positive definite systems (M, n, n), by elimination.

    Such systems need no pivoting, and ONNX has no solver. A singular one gives NaN.
    """
    system = torch.cat([matrix, right[:, :, None]], dim=2)
    for i in range(matrix.shape[1]):
        row = system[:, i : i + 1] / system[:, i : i + 1, i : i + 1]
        rest = system - system[:, :, i : i + 1] * row
        system = torch.cat([rest[:, :i], row, rest[:, i + 1 :]], dim=1)
    return system[:, :, -1]
