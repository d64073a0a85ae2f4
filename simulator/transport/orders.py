"""Which samples a run wants, each by its worker id and index. No sockets.

Every index of every worker id is ordered once, with the prior that is the newest then. What does
not arrive is ordered again, with that same prior and from whoever has room, so that it comes out
identical; after `MAX_TRIES` it is given up, with the reason. A run that wants the newest samples
orders nothing twice.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from simulator.randomization.assignment import Assignment, Promise

MAX_TRIES = 5
"""Times that one sample is lost before it is given up."""
SUSPECT = 2
"""Times after which it may be at fault itself."""
Key = tuple[int, int]
"""Worker id and index."""


@dataclass(frozen=True)
class Order:
    """One sample that a simulator is to make."""

    worker: int
    """Whose sample it is, whoever makes it."""
    index: int
    terms: Assignment
    """What it is drawn from."""

    @property
    def key(self) -> Key:
        """Names the sample within its run."""
        return self.worker, self.index


@dataclass(frozen=True)
class Standing:
    """Where a run's orders stand: what a later sitting goes on from."""

    next_index: Mapping[int, int] = field(default_factory=dict)
    """First index of each worker id that was never ordered."""
    wanted: tuple[Order, ...] = ()
    """What was ordered and is still to be used."""
    missing: Mapping[Key, str] = field(default_factory=dict)
    """What was given up, and why."""

    def to_plain(self) -> dict[str, Any]:
        """As plain values; `of_plain` reads them back."""
        terms: list[Assignment] = []
        for order in self.wanted:
            if order.terms not in terms:
                terms.append(order.terms)
        return {
            "next_index": dict(self.next_index),
            "wanted": [[o.worker, o.index, terms.index(o.terms)] for o in self.wanted],
            "terms": msgspec.to_builtins(terms),
            "missing": [[*key, why] for key, why in self.missing.items()],
        }

    @staticmethod
    def of_plain(plain: Mapping[str, Any]) -> "Standing":
        """What `to_plain` made; older runs have no more than their indices."""
        terms = msgspec.convert(plain.get("terms", []), list[Assignment])
        return Standing(
            dict(plain["next_index"]),
            tuple(Order(worker, i, terms[t]) for worker, i, t in plain.get("wanted", ())),
            {(worker, index): why for worker, index, why in plain.get("missing", ())},
        )


def is_adaptive(worker: int, share: float) -> bool:
    """Whether a worker follows the prior: spreads that share evenly over the ids."""
    return math.floor((worker + 1) * share) > math.floor(worker * share)


class Orders:
    """The orders of one run.

    Args:
        first: terms; training samples of worker ids that are not adaptive keep its prior.
        share: of the worker ids that are adaptive.
        promise: whether what is lost is ordered again.
        standing: where the sitting before left them.
    """

    def __init__(
        self,
        first: Assignment,
        share: float,
        promise: Promise = "complete",
        standing: Standing | None = None,
    ) -> None:
        standing = standing or Standing()
        self.promise: Promise = promise
        self.newest = first
        """What adaptive worker ids are to be drawn from."""
        self.missing = dict(standing.missing)
        self._uniform = first
        self._share = share
        self._next = dict(standing.next_index)
        self._again = {order.key: self._bound(order) for order in standing.wanted}
        self._tries: Counter[Key] = Counter()

    def follows(self, worker: int) -> bool:
        """Whether samples of that worker id follow the prior."""
        return is_adaptive(worker, self._share)

    def terms_of(self, worker: int) -> Assignment:
        """What a new sample of that worker id is drawn from."""
        all_alike = self.newest.split == "heldout"
        return self.newest if all_alike or self.follows(worker) else self._uniform

    def assign(self, newest: Assignment) -> None:
        """What is ordered from now on is drawn from this."""
        self.newest = newest
        self._uniform = msgspec.structs.replace(self._uniform, split=newest.split)
        self._again = {key: self._bound(order) for key, order in self._again.items()}

    def issue(self, worker: int, count: int, *, proven: bool) -> list[Order]:
        """The next orders for the holder of a worker id: what is lost first, its own before others.

        Args:
            worker: the id.
            count: of orders.
            proven: whether its process has delivered something. Others get nothing suspect: a
                sample that no process survives must not keep fresh ones from work.
        """
        lost = [key for key in self._again if proven or self._tries[key] < SUSPECT]
        lost.sort(key=lambda key: (key[0] != worker, key))
        orders = [self._again.pop(key) for key in lost[:count]]
        begin = self._next.get(worker, 0)
        end = begin + count - len(orders)
        self._next[worker] = end
        return orders + [Order(worker, i, self.terms_of(worker)) for i in range(begin, end)]

    def lose(self, orders: Iterable[Order], blamed: int, why: str) -> int:
        """These do not come; order them again, or give them up.

        Args:
            orders: in the order in which they were to be made.
            blamed: so many of the first may be at fault themselves.
            why: as it is told of one that is given up.

        Returns:
            How many are ordered again.
        """
        if self.promise == "latest":
            return 0
        again = 0
        for place, order in enumerate(orders):
            self._tries[order.key] += place < blamed
            if self._tries[order.key] < MAX_TRIES:
                self._again[order.key] = self._bound(order)
                again += 1
            else:
                self.missing[order.key] = f"given up after {MAX_TRIES} tries: {why}"
        return again

    def arrived(self, order: Order) -> None:
        """It is here: nothing is held against it."""
        self._tries.pop(order.key, None)

    def standing(self, under_way: Iterable[Order]) -> Standing:
        """Where the orders stand.

        Args:
            under_way: orders that simulators have got and that have not arrived.
        """
        wanted = () if self.promise == "latest" else (*self._again.values(), *under_way)
        ordered = sorted(wanted, key=lambda order: order.key)
        return Standing(dict(self._next), tuple(ordered), dict(self.missing))

    def _bound(self, order: Order) -> Order:
        """With its own terms, unless these are over: each held-out set has one kind."""
        if order.terms.split == self.newest.split == "train":
            return order
        return replace(order, terms=self.terms_of(order.worker))
