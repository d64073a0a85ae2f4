"""Whether a run was trained on every sample that it ordered, once: as its metrics say."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jointloop.common.ranges import in_ranges, of_ranges
from simulator.transport.orders import Key

UNKNOWN = "nothing is known of it"


def account(rows: Sequence[Mapping[str, Any]], promise: str) -> dict[str, Any]:
    """What became of every index of every worker id.

    Args:
        rows: of metrics.jsonl, from the first epoch to the last.
        promise: of the run; where the newest count, what was lost or dropped is not listed.

    Returns:
        delivery, the promise; trained, held_out and ahead (ordered and not used when the run
        ended), each ranges of indices by worker id; doubled, trained on more than once, and
        missing, neither, each a list of samples.
    """
    last = rows[-1]["indices"]
    trained = Counter(key for row in rows for key in _keys(row.get("indices", {}).get("trained")))
    known = {key for name in ("held_out", "ahead") for key in _keys(last[name])}
    missing = list(last["missing"])
    if promise == "complete":
        ordered = {(int(w), i) for w, count in last["ordered"].items() for i in range(count)}
        told = {(entry["worker"], entry["index"]) for entry in missing}
        unknown = sorted(ordered - known - told - trained.keys())
        missing += [{"worker": w, "index": i, "why": UNKNOWN} for w, i in unknown]
    doubled = sorted(key for key, times in trained.items() if times > 1)
    return {
        "delivery": promise,
        "trained": _by_worker(trained),
        "held_out": last["held_out"],
        "ahead": last["ahead"],
        "doubled": [{"worker": w, "index": i, "times": trained[w, i]} for w, i in doubled],
        "missing": missing,
    }


def staleness(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How old the priors of a run's samples were; see `Staleness`."""
    told = [row["staleness"] for row in rows if "staleness" in row]
    samples = sum(each["samples"] for each in told)

    def mean(name: str) -> float:
        return sum(each[name] * each["samples"] for each in told) / max(samples, 1)

    return {
        "samples": samples,
        "stale": sum(each["stale"] for each in told),
        "versions_mean": mean("versions_mean"),
        "versions_max": max((each["versions_max"] for each in told), default=0),
        "seconds_mean": mean("seconds_mean"),
        "seconds_max": max((each["seconds_max"] for each in told), default=0.0),
    }


def _keys(told: Mapping[str, str] | None) -> Iterable[Key]:
    """Worker id and index of every sample in ranges by worker id, as JSON has them."""
    for worker, text in (told or {}).items():
        for index in sorted(of_ranges(text)):
            yield int(worker), index


def _by_worker(keys: Iterable[Key]) -> dict[str, str]:
    found: dict[int, set[int]] = {}
    for worker, index in keys:
        found.setdefault(worker, set()).add(index)
    return {str(worker): in_ranges(numbers) for worker, numbers in sorted(found.items())}
