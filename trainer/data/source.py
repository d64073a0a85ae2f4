"""Where the loop's samples come from and where its priors go: simulators, or a recording."""

from dataclasses import dataclass
from typing import Any, Protocol

from jointloop.common.errors import JointloopError
from simulator.randomization.assignment import Assignment
from simulator.sample import Sample
from trainer.batch import Batch


class SourceError(JointloopError):
    """No samples come, or none that a run can use."""


@dataclass
class SourceCounts:
    """What a source gave so far; grows over a run."""

    consumed: int = 0
    """Samples handed to the learner, reused ones included."""
    new: int = 0
    """Different samples among them."""
    waited: float = 0.0
    """Seconds training waited for samples."""


class Source(Protocol):
    """What `LiveSource` and `RecordedSource` have in common."""

    counts: SourceCounts

    def hold(self, count: int, terms: Assignment) -> list[Sample]:
        """Held-out samples that are drawn by these terms."""
        ...

    def send(self, terms: Assignment) -> None:
        """Draw training samples by these terms from now on."""
        ...

    def batch(self, size: int) -> Batch:
        """The next training batch."""
        ...

    def note(self) -> str:
        """What a user should know of the samples since the last epoch; may be empty."""
        ...

    def traffic(self) -> dict[str, Any]:
        """What came of the samples, as plain numbers for the run's metrics."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs, as plain values."""
        ...

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        ...
