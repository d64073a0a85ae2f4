"""The rules that settings name: what of the losses moves the prior, and how.

A rule is one of two kinds. A `SelectionRule` chooses held-out samples, whose bins are counted into
the prior. A `StreamRule` looks at the losses of training samples and says the next prior itself.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from feedback.posterior import weighted_counts
from feedback.selection import HighLoss, SelectionRule, select
from jointloop.common.draws import random_source
from simulator.randomization.prior import JointPrior

RuleName = Literal["uniform", "high-loss", "expected", "stratified", "random", "adversarial"]
SELECTS: tuple[RuleName, ...] = ("high-loss", "random")
"""Those that choose a share of the held-out samples."""
DRAWS = 0x72616E64
"""Stream of the random numbers of `AtRandom`."""
RATE = 1.0
"""Step of `Adversarial`: the log of a bin's probability grows by it where the loss of its samples
lies one standard deviation over the mean."""
LEAST = 0.1
"""Share of the uniform probability that `Stratified` and `Adversarial` leave to every bin."""


@dataclass(frozen=True, eq=False)
class Stream:
    """Training samples since the last look, and how well they were known before they taught."""

    losses: NDArray[np.float64]
    """(M,) loss per sample, 1 for an all-zero map."""
    bins: NDArray[np.int64]
    """(M, D) bin of each joint angle."""
    weights: NDArray[np.float64]
    """(M,) that make them stand for uniform poses; 0 for those drawn otherwise."""

    @classmethod
    def none(cls, joints: int) -> "Stream":
        """No samples."""
        return cls(np.zeros(0), np.zeros((0, joints), np.int64), np.zeros(0))

    @property
    def uniform(self) -> "Stream":
        """Those of its samples that stand for uniform poses."""
        kept = self.weights > 0
        return Stream(self.losses[kept], self.bins[kept], self.weights[kept])


@runtime_checkable
class StreamRule(Protocol):
    """Says the next prior from the losses of training samples."""

    def moved(self, prior: JointPrior, stream: Stream) -> JointPrior:
        """The next prior, one version on; the present one where the stream says nothing.

        Args:
            prior: the present one.
            stream: samples that stand for uniform poses.
        """
        ...


@dataclass(frozen=True)
class Uniform:
    """Selects nothing: the prior stays."""

    def __call__(self, losses: NDArray[np.float64], bins: NDArray[np.int64]) -> NDArray[np.int64]:
        """See `SelectionRule`."""
        return np.zeros(0, np.int64)


@dataclass(frozen=True)
class ExpectedOnce(Uniform):
    """Leaves it at the expected poses, which were counted before the first epoch."""


@dataclass(frozen=True)
class AtRandom:
    """As many samples as `HighLoss` takes, whatever their loss: the control."""

    share: float = 0.1
    """Of the samples that have a loss."""
    seed: int = 0
    """With the losses, all that the choice follows from: a resumed run chooses alike."""

    def __post_init__(self) -> None:
        select([], self.share)

    def __call__(self, losses: NDArray[np.float64], bins: NDArray[np.int64]) -> NDArray[np.int64]:
        """See `SelectionRule`."""
        count = len(select(losses, self.share))
        usable = np.flatnonzero(~np.isnan(losses))
        rng = random_source(self.seed, DRAWS, zlib.crc32(losses.tobytes()))
        return rng.choice(usable, count, replace=False) if count else np.zeros(0, np.int64)


@dataclass(frozen=True)
class Stratified:
    """Renders a bin in proportion to the mean loss of its training samples.

    What sets each joint's means apart from the mean of all is kept by the share max(0, 1 - 1 / F),
    F the ratio of the variance between bins to that within (James and Stein's shrinkage): where
    bins differ no more than chance lets them, F is about 1 and the joint stays uniform.
    """

    def moved(self, prior: JointPrior, stream: Stream) -> JointPrior:
        """See `StreamRule`."""
        if not stream.losses.size:
            return prior
        means, counts = bin_means(stream, prior.bins)
        mean = float(np.average(stream.losses, weights=stream.weights))
        kept = np.maximum(0, 1 - 1 / np.maximum(variance_ratio(stream, means, counts), 1e-12))
        shrunk = mean + kept[:, None] * np.where(counts > 0, means - mean, 0.0)
        return with_marginal(prior, np.maximum(shrunk, 1e-12))


@dataclass(frozen=True)
class Adversarial:
    """A policy over bins that is rewarded by the detector's loss (Khirodkar and Kitani 2018).

    The prior's marginals are the policy, a softmax for each joint. REINFORCE with the mean reward
    as its baseline: the gradient is estimated from uniform poses, weighted to stand for the policy.
    """

    rate: float = RATE
    """Of the policy's steps."""

    def moved(self, prior: JointPrior, stream: Stream) -> JointPrior:
        """See `StreamRule`."""
        spread = float(stream.losses.std()) if stream.losses.size else 0.0
        if not spread:
            return prior
        means, counts = bin_means(stream, prior.bins)
        policy = prior.marginal
        seen = counts > 0
        baseline = np.where(seen, policy * means, 0).sum(axis=1, keepdims=True)
        baseline /= np.where(seen, policy, 0).sum(axis=1, keepdims=True)
        reward = np.where(seen, means - baseline, 0.0) / spread
        gradient = policy * reward * prior.bins  # 1 / K where uniform: steps do not hang on K
        return with_marginal(prior, policy * np.exp(self.rate * gradient))


def bin_means(stream: Stream, K: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(D, K) mean loss of the samples in each bin, NaN without any, and (D, K) their weights."""
    counts = weighted_counts(stream.bins, stream.weights, K)
    sums = weighted_counts(stream.bins, stream.weights * stream.losses, K)
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums / counts, counts


def variance_ratio(
    stream: Stream, means: NDArray[np.float64], counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(D,) F of a one-way analysis of variance of the losses by each joint's bins.

    Args:
        stream: the samples.
        means: of `bin_means`.
        counts: likewise.
    """
    M = len(stream.losses)
    mean = np.average(stream.losses, weights=stream.weights)
    total = float(stream.weights @ (stream.losses - mean) ** 2)
    between = (counts * np.where(counts > 0, means - mean, 0.0) ** 2).sum(axis=1)
    groups = (counts > 0).sum(axis=1)
    within = np.maximum(total - between, 1e-12 * max(total, 1e-300))
    free = np.maximum(M - groups, 1)
    return (between / np.maximum(groups - 1, 1)) / (within / free)


def with_marginal(prior: JointPrior, shares: NDArray[np.float64]) -> JointPrior:
    """The prior of such marginals, one version on, its concentration as it was.

    Args:
        prior: the present one.
        shares: (D, K) positive, of any scale.
    """
    p = shares / shares.sum(axis=1, keepdims=True)
    p = (1 - LEAST) * p + LEAST / prior.bins
    total = prior.alpha.sum(axis=1, keepdims=True)
    return replace(prior, alpha=total * p, version=prior.version + 1)


Rule = SelectionRule | StreamRule


def rule_named(name: RuleName, share: float, seed: int) -> Rule:
    """The rule of that name.

    Args:
        name: as settings have it.
        share: of the held-out set that high-loss and random select.
        seed: of what random draws.

    Raises:
        SelectionError: the share is not within 0 to 1.
    """
    return RULES[name](share, seed)


RULES: dict[RuleName, Callable[[float, int], Rule]] = {
    "uniform": lambda share, seed: Uniform(),
    "high-loss": lambda share, seed: HighLoss(share),
    "expected": lambda share, seed: ExpectedOnce(),
    "stratified": lambda share, seed: Stratified(),
    "random": lambda share, seed: AtRandom(share, seed),
    "adversarial": lambda share, seed: Adversarial(),
}
"""What makes each rule."""
