"""Importance resampling: samples of one prior as if they came from another.

A sample recorded under marginals p has the weight prod_j q(k_j) / p(k_j) under a prior with
marginals q. Where poses were drawn until one was free of collisions, both densities are conditioned
on that: their ratio is the same but for a constant, which is lost where weights are scaled to a
given sum.
"""

import numpy as np
from numpy.typing import NDArray

from simulator.randomization.prior import JointPrior


def importance(
    bins: NDArray[np.int64],
    wanted: JointPrior,
    recorded: JointPrior,
    asked: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Importance weights of samples, summing to 1: prod_j q(k_j) / p(k_j) over their sum.

    Poses that had to be free of collisions and those that had not keep their shares: whether one
    had to is drawn before it, whatever the prior.

    Args:
        bins: (N, D) of the samples.
        wanted: its marginals are q.
        recorded: the prior they were drawn from, each with a D of its own; its marginals are p.
        asked: (N,) whether each pose had to be free of collisions; None where none had to.

    Returns:
        (N,) weights.
    """
    if asked is not None and asked.any() and not asked.all():
        weights = np.empty(len(bins))
        for part in (asked, ~asked):
            weights[part] = part.mean() * importance(bins[part], wanted, recorded)
        return weights
    ratio = np.log(wanted.marginal) - np.log(recorded.marginal)
    logs = ratio[np.arange(bins.shape[1]), bins].sum(axis=1)
    weights = np.exp(logs - logs.max())
    return weights / weights.sum()


def effective(weights: NDArray[np.float64]) -> float:
    """Kish's effective sample size, (sum w)^2 / sum w^2: N for equal weights, 1 for one alone."""
    return float(weights.sum() ** 2 / np.square(weights).sum())


def systematic(
    weights: NDArray[np.float64], size: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Systematic resampling (Douc, Cappe and Moulines 2005): sample i is drawn size w_i times.

    On average, that is, and always that many times rounded down or up.

    Args:
        weights: (N,) summing to 1.
        size: how many to draw.
        rng: random source.

    Returns:
        (size,) indices, in random order.
    """
    order = rng.permutation(len(weights))
    edges = np.cumsum(weights[order])
    at = (np.arange(size) + rng.random()) / size * edges[-1]
    return rng.permutation(order[np.searchsorted(edges, at, side="right")])
