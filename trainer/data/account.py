"""Which samples an epoch was trained on, by worker id and index, and how old their priors were."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jointloop.common.ranges import in_ranges, of_ranges
from simulator.randomization.hidden import Provenance
from simulator.transport import Standing
from trainer.data.source import SourceError

Indices = dict[int, set[int]]
"""By worker id."""


@dataclass
class Staleness:
    """How old the priors were that samples came from, when these were used first.

    Of samples that follow the prior; those that stay uniform do so on purpose. A sample of the
    newest prior is not stale; others are since a newer one was sent.
    """

    samples: int = 0
    stale: int = 0
    """Those that were not of the newest prior."""
    versions: int = 0
    """Behind the newest, in all."""
    versions_max: int = 0
    seconds: float = 0.0
    """Since a newer one was sent, in all."""
    seconds_max: float = 0.0

    def add(self, versions: int, seconds: float) -> None:
        """Count one sample."""
        self.samples += 1
        self.stale += versions > 0
        self.versions += versions
        self.seconds += seconds
        self.versions_max = max(self.versions_max, versions)
        self.seconds_max = max(self.seconds_max, seconds)

    def to_json(self) -> dict[str, Any]:
        """As plain numbers, with means over all samples."""
        count = max(self.samples, 1)
        return {
            "samples": self.samples,
            "stale": self.stale,
            "versions_mean": self.versions / count,
            "versions_max": self.versions_max,
            "seconds_mean": self.seconds / count,
            "seconds_max": self.seconds_max,
        }


@dataclass
class Absence:
    """When no simulator was there, over a run."""

    times: int = 0
    """They all left."""
    consumed: int = 0
    """Samples trained on while none was there."""


class Account:
    """What became of samples, by index; epoch by epoch."""

    def __init__(self) -> None:
        self._aside: Indices = {}
        """Held out, or of a time when nobody counted."""
        self._sent: list[tuple[int, float]] = []
        """Every prior version of this sitting, and when it was sent first [s]."""
        self._used: Indices = {}
        self._staleness = Staleness()

    def begin(self, version: int) -> None:
        """An epoch begins, by a prior of that version."""
        self._used, self._staleness = {}, Staleness()
        if not self._sent or version > self._sent[-1][0]:
            self._sent.append((version, time.monotonic()))

    def hold(self, source: Provenance) -> None:
        """A sample is held out."""
        self._aside.setdefault(source.worker, set()).add(source.index)

    def use(self, source: Provenance, follows: bool) -> None:
        """A sample is trained on, the first time.

        Args:
            source: where it came from.
            follows: whether it was to follow the prior.
        """
        self._used.setdefault(source.worker, set()).add(source.index)
        newer = [sent for version, sent in self._sent if version > source.prior_version]
        if follows and self._sent:
            behind = max(self._sent[-1][0] - source.prior_version, 0)
            self._staleness.add(behind, time.monotonic() - newer[0] if newer else 0.0)

    def traffic(self, standing: Standing) -> dict[str, Any]:
        """The epoch so far, as plain values for the run's metrics.

        Args:
            standing: of the run's orders.
        """
        ahead: Indices = {}
        for order in standing.wanted:
            ahead.setdefault(order.worker, set()).add(order.index)
        return {
            "indices": {
                "trained": _told(self._used),
                "held_out": _told(self._aside),
                "ahead": _told(ahead),
                "ordered": dict(sorted(standing.next_index.items())),
                "missing": [
                    {"worker": worker, "index": index, "why": why}
                    for (worker, index), why in sorted(standing.missing.items())
                ],
            },
            "staleness": self._staleness.to_json(),
        }

    def state_dict(self) -> dict[int, str]:
        """What a resumed run needs, as plain values."""
        return _told(self._aside)

    def load_state(self, state: Mapping[int, str] | None, standing: Standing) -> None:
        """Go on from `state_dict`; of older runs, which have none, from where they stood."""
        if state is None:
            self._aside = {worker: set(range(n)) for worker, n in standing.next_index.items()}
        else:
            self._aside = {worker: of_ranges(text) for worker, text in state.items()}


def _told(indices: Indices) -> dict[int, str]:
    return {worker: in_ranges(numbers) for worker, numbers in sorted(indices.items())}


def standing_of(state: dict[str, Any]) -> Standing:
    """Where a run's orders stood, in a source's `state_dict`.

    Raises:
        SourceError: the run's samples came from a recording.
    """
    orders = state.get("orders", state)  # older runs have no more than indices
    if "next_index" not in orders:
        raise SourceError("the run began with a recording; go on with --from DIR")
    return Standing.of_plain(orders)
