"""Where a comparison's images come from.

Of one pair, all arms see the same uniform half in the same order, and draw the other half by the
same numbers from what they think worth rendering; only arm aa has numbers of its own.
"""

from abc import ABC, abstractmethod
from typing import Literal, Protocol

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from jointloop.common.draws import random_source
from simulator.randomization.assignment import Assignment
from simulator.randomization.prior import JointPrior
from trainer.batch import Batch
from trainer.evaluation.arms.target import Target

Half = Literal["uniform", "adaptive", "other", "held_out", "test", "elsewhere"]
HALVES: tuple[Half, ...] = ("uniform", "adaptive", "other", "held_out", "test", "elsewhere")
"""Append only: what random numbers are counted by."""
POSES, LOOKS = 0x706F7365, 0x6C6F6F6B
"""Streams of random numbers."""


class World(Protocol):
    """Gives images of poses."""

    def draw(self, pair: int, half: Half, epoch: int, count: int, terms: Assignment) -> Batch:
        """So many training samples by these terms; the same arguments give the same ones."""
        ...

    def held_out(self, pair: int) -> Batch:
        """What rules look at."""
        ...

    def test(self) -> Batch:
        """What arms are judged on."""
        ...

    def elsewhere(self) -> Batch | None:
        """Uniform poses, where arms are judged on others."""
        ...


class Judging(ABC):
    """What worlds have in common: which poses arms are judged on and rules look at.

    Args:
        target: what arms are judged on.
        prior: the uniform one.
        held_out: samples that rules look at.
        test: samples that arms are judged on.
        seed: of all draws.
    """

    def __init__(
        self, target: Target, prior: JointPrior, held_out: int, test: int, seed: int
    ) -> None:
        self._target, self._prior, self._seed = target, prior, seed
        self._counts = {"held_out": held_out, "test": test}

    def held_out(self, pair: int) -> Batch:
        """See `World`."""
        return self._judging(pair, "held_out", self._target.looked_at(self._prior))

    def test(self) -> Batch:
        """See `World`."""
        return self._judging(0, "test", self._target.judged(self._prior))

    @abstractmethod
    def _judging(self, pair: int, half: Half, log: NDArray[np.float64] | None) -> Batch:
        """Samples of a log's poses; without one, of uniform ones."""


def numbers(seed: int, stream: int, pair: int, half: Half, epoch: int) -> np.random.Generator:
    """The random source of a part of the samples."""
    return random_source(seed, stream, pair, HALVES.index(half), epoch)


def poses(
    terms: Assignment, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(count, D) joint angles [rad] by these terms and (count, D) their bins.

    By inverse distribution functions: the same numbers give near poses where priors are near. Of
    the prior it takes the marginals, which are what a D drawn anew for every sample comes to.
    """
    prior = terms.prior
    D = len(prior.lower)
    u = rng.random((count, 1 + 2 * D))
    if terms.bank is not UNSET:
        at = np.minimum((u[:, 0] * len(terms.bank.rows)).astype(int), len(terms.bank.rows) - 1)
        moved = terms.bank.poses[at] + (2 * u[:, 1 : 1 + D] - 1) * np.array(terms.bank.jitter)
        q = np.clip(moved, prior.lower, np.nextafter(prior.upper, -np.inf))
        return q, prior.bin_of(q)
    ends = np.cumsum(prior.marginal, axis=1)
    k = np.stack(
        [np.searchsorted(ends[d], u[:, 1 + d] * ends[d, -1], side="right") for d in range(D)], 1
    )
    k = np.minimum(k, prior.bins - 1)
    width = (prior.upper - prior.lower) / prior.bins
    q = prior.lower + (k + u[:, 1 + D :]) * width
    return np.minimum(q, np.nextafter(prior.lower + (k + 1) * width, -np.inf)), k
