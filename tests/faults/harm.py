"""Faults, done to a rig at random from a seed, and what became of the samples."""

import random
import signal
import statistics
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psutil
from rig import Event, Rig

from jointloop.common.ranges import of_ranges

PAUSE_S = 1.0
"""Longest pause between two faults."""
CUT_S = (0.5, 4.0)
"""How long a link is cut."""
BEGIN_S = 600.0
"""Longest wait for the run to begin."""
Key = tuple[int, int]
"""Worker id and index of a sample."""


@dataclass(frozen=True)
class Outcome:
    """A fault, and how long the run took to recover."""

    fault: str
    seconds: float | None
    """From the fault on; None if it did not recover."""


class _All:
    """Whether a sample has come from every worker, made by a process of its own choice."""

    def __init__(self, workers: set[int], since: float, not_by: str = "") -> None:
        self._left, self._since, self._not_by = set(workers), since, not_by

    def __call__(self, event: Event) -> bool:
        about = event.about
        late = event.event == "arrived" and event.time > self._since
        if late and about["instance"] != self._not_by:
            self._left.discard(about["maker"])
        return not self._left


def _kill_worker(rig: Rig, rng: random.Random) -> Callable[[Event], bool]:
    return _signalled(rig, rng.randrange(rig.workers), signal.SIGKILL)


def _stop_worker(rig: Rig, rng: random.Random) -> Callable[[Event], bool]:
    return _signalled(rig, rng.randrange(rig.workers), signal.SIGSTOP)


def _signalled(rig: Rig, id: int, number: signal.Signals) -> Callable[[Event], bool]:
    before = rig.instance(id)
    with suppress(psutil.NoSuchProcess):
        if process := rig.worker(id):
            process.send_signal(number)
    return _All({id}, time.time(), before)


def _kill_trainer(rig: Rig, rng: random.Random) -> Callable[[Event], bool]:
    rig.trainer.kill()
    rig.trainer.wait()
    rig.look()
    since = time.time()
    rig.trainer = rig.start_trainer()
    return _All(set(range(rig.workers)), since)


def _cut_link(rig: Rig, rng: random.Random) -> Callable[[Event], bool]:
    rig.relay.cut()
    time.sleep(rng.uniform(*CUT_S))
    rig.look()
    since = time.time()
    rig.relay.join()
    return _All(set(range(rig.workers)), since)


def _corrupt(rig: Rig, rng: random.Random) -> Callable[[Event], bool]:
    order = rig.relay.harm("corrupt")

    def arrived(event: Event) -> bool:
        return event.event == "arrived" and tuple(event.about["key"]) == order.key

    return arrived


def _duplicate(rig: Rig, rng: random.Random) -> Callable[[Event], bool]:
    order = rig.relay.harm("duplicate")
    since = time.time()

    def after(event: Event) -> bool:
        return order.done.is_set() and event.event == "arrived" and event.time > since

    return after


FAULTS: dict[str, tuple[Callable[[Rig, random.Random], Callable[[Event], bool]], int]] = {
    "worker killed": (_kill_worker, 30),
    "worker stopped": (_stop_worker, 10),
    "trainer killed, resumed": (_kill_trainer, 10),
    "link cut": (_cut_link, 15),
    "message corrupted": (_corrupt, 20),
    "message doubled": (_duplicate, 15),
}
"""How each is done, and how often among a hundred."""


def inject(
    rig: Rig, count: int, seed: int, longest: float, say: Callable[[str], None]
) -> list[Outcome]:
    """Wait until the run trains, then do it so many faults, each after the one before was mended.

    Args:
        rig: under faults.
        count: of faults.
        seed: of their choice and time.
        longest: wait for a recovery [s].
        say: takes a line for each.
    """
    rng = random.Random(seed)
    names, weights = list(FAULTS), [weight for _, weight in FAULTS.values()]
    chosen = rng.sample(names, min(count, len(names)))  # each kind once, first
    chosen += rng.choices(names, weights, k=count - len(chosen))
    rng.shuffle(chosen)
    if not rig.wait(lambda e: e.event == "used" and e.about["epoch"] > 1, BEGIN_S):
        raise RuntimeError(f"the run did not begin; see {rig.folder}")
    outcomes = []
    for number, name in enumerate(chosen, 1):
        time.sleep(rng.uniform(0, PAUSE_S))
        rig.look()
        began = time.monotonic()
        recovered = rig.wait(FAULTS[name][0](rig, rng), longest)
        seconds = time.monotonic() - began if recovered else None
        outcomes.append(Outcome(name, seconds))
        shown = "not recovered" if seconds is None else f"{seconds:.1f} s"
        say(f"{number} of {count}: {name}, {shown}")
    return outcomes


def reckon(events: list[Event], summary: dict[str, Any]) -> dict[str, Any]:
    """What became of the samples: by the trace, beside what the run says itself.

    Args:
        events: of all sittings.
        summary: of the run.

    Returns:
        Counts. expected: ordered, but not ahead of the run's end; delivered: those held out or
        trained on; lost and doubled; made_again: used in more sittings than one, the first of which
        came to nothing; different: among them, those that did not come out identical.
    """
    epochs: dict[int, list[Key]] = {}
    digests: dict[tuple[Key, str], set[str]] = {}
    times: Counter[tuple[Key, str]] = Counter()
    for event in events:
        if event.event == "sitting":  # what an unfinished epoch had done is done again
            epochs = {e: keys for e, keys in epochs.items() if e <= event.about["began"]}
        elif event.event == "used":
            key = (event.about["key"][0], event.about["key"][1])
            epochs.setdefault(event.about["epoch"], []).append(key)
            digests.setdefault((key, event.about["split"]), set()).add(event.about["digest"])
            times[key, event.about["split"]] += 1
    told = summary["indices"]
    used = Counter(key for keys in epochs.values() for key in keys)
    ahead = {(int(w), i) for w, text in told["ahead"].items() for i in of_ranges(text)}
    highest: dict[int, int] = {}
    for worker, index in used.keys() | ahead:
        highest[worker] = max(highest.get(worker, 0), index)
    ordered = {(w, i) for w, last in highest.items() for i in range(last + 1)}
    return {
        "expected": len(ordered - ahead),
        "delivered": len(used),
        "lost": len(ordered - ahead - used.keys()),
        "doubled": sum(n > 1 for n in used.values()),
        "made_again": sum(n > 1 for n in times.values()),
        "different": sum(len(found) > 1 for found in digests.values()),
        "missing_by_the_run": len(told["missing"]),
        "doubled_by_the_run": len(told["doubled"]),
    }


def recovery(outcomes: list[Outcome]) -> dict[str, dict[str, Any]]:
    """Seconds to recover, by kind of fault and over all."""
    kinds = {name: [o for o in outcomes if o.fault == name] for name in FAULTS}
    return {
        name: {
            "faults": len(those),
            "median_seconds": round(statistics.median(spent), 2) if spent else None,
            "max_seconds": round(max(spent), 2) if spent else None,
            "not_recovered": len(those) - len(spent),
        }
        for name, those in {**kinds, "all": outcomes}.items()
        for spent in [[o.seconds for o in those if o.seconds is not None]]
        if those
    }
