"""Training samples from a recording, in place of simulators.

With feedback on, batches are drawn from the pool by the current prior: importance resampling by
bins. As in a fleet, a share of the draws stays with the prior that the run began with. With
feedback off, every sample is used once before any is used again.

What a batch holds follows from the seed, the prior and the number of samples handed out before, so
a resumed run goes on exactly where it was.
"""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from jointloop.common.difference import difference
from jointloop.common.draws import random_source
from simulator.labels import OUTSIDE, belief_map
from simulator.randomization.assignment import Assignment
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings
from simulator.recordings.recording import Recording
from simulator.sample import Sample
from simulator.transport.delivery import Delivery
from trainer.batch import Batch, stack
from trainer.config.augmentation import AugmentConfig
from trainer.config.config import Config, ConfigError, StreamConfig
from trainer.data.pool import Pool
from trainer.data.resampling import effective, systematic
from trainer.data.source import SourceCounts, SourceError

DRAWS = 0x706F6F6C
"""Stream of the pool's random numbers."""


class RecordedSource:
    """A recording's samples as the loop's source.

    The held-out set is the recording's own; one without any gives its first samples, which are
    then kept from training.

    Args:
        recordings: their complete shards are used; the first one's settings are the run's.
        settings: of the run's samples; stride and sigma of its belief maps.
        stream: how many samples are held out, and which share follows the prior.
        prior: the one the run begins with.
        batch_size: the least to train on.
        seed: of the order of samples.
        follows: whether batches follow the prior; if not, samples come in passes.
        say: takes a line for the user.

    Raises:
        SourceError: the recording is not the run's, or holds too few samples.
        RecordingError: a shard is damaged.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        settings: SampleSettings,
        stream: StreamConfig,
        prior: JointPrior,
        *,
        batch_size: int = 1,
        seed: int = 0,
        follows: bool = True,
        say: Callable[[str], None] = print,
    ) -> None:
        recording = recordings[0]
        if other := difference(_settings_of(recording, settings), settings):
            name, found, wanted = other
            raise SourceError(
                f"{recording.folder} was recorded with {name} {found}; the run has {wanted}"
            )
        self.counts = SourceCounts()
        self._settings, self._seed, self._follows = settings, seed, follows
        if follows and any(one.about.assignment.bank is not UNSET for one in recordings):
            self._follows = False
            say("note: its poses are logged ones, which follow no prior; samples come in passes")
        self._share, self._first = stream.adaptive_share, prior
        self._pool = Pool(recordings, stream.held_out)
        self.poses = self._pool.poses
        if len(self._pool) < batch_size:
            raise SourceError(
                f"{self._pool.folder} has {len(self._pool)} training samples beside "
                f"{len(self._pool.held)} held-out ones; expected at least a batch of "
                f"{batch_size}"
            )
        self._seen = np.zeros(len(self._pool), bool)
        self._weights: NDArray[np.float64] | None = None
        self._uniform = np.ones(len(self._pool))
        """What makes a draw stand for uniform poses."""
        self._effective = self._effective_adaptive = float(len(self._pool))
        self._readers = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
        self._tell(say)

    def close(self) -> None:
        """End the threads that read."""
        self._readers.shutdown()

    def hold(self, count: int, terms: Assignment) -> list[Sample]:
        """The held-out set: at most `count` samples; they were drawn when they were recorded."""
        return list(self._readers.map(self._sample, self._pool.held[:count]))

    def send(self, terms: Assignment) -> None:
        """Draw training samples as if they came from the terms' prior from now on."""
        if not self._follows:
            return
        adaptive, uniform = self._pool.weights(terms.prior), self._pool.weights(self._first)
        weights = self._share * adaptive + (1 - self._share) * uniform
        self._weights, self._effective = weights, effective(weights)
        self._uniform = uniform / weights
        self._effective_adaptive = effective(adaptive)

    def batch(self, size: int) -> Batch:
        """The next training batch."""
        started = time.monotonic()
        if self._weights is None:
            chosen = self._in_turn(size)
        else:
            chosen = systematic(self._weights, size, self._random(self.counts.consumed))
        samples = list(self._readers.map(self._sample, self._pool.training[chosen]))
        self._seen[chosen] = True
        self.counts.new = int(self._seen.sum())
        self.counts.consumed += size
        self.counts.waited += time.monotonic() - started
        return replace(stack(samples), uniform=self._uniform[chosen])

    def note(self) -> str:
        """The effective sample size, in words."""
        if self._weights is None:
            return ""
        return f"pool worth {self._effective:.0f} of {len(self._pool)} samples"

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs, as plain values."""
        seen = np.flatnonzero(self._seen).tolist()
        return {"counts": asdict(self.counts), "samples": len(self._pool), "seen": seen}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`.

        Raises:
            SourceError: the recording is not what it was.
        """
        if state["samples"] != len(self._pool):
            raise SourceError(
                f"{self._pool.folder} has {len(self._pool)} training samples; the run began "
                f"with {state['samples']}{self._lack()}"
            )
        self.counts = SourceCounts(**state["counts"])
        self._seen[state["seen"]] = True

    def traffic(self) -> dict[str, Any]:
        """What came of the samples, as plain numbers for the run's metrics."""
        return {
            "samples_rendered": 0,
            "samples_received": len(self._pool) + len(self._pool.held),
            "samples_consumed": self.counts.consumed,
            "samples_new": self.counts.new,
            "delivery": Delivery().to_json(),
            "workers": {},
            "pool": {
                "samples": len(self._pool),
                "effective": round(self._effective, 1),
                "effective_adaptive": round(self._effective_adaptive, 1),
            },
            **self.poses.traffic(),
        }

    def _in_turn(self, size: int) -> NDArray[np.int64]:
        """The next samples of endless passes through the pool, each in an order of its own."""
        count, start = len(self._pool), self.counts.consumed
        passes = range(start // count, (start + size - 1) // count + 1)
        order = np.concatenate([self._random(number).permutation(count) for number in passes])
        return order[start % count :][:size]

    def _random(self, number: int) -> np.random.Generator:
        return random_source(self._seed, DRAWS, number)

    def _sample(self, place: int) -> Sample:
        """One sample, with a belief map of the run's stride and sigma."""
        image, mask, entry = self._pool.load(place)
        settings, labels = self._settings, entry.labels
        belief = belief_map(
            labels.pixels,
            labels.visibility > OUTSIDE,
            settings.width,
            settings.height,
            settings.stride,
            settings.sigma,
        )
        return Sample(image, mask, belief, labels, entry.hidden)

    def _lack(self) -> str:
        """Shards that are missing, for errors."""
        names = [path.name for path in self._pool.missing]
        return f"; it lacks {', '.join(names)}" if names else ""

    def _tell(self, say: Callable[[str], None]) -> None:
        pool, count = self._pool, len(self._pool.missing)
        shards = sum(len(recording.shards) for recording in pool.recordings)
        partly = f"; {count} of {shards} shards are missing" if count else ""
        trained = f"{len(pool)} samples to train on"
        say(f"{pool.folder}: {trained}, {len(pool.held)} held out{partly}")
        if not pool.holds_out:
            say(
                "note: the recording holds no sample out; its first ones are, though their "
                "backgrounds are trained on too"
            )


def recorded(config: Config, recording: Recording) -> Config:
    """A config whose samples are a recording's; stride and sigma remain its own.

    Raises:
        SourceError: the network does not take such images.
    """
    try:
        return replace(config, settings=_settings_of(recording, config.settings))
    except ConfigError as error:
        raise SourceError(
            f"{recording.folder} does not fit: {error}; give that as --input-size, or record anew"
        ) from None


def check_masks(recording: Recording, augment: AugmentConfig) -> None:
    """Refuse a recording without masks where augmentation needs them.

    Raises:
        SourceError: it does.
    """
    if augment.background and not recording.masks:
        raise SourceError(
            f"{recording.folder} holds no masks, which augmentation needs to replace "
            f"backgrounds (augment.background is {augment.background}); expected 0, "
            "such as --augment light, or a recording made anew"
        )


def _settings_of(recording: Recording, own: SampleSettings) -> SampleSettings:
    """Settings of a recording's samples, with a run's own belief maps."""
    return replace(recording.about.settings, stride=own.stride, sigma=own.sigma)
