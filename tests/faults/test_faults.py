"""A short version of `python tests/faults`: one fault of each kind on a real run."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from harm import FAULTS, Outcome, inject, reckon, recovery
from rig import Event, rig

SILENCE_S = 60.0
"""A busy machine takes its time to start a process."""
LONGEST_S = 400.0


@pytest.mark.timeout(1800)
def test_no_sample_is_lost_or_doubled_under_a_fault_of_each_kind(tmp_path: Path) -> None:
    with rig(tmp_path, workers=2, silence=SILENCE_S, seed=1) as under:
        outcomes = inject(under, len(FAULTS), 1, LONGEST_S, print)
        summary = under.finish()
    assert {outcome.fault for outcome in outcomes} == set(FAULTS)
    assert all(outcome.seconds is not None for outcome in outcomes)
    samples = reckon(under.events, summary)
    assert samples["expected"] == samples["delivered"] > 64
    for name in ("lost", "doubled", "different", "missing_by_the_run", "doubled_by_the_run"):
        assert samples[name] == 0, samples
    assert samples["made_again"] > 0
    assert summary["delivery"]["rejected"].get("digest", 0) == 1
    assert summary["delivery"]["duplicated"] >= 1


def events() -> Iterator[Event]:
    """Two sittings of one worker: the first is killed in its second epoch."""
    yield Event("sitting", 0.0, {"began": 0})
    for index, epoch, split in ((0, 0, "heldout"), (1, 1, "train"), (2, 2, "train")):
        yield used(index, epoch, split=split)
    yield Event("sitting", 1.0, {"began": 1})
    yield used(2, 2)
    yield used(3, 2)


def used(index: int, epoch: int, digest: str = "", split: str = "train") -> Event:
    about = {"key": [0, index], "epoch": epoch, "split": split, "digest": digest or str(index)}
    return Event("used", 0.0, about)


SUMMARY = {"indices": {"ahead": {"0": "4-5"}, "missing": [], "doubled": []}}


def test_what_an_unfinished_epoch_used_counts_when_it_is_used_again() -> None:
    found = reckon(list(events()), SUMMARY)
    assert (found["expected"], found["delivered"]) == (4, 4)
    assert (found["lost"], found["doubled"]) == (0, 0)
    assert (found["made_again"], found["different"]) == (1, 0)


def test_losses_doubles_and_differences_are_seen() -> None:
    wrong = [*events(), used(1, 3), used(7, 3), used(2, 4, digest="another")]
    found = reckon(wrong, SUMMARY)
    assert (found["lost"], found["doubled"], found["different"]) == (1, 2, 1)


def test_recovery_is_told_by_kind() -> None:
    cut, killed = "link cut", "worker killed"
    told = recovery(
        [Outcome(cut, 1.0), Outcome(cut, 4.0), Outcome(cut, 2.0), Outcome(killed, None)]
    )
    assert told[cut] == {"faults": 3, "median_seconds": 2.0, "max_seconds": 4.0, "not_recovered": 0}
    assert told[killed]["median_seconds"] is None
    assert told["all"]["not_recovered"] == 1
