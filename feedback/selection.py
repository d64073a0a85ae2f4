"""Which held-out samples are hard: the selection S that feeds the posterior."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jointloop.common.errors import JointloopError


class FeedbackError(JointloopError):
    """The feedback was given something it cannot use."""


class SelectionError(FeedbackError):
    """Losses or a share from which nothing can be selected."""


def select(losses: ArrayLike, share: float) -> NDArray[np.int64]:
    """The held-out samples with the highest loss, hardest first.

    Args:
        losses: (N,) loss per held-out sample; NaN where there is none, because no keypoint lies in
            the frame. Such a sample is never selected, an infinite loss is the highest.
        share: of the samples that have a loss, 0 to 1; above 0 it selects at least one of them.

    Returns:
        (M,) indices into `losses`; equal losses stand in the order of their indices.

    Raises:
        SelectionError: the share is not within 0 to 1, or the losses are not one row of numbers.
    """
    values = np.asarray(losses, np.float64)
    if values.ndim != 1:
        raise SelectionError(f"losses of shape {values.shape} cannot be ranked; expected (N,)")
    if not 0 <= share <= 1:
        raise SelectionError(f"selected share is {share}; expected 0 to 1")
    usable = np.flatnonzero(~np.isnan(values))
    # Rounded first, so that 0.1 * 30 = 3.0000000000000004 does not become 4.
    count = math.ceil(round(share * usable.size, 9)) if share > 0 else 0
    count = min(max(count, int(share > 0)), usable.size)
    hardest = np.argsort(-values[usable], kind="stable")[:count]
    return usable[hardest].astype(np.int64)
