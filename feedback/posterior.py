"""From selected samples to the next prior: the Dirichlet's conjugate update."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from feedback.selection import FeedbackError
from simulator.randomization.prior import JointPrior


class PosteriorError(FeedbackError):
    """Bins or a weight that no posterior follows from."""


def bin_counts(bins: ArrayLike, K: int) -> NDArray[np.int64]:
    """How often each bin of each joint occurs.

    Args:
        bins: (S, D) bin of each joint angle of each sample.
        K: bins per joint.

    Returns:
        (D, K) counts; every row sums to S.

    Raises:
        PosteriorError: the bins are not (S, D) whole numbers within 0 to K - 1.
    """
    k = np.asarray(bins)
    if k.ndim != 2 or not (k.size == 0 or np.issubdtype(k.dtype, np.integer)):
        raise PosteriorError(
            f"bins of shape {k.shape} and type {k.dtype} cannot be counted; "
            "expected (samples, joints) integers"
        )
    if k.size and not (k.min() >= 0 and k.max() < K):
        raise PosteriorError(f"bins reach from {k.min()} to {k.max()}; expected 0 to {K - 1}")
    counts = np.zeros((k.shape[1], K), np.int64)
    rows = np.broadcast_to(np.arange(k.shape[1]), k.shape)
    np.add.at(counts, (rows, k.astype(np.int64)), 1)
    return counts


def weighted_counts(
    bins: NDArray[np.int64], weights: NDArray[np.float64], K: int
) -> NDArray[np.float64]:
    """(D, K) sum of the weights (M,) of the samples in each bin, of bins (M, D) under K."""
    sums = [np.bincount(row, weights, minlength=K) for row in bins.T]
    return np.array(sums, np.float64)


def posterior(prior: JointPrior, bins: ArrayLike, weight: float = 1.0) -> JointPrior:
    """The prior given the selected samples, one version on.

    alpha_j[k] += weight * count of k_j in S: the Dirichlet is conjugate to the categorical
    (Heindl et al. 2019, section III, with weight 1).

    Args:
        prior: what was believed before; (D, K).
        bins: (S, D) bins of the selected samples; of no samples, (0, D).
        weight: observations that one sample stands for, at least 0.

    Raises:
        PosteriorError: the bins do not fit the prior, or the weight is negative or not finite.
    """
    if not (np.isfinite(weight) and weight >= 0):
        raise PosteriorError(f"weight of a selected sample is {weight}; expected 0 or more")
    counts = bin_counts(bins, prior.bins)
    if len(counts) != len(prior.alpha):
        raise PosteriorError(
            f"bins of {len(counts)} joints do not fit a prior of {len(prior.alpha)} joints"
        )
    return prior.updated(weight * counts)
