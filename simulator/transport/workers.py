"""Who works for a run, what each may still send, and what came of it. No sockets.

Credits bound what is under way: a worker may be ahead of the trainer by `credits` samples, those it
has still to send (outstanding) and those the trainer has not used yet (held) together.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count

import msgspec

from jointloop.common.settings import ConfigError
from simulator.randomization.assignment import Assignment
from simulator.randomization.settings import SampleSettings
from simulator.randomization.wishes import unlike
from simulator.transport.addresses import TransportError
from simulator.transport.codec import Received
from simulator.transport.delivery import Delivery
from simulator.transport.messages import (
    MAX_WORKERS,
    SCHEMA,
    Hello,
    Refused,
    Welcome,
    WireError,
)

MAX_REASON = 256
"""Of what a simulator said, in an answer [characters]."""
MAX_CREDITS = 256
"""Far under the sockets' high-water mark, so that nothing is dropped on the way."""


@dataclass
class Worker:
    """One worker id and the process that holds it, or held it last."""

    id: int
    adaptive: bool
    peer: bytes
    """Address of its control connection."""
    instance: bytes
    slot: bytes
    first_index: int
    """Index of this process's first sample."""
    last_seen: float
    """[s] of a monotonic clock."""
    alive: bool = True
    died: bool = False
    """Left without a goodbye."""
    granted: int = 0
    """Credits this process got in all."""
    sequence: int = 0
    """The next expected of this process."""
    held: int = 0
    """Received from this id and not yet consumed."""
    received: int = 0
    """From this id."""
    newest: tuple[int, str] | None = None
    """Prior version and split of its latest assignment."""
    rendered: int = 0
    """As it says itself."""
    rss: int = 0
    """Its resident memory [bytes]."""
    assigned: set[tuple[int, str]] = field(default_factory=set)
    """Those of all its assignments."""

    @property
    def prior_version(self) -> int:
        """Newest sent to it."""
        return self.newest[0] if self.newest else 0

    @property
    def next_index(self) -> int:
        """One after the highest index received, or known to be lost."""
        return self.first_index + self.sequence

    @property
    def outstanding(self) -> int:
        """Samples it may still send."""
        return self.granted - self.sequence


def is_adaptive(worker: int, share: float) -> bool:
    """Whether a worker follows the prior: spreads that share evenly over the ids."""
    return math.floor((worker + 1) * share) > math.floor(worker * share)


