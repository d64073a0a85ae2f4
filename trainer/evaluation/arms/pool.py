"""Images of a recording for comparisons: a pool that every half is drawn from.

A fifth of the pool is what arms are judged on, a fifth what rules look at; what is trained on is
drawn from the rest, weighed to come from the wanted prior, as `train --from` does.
"""

from dataclasses import fields
from typing import Any

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from jointloop.common.draws import random_source
from simulator.randomization.assignment import Assignment
from simulator.randomization.prior import JointPrior
from simulator.recordings.recording import Recording
from trainer.batch import Batch, join, stack
from trainer.config.config import Config, StreamConfig
from trainer.data.recorded import RecordedSource
from trainer.data.resampling import importance, systematic
from trainer.evaluation.arms.study import StudyError
from trainer.evaluation.arms.target import Target
from trainer.evaluation.arms.worlds import HALVES, POSES, Half, Judging, numbers

APART = 0x61706172
"""Stream of the numbers that part the pool."""
SHARE = 0.2
"""Of the pool, for judging and for looking each."""
LEAST = 500
"""Samples of the smallest pool."""


class PoolWorld(Judging):
    """A recording's samples.

    Args:
        config: of the trainings.
        recording: its samples, held-out ones too, are the pool.
        target: what arms are judged on.
        prior: the uniform one.
        held_out: samples that rules look at.
        test: samples that arms are judged on.
        seed: of all draws.

    Raises:
        StudyError: the recording is too small, or of logged poses.
        JointloopError: it cannot be read.
    """

    def __init__(
        self,
        config: Config,
        recording: Recording,
        target: Target,
        prior: JointPrior,
        held_out: int,
        test: int,
        seed: int,
    ) -> None:
        about = recording.about
        if about.assignment.bank is not UNSET or about.held_out_assignment is not UNSET:
            raise StudyError(
                f"{recording.folder} holds expected poses; arms are compared on a recording of "
                "uniform ones"
            )
        super().__init__(target, prior, held_out, test, seed)
        self._recorded = about.assignment.prior
        self._pool = _all_of(config, recording, prior)
        if len(self._pool) < LEAST:
            raise StudyError(
                f"{recording.folder} holds {len(self._pool)} samples; expected at least {LEAST}"
            )
        order = random_source(seed, APART).permutation(len(self._pool))
        apart = round(SHARE * len(order))
        self._parts = {"test": order[:apart], "held_out": order[apart : 2 * apart]}
        self._training = order[2 * apart :]

    def draw(self, pair: int, half: Half, epoch: int, count: int, terms: Assignment) -> Batch:
        """See `World`."""
        if terms.bank is not UNSET:
            raise StudyError("arm poses draws poses that no recording holds; leave it out")
        ends = np.cumsum(self._weights(self._training, terms.prior))
        u = numbers(self._seed, POSES, pair, half, epoch).random(count)
        at = np.minimum(np.searchsorted(ends, u * ends[-1], side="right"), len(ends) - 1)
        return _chosen(self._pool, self._training[at])

    def elsewhere(self) -> Batch | None:
        """See `World`."""
        return None if self._target.expected is None else self._judging(1, "test", None)

    def _judging(self, pair: int, half: Half, log: NDArray[np.float64] | None) -> Batch:
        wanted, part = self._prior, self._parts[half]
        if log is not None:  # the pool has none of its poses: as if by its bins
            bins = wanted.bin_of(log)
            wanted = wanted.updated([np.bincount(row, minlength=wanted.bins) for row in bins.T])
        rng = random_source(self._seed, APART, 1 + pair, HALVES.index(half))
        chosen = systematic(self._weights(part, wanted), self._counts[half], rng)
        return _chosen(self._pool, part[chosen])

    def _weights(self, part: NDArray[np.int64], wanted: JointPrior) -> NDArray[np.float64]:
        return importance(self._pool.bins[part], wanted, self._recorded)


def _all_of(config: Config, recording: Recording, prior: JointPrior) -> Batch:
    """All samples of a recording in memory, in an order of their own."""
    stream = StreamConfig(held_out=recording.about.samples, buffer=config.batch_size)
    source = RecordedSource(
        [recording], config.settings, stream, prior, follows=False, say=lambda line: None
    )
    try:
        training = source.batch(source.traffic()["pool"]["samples"])
        held = source.hold(recording.about.samples, Assignment.of(prior, "heldout"))
        return join([training, stack(held)])
    finally:
        source.close()


def _chosen(pool: Batch, at: NDArray[np.int64]) -> Batch:
    def some(name: str) -> Any:
        return getattr(pool, name)[at]

    return Batch(*(some(field.name) for field in fields(Batch)))
