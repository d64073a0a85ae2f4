"""Counts of what came of samples and workers."""

import logging
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from simulator.transport.messages import WireError

log = logging.getLogger(__name__)


@dataclass
class Delivery:
    """What became of the samples and the workers so far."""

    rendered: int = 0
    """As simulators say themselves."""
    received: int = 0
    lost: int = 0
    """Sent but never arrived whole, by gaps in the sequence numbers."""
    lost_with_worker: int = 0
    """Outstanding when a worker died."""
    again: int = 0
    """Of those lost in either way, what was ordered again."""
    dropped: int = 0
    """Arrived, but newer ones came before they were used; where the newest count."""
    duplicated: int = 0
    """Arrived twice or after a replacement took over; dropped."""
    stale: int = 0
    """Drawn from an older prior than the newest sent to their worker; kept."""
    rejected: dict[str, int] = field(default_factory=dict)
    """Messages that could not be used, by reason; dropped."""
    workers_joined: int = 0
    workers_lost: int = 0
    """Died or fell silent without a goodbye."""
    refused: int = 0
    """Simulators not let in."""

    def reject(self, error: WireError) -> None:
        """Count a bad message; the first of each kind is logged."""
        self.rejected[error.reason] = self.rejected.get(error.reason, 0) + 1
        if self.rejected[error.reason] == 1:
            log.warning("%s", error)

    def to_json(self) -> dict[str, Any]:
        """As plain numbers under the fields' names."""
        return asdict(self)

    def plus(self, other: "Delivery") -> "Delivery":
        """Both together, as of two starts of a run."""
        both = {f.name: getattr(self, f.name) for f in fields(self)}
        for name, value in both.items():
            if name != "rejected":
                both[name] = value + getattr(other, name)
        reasons = self.rejected.keys() | other.rejected.keys()
        both["rejected"] = {
            r: self.rejected.get(r, 0) + other.rejected.get(r, 0) for r in sorted(reasons)
        }
        return Delivery(**both)

    def copy(self) -> "Delivery":
        """The counts as they are now."""
        return replace(self, rejected=dict(self.rejected))