class Workers:
    """The workers of one run.

    Args:
        run: id of the run.
        settings: what it asks of its simulators.
        assignment: the first one; training samples of workers that are not adaptive are drawn from
            its prior.
        credits: samples a worker may be ahead of the trainer.
        adaptive_share: of the workers.
        next_index: first index of each worker id; 0 where none is given.
        fingerprint: of the trainer's robot.
        expect: digest of the poses that the run expects, if any.

    Raises:
        TransportError: credits or share are out of their range.
    """

    def __init__(
        self,
        run: str,
        settings: SampleSettings,
        assignment: Assignment,
        credits: int,
        adaptive_share: float,
        next_index: Mapping[int, int],
        fingerprint: str = "",
        expect: str = "",
    ) -> None:
        if not 1 <= credits <= MAX_CREDITS:
            raise TransportError(f"credits is {credits}; expected 1 to {MAX_CREDITS}")
        if not 0 <= adaptive_share <= 1:
            raise TransportError(f"adaptive_share is {adaptive_share}; expected 0 to 1")
        self.by_id: dict[int, Worker] = {}
        """The holder, or last holder, of each id."""
        self.delivery = Delivery()
        self.limit: int | None = None
        """Samples received and outstanding in all, at most."""
        self._run = run
        self._fingerprint, self._expect = fingerprint, expect
        self._settings = settings
        self._first = assignment
        self._newest = assignment
        self._credits = credits
        self._share = adaptive_share
        self._next_index = dict(next_index)
        self._past: set[bytes] = set()

    def alive(self) -> Iterator[Worker]:
        """The workers that are there."""
        return (worker for worker in list(self.by_id.values()) if worker.alive)

    def by_peer(self, peer: bytes) -> Worker | None:
        """The worker at the other end of a control connection."""
        return next((worker for worker in self.alive() if worker.peer == peer), None)

    def admit(
        self, peer: bytes, hello: Hello, data_port: int, now: float
    ) -> Welcome | Refused | None:
        """Answer a hello; None if it was answered before."""
        known = self.by_peer(peer)
        if known is not None and known.instance == hello.instance:
            return None
        if reason := self._objection(hello):
            self.delivery.refused += 1
            return Refused(reason)
        if known is not None:  # one connection, one worker
            self.depart(known, died=True)
        for former in self.by_id.values():
            if former.slot == hello.slot:  # its fleet would not replace it if it lived
                self.depart(former, died=True)
                hello = msgspec.structs.replace(hello, worker=former.id)
        worker = self._enlist(peer, hello, now)
        self.delivery.workers_joined += 1
        assignment = self.assign_to(worker)
        return Welcome(
            run=self._run,
            worker=worker.id,
            adaptive=worker.adaptive,
            next_index=worker.next_index,
            settings=self._settings,
            data_port=data_port,
            credits=self.grant(worker),
            assignment=assignment or self._newest,
            fingerprint=self._fingerprint,
        )

    def _objection(self, hello: Hello) -> str | None:
        if hello.schema != SCHEMA:
            return (
                f"message schema {hello.schema}; this trainer speaks {SCHEMA}: "
                "install the same version of jointloop on both sides"
            )
        try:
            other = unlike(self._settings, hello.wanted, self._expect)
        except ConfigError as error:
            return str(error)[:MAX_REASON]
        if other:
            name, wanted, ours = (text[:MAX_REASON] for text in other)
            return f"{name} {wanted}; run {self._run!r} is for {name} {ours}"
        if sum(1 for _ in self.alive()) >= MAX_WORKERS:
            return f"{MAX_WORKERS} workers are there already"
        return None

    def _enlist(self, peer: bytes, hello: Hello, now: float) -> Worker:
        taken = {worker.id for worker in self.alive()}
        chosen = hello.worker
        if chosen is None or chosen in taken:
            chosen = next(i for i in count() if i not in taken)
        former = self.by_id.get(chosen)
        if former:
            self._past.add(former.instance)
        worker = Worker(
            id=chosen,
            adaptive=is_adaptive(chosen, self._share),
            peer=peer,
            instance=hello.instance,
            slot=hello.slot,
            first_index=former.next_index if former else self._next_index.get(chosen, 0),
            last_seen=now,
            held=former.held if former else 0,
            received=former.received if former else 0,
        )
        self.by_id[chosen] = worker
        return worker

    def depart(self, worker: Worker, *, died: bool) -> None:
        """A worker left; what is still under way from it is taken until it is replaced."""
        if not worker.alive:
            return
        worker.alive, worker.died = False, died
        if died:
            self.delivery.workers_lost += 1
            self.delivery.lost_with_worker += worker.outstanding

    def assign(self, assignment: Assignment) -> None:
        """From now on, draw from this.

        Raises:
            TransportError: the prior is older than the newest.
        """
        version, newest = assignment.version, self._newest.version
        if version < newest:
            raise TransportError(f"prior version {version} is older than {newest}, the newest")
        self._newest = assignment

    def assign_to(self, worker: Worker) -> Assignment | None:
        """What to tell a worker to draw from; None if that is what it does."""
        assignment = self._newest
        if not worker.adaptive and assignment.split == "train":  # what is held out all render
            assignment = msgspec.structs.replace(self._first, split="train")
        newest = (assignment.version, assignment.split)
        if newest == worker.newest:
            return None
        worker.newest = newest
        worker.assigned.add(newest)
        return assignment

    def grant(self, worker: Worker) -> int:
        """The number of credits that a worker is due now; counts as given."""
        if not worker.alive:
            return 0
        due = self._credits - worker.outstanding - worker.held
        if self.limit is not None:
            others = list(self.alive())
            under_way = sum(other.outstanding for other in others)
            left = self.limit - self.delivery.received - under_way
            due = min(due, math.ceil(left / len(others)))  # the last ones go to all alike
        due = max(0, due)
        worker.granted += due
        return due

    def consumed(self, worker: int) -> Worker:
        """The trainer has used up one sample of a worker.

        Raises:
            TransportError: it holds none of that worker.
        """
        used = self.by_id.get(worker)
        if used is None or used.held < 1:
            raise TransportError(f"no sample of worker {worker} is held that could be consumed")
        used.held -= 1
        return used

    def accept(self, received: Received, now: float) -> Received | None:
        """Enter a sample; None if it was a duplicate.

        Raises:
            WireError: it is none that was asked for.
        """
        source, instance = received.sample.hidden.provenance, received.instance
        worker = self.by_id.get(source.worker)
        if worker is None or worker.instance != instance:
            if instance not in self._past:
                raise WireError("foreign", f"worker {source.worker} is held by another process")
            self.delivery.duplicated += 1
            return None
        if source.index != worker.first_index + received.sequence:
            raise WireError("foreign", f"index {source.index} at sequence {received.sequence}")
        drawn_from = (source.prior_version, source.split)
        if source.seed != self._settings.seed or drawn_from not in worker.assigned:
            raise WireError("foreign", f"seed {source.seed}, prior and split {drawn_from}")
        if received.sequence < worker.sequence:
            self.delivery.duplicated += 1
            return None
        if received.sequence >= worker.granted:
            raise WireError("uncredited", f"sequence {received.sequence}, {worker.granted} credits")
        return self._enter(worker, received, now)

    def _enter(self, worker: Worker, received: Received, now: float) -> Received:
        delivery = self.delivery
        gap = received.sequence - worker.sequence
        delivery.lost += gap
        delivery.received += 1
        delivery.stale += received.sample.hidden.provenance.prior_version < worker.prior_version
        if worker.died:  # it was counted as lost, but had been sent
            delivery.lost_with_worker -= gap + 1
        worker.sequence = received.sequence + 1
        worker.last_seen = now
        worker.held += 1
        worker.received += 1
        return received
