"""How far predicted belief maps are from their targets."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from trainer.config import LossConfig


def training_loss(beliefs: Sequence[Tensor], target: Tensor, config: LossConfig) -> Tensor:
    """The pixel loss of every stage, averaged over stages.

    Args:
        beliefs: stages of (B, J, h, w) in [0, 1], or of (B, J + 1, h, w), the background last.
        target: (B, J, h, w) in [0, 1].
        config: which pixel loss, and how much more a cell counts near a keypoint.

    Returns:
        A scalar.
    """
    near = target
    if beliefs[-1].shape[1] == target.shape[1] + 1:
        nearest = target.amax(dim=1, keepdim=True)
        near = torch.cat([target, nearest], dim=1)
        target = torch.cat([target, 1.0 - nearest], dim=1)
    weight = 1.0 + config.foreground * near
    pixel = PIXEL[config.kind]
    return torch.stack([(weight * pixel(stage, target)).mean() for stage in beliefs]).mean()


def _cross_entropy(belief: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy less the target's own entropy, so that the target itself has loss zero."""
    return _surprise(belief, target) - _surprise(target, target)


def _surprise(belief: Tensor, target: Tensor) -> Tensor:
    # Torch's own raises on NaN (on a GPU by ending the context); the learner reports it better.
    sure = belief.clamp(1e-7, 1.0 - 1e-7)
    return -(target * sure.log() + (1.0 - target) * (1.0 - sure).log())


PIXEL: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": partial(F.mse_loss, reduction="none"),
    "smooth-l1": partial(F.smooth_l1_loss, reduction="none"),
    "cross-entropy": _cross_entropy,
}
"""Losses of every cell, by `LossConfig.kind`."""


def per_sample(belief: Tensor, target: Tensor, in_frame: Tensor) -> Tensor:
    """Squared error of each sample over its joints in the frame, 1 for an all-zero map.

    sum (belief - target)^2 / sum target^2 over the cells of those joints; dividing by the
    target's own energy makes samples with few joints in the frame, or joints near its edge,
    comparable with the others. 0 for a sample with no joint in the frame.

    Args:
        belief: (N, J, h, w) of one stage; a background map after those does not count.
        target: (N, J, h, w).
        in_frame: (N, J) bool.

    Returns:
        (N,) losses, at least 0.
    """
    belief = belief[:, : target.shape[1]]
    error = ((belief - target) ** 2).sum(dim=(2, 3)) * in_frame
    energy = (target**2).sum(dim=(2, 3)) * in_frame
    return error.sum(dim=1) / energy.sum(dim=1).clamp(min=torch.finfo(target.dtype).tiny)
