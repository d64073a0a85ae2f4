"""Decoding where a map may have several peaks: those near the keypoints that are sure win.

Gouidis, Panteleris, Oikonomidis, Argyros, "Accurate Hand Keypoint Localization on Mobile Devices"
(MVA 2019): a softmax over the cells of each map, whose highest cell is the keypoint; where that one
is unsure, of the map's strong peaks the one nearest to the sure keypoints. Free to choose here:

- A peak's score is its share of the map's softmax, summed over the cells of its hill, so that it
  depends little on the hill's width; two equal peaks have half each.
- Nearest means the least mean distance to the sure keypoints of the image.
- Within its cell a peak is placed as everywhere here (`decode.fit`): whole cells would cost
  up to half a stride.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from trainer.beliefs.decode import REACH, cells_at, fit

SURE = 0.7
"""Score from which a peak stays whatever the others say: no rival has half as much."""
STRONG = 0.2
"""Peaks this high, as a share of the map's highest, are rivals."""


def locate(belief: Tensor, stride: int, temperature: float) -> tuple[Tensor, Tensor]:
    """One peak of every belief map, with regard to the other maps of its image.

    Args:
        belief: (N, J, h, w) in [0, 1], the last stage.
        stride: image pixels per cell; cell c has its centre at pixel (c + 0.5) stride - 0.5.
        temperature: of the softmax, in units of belief: rivals are peaks that lie at most
            log(1 / `STRONG`) = 1.6 temperatures under the highest.

    Returns:
        (N, J, 2) pixels x, y in double precision and (N, J) scores, 0 to 1.
    """
    belief = belief.detach().float()
    joints, height, width = belief.shape[1:]
    share = torch.softmax(belief.flatten(2) / temperature, dim=2).view_as(belief)
    side = 2 * REACH + 1
    scores = F.avg_pool2d(share, side, stride=1, padding=REACH).flatten(2) * side**2
    best = share.flatten(2).argmax(dim=2, keepdim=True)
    sure = scores.gather(2, best) >= SURE
    chosen = torch.where(sure | ~sure.any(dim=1, keepdim=True), best, _nearest(share, best, sure))
    cells = cells_at(chosen.reshape(-1), width)
    pixels = (cells + fit(belief.reshape(-1, height, width), cells) + 0.5) * stride - 0.5
    return pixels.reshape(-1, joints, 2), scores.gather(2, chosen)[:, :, 0]


def _nearest(share: Tensor, best: Tensor, sure: Tensor) -> Tensor:
    """Of every map's strong peaks (N, J, 1) the one nearest to the sure ones of its image.

    Args:
        share: (N, J, h, w) of each map's softmax.
        best: (N, J, 1) index of its highest cell.
        sure: (N, J, 1) whether that is where the keypoint is.
    """
    height, width = share.shape[2:]
    cells = cells_at(torch.arange(height * width, device=share.device), width)
    offset = (cells - cells_at(best, width)).float()
    distance = torch.sqrt((offset**2).sum(dim=-1))
    away = (distance * sure).sum(dim=1, keepdim=True) / sure.sum(dim=1, keepdim=True).clamp(min=1)
    around = F.max_pool2d(share, 2 * REACH + 1, stride=1, padding=REACH)
    highest = share.amax(dim=(2, 3), keepdim=True)
    rivals = ((share == around) & (share >= STRONG * highest)).flatten(2)
    return torch.where(rivals, away, torch.inf).argmin(dim=2, keepdim=True)
