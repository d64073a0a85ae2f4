"""What a trainer knows of one worker."""

from dataclasses import dataclass, field

from simulator.randomization.assignment import Assignment
from simulator.transport.orders import Order


@dataclass
class Worker:
    """One worker id and the process that holds it, or held it last."""

    id: int
    adaptive: bool
    peer: bytes
    """Address of its control connection."""
    instance: bytes
    slot: bytes
    last_seen: float
    """[s] of a monotonic clock."""
    alive: bool = True
    died: bool = False
    """Left without a goodbye."""
    left: float | None = None
    """When that was first looked at [s]."""
    issued: int = 0
    """Orders this process got in all."""
    orders: dict[int, Order] = field(default_factory=dict)
    """Those that have not arrived, by the sequence number that they will have."""
    sequence: int = 0
    """The next expected of this process."""
    held: int = 0
    """Made by this id and not yet consumed."""
    received: int = 0
    """From this id."""
    terms: Assignment | None = None
    """That it was told last."""
    rendered: int = 0
    """As it says itself."""
    rss: int = 0
    """Its resident memory [bytes]."""
    restarts: int = 0
    """Processes that took its place before, as it says itself."""
    last_error: str = ""
    """Why the last of them ended that should not have, likewise."""
    assigned: set[tuple[int, str]] = field(default_factory=set)
    """Prior version and split of all that it was told."""

    @property
    def prior_version(self) -> int:
        """Of the terms that it was told last."""
        return self.terms.version if self.terms else 0

    @property
    def outstanding(self) -> int:
        """Samples it is still to send."""
        return len(self.orders)
