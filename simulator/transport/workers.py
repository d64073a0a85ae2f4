"""Who works for a run, what each is still to send, and what came of it. No sockets.

Credits bound what is under way: a worker may be ahead of the trainer by `credits` samples, those it
was told to make (outstanding) and those the trainer has not used yet (held) together.
"""

import math
from collections.abc import Iterator
from itertools import count, groupby

import msgspec

from jointloop.common.settings import ConfigError
from simulator.randomization.assignment import Assignment
from simulator.randomization.settings import SampleSettings
from simulator.randomization.wishes import unlike
from simulator.transport.addresses import TransportError
from simulator.transport.codec import Received
from simulator.transport.delivery import Delivery
from simulator.transport.messages import (
    MAX_CREDITS,
    MAX_WORKERS,
    SCHEMA,
    Alive,
    Assign,
    Hello,
    Make,
    Refused,
    Welcome,
    WireError,
)
from simulator.transport.orders import Order, Orders, Standing
from simulator.transport.worker import Worker

MAX_REASON = 256
"""Of what a simulator said, in an answer [characters]."""
LATE_S = 2.0
"""What was on its way when a worker left may still arrive for so long."""


class Workers:
    """The workers of one run.

    Args:
        run: id of the run.
        settings: what it asks of its simulators.
        orders: of samples.
        credits: samples a worker may be ahead of the trainer.
        fingerprint: of the trainer's robot.
        expect: digest of the poses that the run expects, if any.

    Raises:
        TransportError: credits are out of their range.
    """

    def __init__(
        self,
        run: str,
        settings: SampleSettings,
        orders: Orders,
        credits: int,
        fingerprint: str = "",
        expect: str = "",
    ) -> None:
        if not 1 <= credits <= MAX_CREDITS:
            raise TransportError(f"credits is {credits}; expected 1 to {MAX_CREDITS}")
        self.by_id: dict[int, Worker] = {}
        """The holder, or last holder, of each id."""
        self.delivery = Delivery()
        self.limit: int | None = None
        """Samples received and outstanding in all, at most."""
        self.orders = orders
        self._run = run
        self._fingerprint, self._expect = fingerprint, expect
        self._settings = settings
        self._credits = credits
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
        terms = self.orders.terms_of(worker.id)
        self._tell(worker, terms)
        return Welcome(
            run=self._run,
            worker=worker.id,
            adaptive=worker.adaptive,
            settings=self._settings,
            data_port=data_port,
            assignment=terms,
            promise=self.orders.promise,
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
            self.release(former)
        worker = Worker(
            id=chosen,
            adaptive=self.orders.follows(chosen),
            peer=peer,
            instance=hello.instance,
            slot=hello.slot,
            last_seen=now,
            held=former.held if former else 0,
            received=former.received if former else 0,
            restarts=hello.restarts,
            last_error=hello.last_error,
        )
        self.by_id[chosen] = worker
        return worker

    def depart(self, worker: Worker, *, died: bool) -> None:
        """A worker left; what is still under way from it is taken until it is released."""
        if not worker.alive:
            return
        worker.alive, worker.died = False, died
        if died:
            self.delivery.workers_lost += 1
            self.delivery.lost_with_worker += worker.outstanding

    def release_late(self, now: float) -> None:
        """Order again what workers that left a while ago did not send."""
        for worker in self.by_id.values():
            if not worker.alive and worker.orders:
                worker.left = now if worker.left is None else worker.left
                if now - worker.left >= LATE_S:
                    self.release(worker)

    def release(self, worker: Worker) -> None:
        """Expect nothing more of a worker that left."""
        orders = worker.orders.values()
        why = "simulators died at it, the last as worker"
        again = self.orders.lose(orders, int(worker.died), f"{why} {worker.id}")
        self.delivery.again += again
        worker.orders = {}

    def assign(self, assignment: Assignment) -> None:
        """From now on, draw from this.

        Raises:
            TransportError: the prior is older than the newest.
        """
        version, newest = assignment.version, self.orders.newest.version
        if version < newest:
            raise TransportError(f"prior version {version} is older than {newest}, the newest")
        self.orders.assign(assignment)

    def assign_to(self, worker: Worker) -> Assignment | None:
        """What to tell a worker to draw from; None if that is what it does."""
        terms = self.orders.terms_of(worker.id)
        return terms if self._tell(worker, terms) else None

    def _tell(self, worker: Worker, terms: Assignment) -> bool:
        """Whether a worker has to be told these terms; counts as done."""
        if terms == worker.terms:
            return False
        worker.terms = terms
        worker.assigned.add((terms.version, terms.split))
        return True

    def grant(self, worker: Worker) -> list[Assign | Make]:
        """What to tell a worker to make, and from what; counts as told."""
        if not worker.alive:
            return []
        due = self._credits - worker.outstanding - worker.held
        if self.limit is not None:
            under_way = sum(other.outstanding for other in self.by_id.values())
            left = self.limit - self.delivery.received - under_way
            due = min(due, math.ceil(left / sum(1 for _ in self.alive())))  # to all alike
        orders = self.orders.issue(worker.id, max(0, due), proven=worker.sequence > 0)
        messages: list[Assign | Make] = []
        for terms, alike in groupby(orders, lambda order: order.terms):
            group = list(alike)
            if self._tell(worker, terms):
                messages.append(Assign(terms))
            messages.append(Make(tuple(order.key for order in group)))
            worker.orders |= dict(zip(count(worker.issued), group, strict=False))
            worker.issued += len(group)
        return messages

    def consumed(self, worker: int, count: int = 1) -> Worker:
        """The trainer has used up so many samples that a worker made.

        Raises:
            TransportError: it holds fewer of that worker.
        """
        used = self.by_id.get(worker)
        if used is None or used.held < count:
            raise TransportError(f"no sample of worker {worker} is held that could be consumed")
        used.held -= count
        return used

    def hear(self, worker: Worker, said: Alive) -> None:
        """A worker tells of itself."""
        self.delivery.rendered += max(0, said.rendered - worker.rendered)
        worker.rendered, worker.rss = said.rendered, said.rss

    def accept(self, received: Received, now: float) -> Received | None:
        """Enter a sample; None if it was a duplicate.

        Raises:
            WireError: it is none that was asked for.
        """
        source, sequence = received.sample.hidden.provenance, received.sequence
        worker = self._maker(received.instance)
        order = worker and worker.orders.get(sequence)
        if worker is None or (order is None and sequence < worker.issued):
            self.delivery.duplicated += 1
            return None
        if order is None:
            raise WireError("uncredited", f"sequence {sequence}, {worker.issued} credits")
        if (source.worker, source.index) != order.key:
            raise WireError("foreign", f"sample {source.worker}-{source.index} for {order.key}")
        drawn_from = (source.prior_version, source.split)
        terms = {(order.terms.version, order.terms.split)}
        asked = terms if self.orders.promise == "complete" else worker.assigned
        if source.seed != self._settings.seed or drawn_from not in asked:
            raise WireError("foreign", f"seed {source.seed}, prior and split {drawn_from}")
        self._settle(worker, sequence)
        return self._enter(worker, order, received, now)

    def settle(self, instance: bytes, published: int) -> None:
        """A process has published so many samples; order again what of them is not here.

        Raises:
            WireError: no such process works here.
        """
        if worker := self._maker(instance):
            self._settle(worker, min(published, worker.issued))

    def _maker(self, instance: bytes) -> Worker | None:
        """Who holds, or held last, an id as that process; None if it was replaced since."""
        for worker in self.by_id.values():
            if worker.instance == instance:
                return worker
        if instance not in self._past:
            raise WireError("foreign", "of a process that holds no worker id")
        return None

    def _settle(self, worker: Worker, published: int) -> None:
        gone = [n for n in range(worker.sequence, published) if n in worker.orders]
        lost = [worker.orders.pop(n) for n in gone]
        worker.sequence = max(worker.sequence, published)
        self.delivery.lost += len(lost)
        why = "it did not arrive, or could not be read"
        self.delivery.again += self.orders.lose(lost, len(lost), why)
        if worker.died:  # they were counted as lost with it
            self.delivery.lost_with_worker -= len(lost)

    def _enter(self, worker: Worker, order: Order, received: Received, now: float) -> Received:
        version = received.sample.hidden.provenance.prior_version
        self.delivery.received += 1
        self.delivery.stale += version < self.orders.terms_of(order.worker).version
        self.delivery.lost_with_worker -= worker.died  # it was, but had been sent
        self.orders.arrived(order)
        del worker.orders[received.sequence]
        worker.sequence = received.sequence + 1
        worker.last_seen = now
        worker.held += 1
        worker.received += 1
        return Received(received.sample, received.instance, received.sequence, worker.id, order)

    def standing(self) -> Standing:
        """Where the orders stand."""
        under_way = [order for worker in self.by_id.values() for order in worker.orders.values()]
        return self.orders.standing(under_way)
