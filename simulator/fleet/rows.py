"""How each worker stands, as rows: from a fleet's places, from what a trainer knows, or both."""

import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from simulator.fleet.ends import End, Reason
from simulator.fleet.member import Member

if TYPE_CHECKING:
    from simulator.transport import Worker

WINDOW_S = 30.0
"""Of which a rate is the mean."""
VANISHED = "ended without a goodbye"
"""Of a worker elsewhere."""


class State(StrEnum):
    """What a worker does."""

    STARTING = "starting"
    """Its process has not delivered yet."""
    WAITING = "waiting"
    """It has no trainer."""
    WORKING = "working"
    """It has delivered."""
    PAUSED = "paused"
    """Its process ended; another is about to take its place."""
    LOST = "lost"
    """It was started elsewhere, and ended without a goodbye."""
    ENDED = "ended"
    """It is done."""
    GIVEN_UP = "given up"
    """It could not work, and is not started again."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One worker at one moment."""

    worker: int
    """Its id."""
    state: State
    samples: int
    """That arrived at the trainer; without one, that it made."""
    rate: float | None = None
    """Samples a second over the last half minute; None so long as that cannot be told."""
    prior_version: int | None = None
    """That it draws from, where priors change."""
    prior_age: float | None = None
    """Since it was told so [s]."""
    rss: int | None = None
    """Resident memory [bytes]."""
    restarts: int = 0
    """Processes that took its place before."""
    last_error: str = ""
    """Why the last of them ended that should not have: a `Reason`, and more."""

    def to_json(self) -> dict[str, Any]:
        """As plain values under the fields' names, to three digits after the point."""
        plain = asdict(self).items()
        return {k: round(v, 3) if isinstance(v, float) else v for k, v in plain}


def of_fleet(members: Iterable[Member]) -> list[Row]:
    """Rows of the places of a fleet."""
    return [_of_member(member) for member in members]


def of_run(workers: Mapping[int, "Worker"], members: Sequence[Member] = ()) -> list[Row]:
    """Rows of a trainer's workers, and of those that it starts itself.

    Args:
        workers: that it let in, by id.
        members: places of its own fleet, if it has one.
    """
    own = {bytes.fromhex(member.slot): _of_member(member) for member in members}
    rows = [_of_worker(worker, own.pop(worker.slot, None)) for worker in workers.values()]
    return sorted([*rows, *own.values()], key=lambda row: row.worker)


def _of_member(member: Member) -> Row:
    return Row(
        worker=member.number,
        state=_state(member),
        samples=member.made,
        prior_version=member.status and member.status.prior,
        rss=member.status and member.status.rss,
        restarts=max(member.starts - 1, 0),
        last_error=str(member.last_error or ""),
    )


def _state(member: Member) -> State:
    if member.retired:
        return State.GIVEN_UP
    if member.process is None:
        return State.ENDED if member.ended else State.PAUSED
    if member.delivered:
        return State.WORKING
    return State.WAITING if member.alone and not member.joined else State.STARTING


def _of_worker(worker: "Worker", own: Row | None) -> Row:
    """A trainer's worker; its fleet, where that is known, knows better how it stands."""
    known = own or Row(
        worker=worker.id,
        state=State.LOST if worker.died else State.ENDED,
        samples=0,
        restarts=worker.restarts,
        last_error=str(End(worker.id, Reason.CONNECTION, VANISHED))
        if worker.died
        else worker.last_error,
    )
    if worker.alive and not own:
        known = replace(known, state=State.WORKING if worker.sequence else State.STARTING)
    return replace(
        known,
        worker=worker.id,
        samples=worker.received,
        prior_version=worker.prior_version,
        rss=worker.rss or known.rss,
    )


class Pace:
    """Adds what only time tells: rates, and ages of priors."""

    def __init__(self) -> None:
        self._made: dict[int, deque[tuple[float, int]]] = {}
        self._told: dict[int, tuple[int, float]] = {}

    def timed(self, rows: Iterable[Row]) -> list[Row]:
        """The rows, now, with rates and ages."""
        now = time.monotonic()
        return [
            replace(row, rate=self._rate(row, now), prior_age=self._age(row, now)) for row in rows
        ]

    def _rate(self, row: Row, now: float) -> float | None:
        made = self._made.setdefault(row.worker, deque())
        made.append((now, row.samples))
        while len(made) > 2 and now - made[1][0] >= WINDOW_S:
            made.popleft()
        since, before = made[0]
        return (row.samples - before) / (now - since) if now > since else None

    def _age(self, row: Row, now: float) -> float | None:
        if (version := row.prior_version) is None:
            self._told.pop(row.worker, None)
            return None
        if self._told.get(row.worker, (None,))[0] != version:
            self._told[row.worker] = version, now
        return now - self._told[row.worker][1]
