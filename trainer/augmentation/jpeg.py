"""What JPEG does to images: blocks of 8 x 8 whose waves come in steps, colours at half the size.

The steps are those of the standard (ITU-T T.81, annex K), scaled by the quality as libjpeg does;
what is left out is the packing, which loses nothing.
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

BLOCK = 8
LIGHT = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    np.float64,
)
"""Steps of the light's waves at quality 50, row by column of the frequency."""
COLOUR = np.array([[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]], float)
"""Of the colours' lowest waves; those of all others are 99."""
YCC = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
"""Light, blue and red difference from RGB (JFIF)."""


def compressed(images: Tensor, qualities: NDArray[np.float64]) -> Tensor:
    """Images as JPEG would give them back.

    Args:
        images: (N, 3, H, W) float, 0 to 255 where they are not clipped yet.
        qualities: (N,) of 1 to 100.
    """
    height, width = images.shape[2:]
    sides = (-width % (2 * BLOCK), -height % (2 * BLOCK))
    padded = F.pad(images.clamp(0, 255), (0, sides[0], 0, sides[1]), mode="replicate")
    into, back = (torch.from_numpy(m).to(images) for m in (YCC, np.linalg.inv(YCC)))
    ycc = torch.einsum("ab,nbhw->nahw", into, padded)
    ycc[:, 0] -= 128
    light = _in_steps(ycc[:, :1], LIGHT, qualities)
    colour = np.pad(COLOUR, (0, BLOCK - len(COLOUR)), constant_values=99)
    coarse = _in_steps(F.avg_pool2d(ycc[:, 1:], 2), colour, qualities)
    fine = F.interpolate(coarse, scale_factor=2.0, mode="bilinear")
    ycc = torch.cat([light + 128, fine], dim=1)
    return torch.einsum("ab,nbhw->nahw", back, ycc)[..., :height, :width]


def _in_steps(planes: Tensor, table: NDArray[np.float64], qualities: NDArray[np.float64]) -> Tensor:
    """(N, C, H, W) planes, sides multiples of a block, with each block's waves in steps."""
    n, channels, height, width = planes.shape
    waves = torch.from_numpy(_waves()).to(planes)
    scale = np.where(qualities < 50, 50 / qualities, 2 - qualities / 50)
    steps = np.clip(np.floor(table * scale[:, None, None] + 0.5), 1, 255)
    step = torch.from_numpy(steps).to(planes)[:, None, None, :, None, :]
    blocks = planes.view(n, channels, height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    spectrum = torch.einsum("ui,ncyixj,vj->ncyuxv", waves, blocks, waves)
    spectrum = (spectrum / step).round_() * step
    return torch.einsum("ui,ncyuxv,vj->ncyixj", waves, spectrum, waves).reshape(planes.shape)


def _waves() -> NDArray[np.float64]:
    """(8, 8) orthonormal cosines, a frequency a row."""
    frequency, place = np.arange(BLOCK)[:, None], np.arange(BLOCK)
    waves = np.cos(np.pi * frequency * (2 * place + 1) / (2 * BLOCK)) * np.sqrt(2 / BLOCK)
    waves[0] /= np.sqrt(2)
    return waves
