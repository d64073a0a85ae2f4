"""How far predicted belief maps are from their targets."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from trainer.config.config import LossConfig

FAINT = 0.5
"""Belief of the one cell that a batch without any keypoint is measured by."""


def training_loss(
    beliefs: Sequence[Tensor],
    target: Tensor,
    config: LossConfig,
    mean: Callable[[Tensor], Tensor] = lambda values: values,
) -> Tensor:
    """The pixel loss of every stage, averaged over stages, relative to that of all-zero maps.

    0 for the targets themselves and 1 for all-zero maps (with a background map that is one
    everywhere, where there is one), whatever the kind, the size of the image
    and the number of keypoints in it, so figures of different runs compare. Gradients have norms
    of some tenths: far above the optimisers' epsilons, where those of a mean over all cells nearly
    drown, and in reach of the clip. Adam does not see a constant factor; that this one varies
    from batch to batch weighs batches alike, instead of cells. A batch with hardly a keypoint in
    the frame would be divided by next to nothing: the divisor is at least what a single cell of
    belief `FAINT` would make it, and the clip bounds what such a batch can do.

    Args:
        beliefs: stages of (B, J, h, w) in [0, 1], or of (B, J + 1, h, w), the background last.
        target: (B, J, h, w) in [0, 1].
        config: which pixel loss, and how much more a cell counts near a keypoint.
        mean: averages over all shares of the batch, where this is one: they have one divisor.

    Returns:
        A scalar, at least 0 over the whole batch.
    """
    near, nothing = target, torch.zeros_like(target)
    if beliefs[-1].shape[1] == target.shape[1] + 1:
        nearest = target.amax(dim=1, keepdim=True)
        near = torch.cat([target, nearest], dim=1)
        nothing = torch.cat([nothing, torch.ones_like(nearest)], dim=1)
        target = torch.cat([target, 1.0 - nearest], dim=1)
    weight = 1.0 + config.foreground * near
    pixel = PIXEL[config.kind]
    least = (weight * pixel(target, target)).mean()
    least, zero = mean(torch.stack([least, (weight * pixel(nothing, target)).mean()]))
    unit = (zero - least).clamp(min=_faint(pixel, target))
    losses = [(weight * pixel(stage, target)).mean() for stage in beliefs]
    return (torch.stack(losses).mean() - least) / unit


def _faint(pixel: Callable[[Tensor, Tensor], Tensor], target: Tensor) -> float:
    """Mean loss of all-zero maps if the target were one cell of belief `FAINT`."""
    nothing, cell = torch.tensor(0.0), torch.tensor(FAINT)
    return float(pixel(nothing, cell) - pixel(cell, cell)) / target.numel()


def _cross_entropy(belief: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy: least, though not zero, at the target."""
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
