"""What becomes of samples, told by index."""

from hypothesis import given
from hypothesis import strategies as st

from jointloop.common.ranges import in_ranges, of_ranges
from trainer.runs.indices import UNKNOWN, account, staleness


@given(numbers=st.sets(st.integers(0, 60)))
def test_sets_of_numbers_read_back_as_themselves(numbers: set[int]) -> None:
    text = in_ranges(numbers)
    assert of_ranges(text) == numbers
    assert text.count(",") < max(len(numbers), 1)


def test_ranges_are_short() -> None:
    assert in_ranges([4, 0, 1, 2, 4, 8, 9]) == "0-2, 4, 8-9"
    assert in_ranges([]) == ""


def row(trained: dict[int, set[int]], **last: object) -> dict:
    told = {str(worker): in_ranges(numbers) for worker, numbers in trained.items()}
    about = {"held_out": {}, "ahead": {}, "ordered": {}, "missing": []} | last
    return {"indices": {"trained": told} | about}


@given(
    fates=st.dictionaries(
        st.tuples(st.integers(0, 2), st.integers(0, 9)),
        st.sampled_from(["once", "twice", "held_out", "ahead", "missing", "unknown"]),
    )
)
def test_every_index_that_was_ordered_is_told_once(fates: dict[tuple[int, int], str]) -> None:
    def of(*kinds: str) -> dict[int, set[int]]:
        found: dict[int, set[int]] = {}
        for (worker, index), fate in fates.items():
            if fate in kinds:
                found.setdefault(worker, set()).add(index)
        return found

    def told(kind: str) -> dict[str, str]:
        return {str(worker): in_ranges(numbers) for worker, numbers in of(kind).items()}

    given_up = [
        {"worker": w, "index": i, "why": "it did not arrive"}
        for (w, i), fate in fates.items()
        if fate == "missing"
    ]
    ordered = {str(w): 10 for w in range(3)}
    last = row(
        of("twice"),
        held_out=told("held_out"),
        ahead=told("ahead"),
        ordered=ordered,
        missing=given_up,
    )
    whole = account([{"epoch": 0}, row(of("once", "twice")), last], "complete")
    doubled = {(d["worker"], d["index"]) for d in whole["doubled"]}
    missing = {(m["worker"], m["index"]): m["why"] for m in whole["missing"]}
    for worker in range(3):
        for index in range(10):
            fate = fates.get((worker, index), "unknown")
            trained = index in of_ranges(whole["trained"].get(str(worker), ""))
            assert trained == (fate in ("once", "twice"))
            assert ((worker, index) in doubled) == (fate == "twice")
            why = {"missing": "it did not arrive", "unknown": UNKNOWN}.get(fate)
            assert missing.get((worker, index)) == why
    assert account([last], "latest")["missing"] == given_up


def test_the_age_of_priors_is_a_mean_over_samples() -> None:
    def age(samples: int, versions: float, seconds: float) -> dict:
        return {
            "staleness": {
                "samples": samples,
                "stale": samples,
                "versions_mean": versions,
                "versions_max": versions,
                "seconds_mean": seconds,
                "seconds_max": seconds,
            }
        }

    whole = staleness([{}, age(1, 4, 8), age(3, 0, 0), age(0, 0, 0)])
    assert (whole["samples"], whole["stale"]) == (4, 4)
    assert (whole["versions_mean"], whole["versions_max"]) == (1, 4)
    assert (whole["seconds_mean"], whole["seconds_max"]) == (2, 8)
