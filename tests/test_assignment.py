"""Laws of assignments: plain numbers give their prior back exactly, or are refused."""

import msgspec
import numpy as np
import pytest
from simulator_parts import FIRST, ROBOT, SETTINGS, prior

from simulator.randomization.assignment import Assignment
from simulator.randomization.prior import PriorError

JOINTS, BINS = ROBOT.lower.size, SETTINGS.bins


@pytest.mark.parametrize("form", [msgspec.json, msgspec.msgpack], ids=["json", "msgpack"])
def test_an_assignment_comes_back_exactly(form):
    sent = Assignment.of(prior(3), "heldout")
    got = form.decode(form.encode(sent), type=Assignment).check(JOINTS, BINS)
    assert got == sent
    assert (got.split, got.prior.version) == ("heldout", 3)
    for name in ("alpha", "lower", "upper"):
        np.testing.assert_array_equal(getattr(got.prior, name), getattr(prior(3), name))


def test_a_prior_is_made_once():
    assert FIRST.prior is FIRST.prior


@pytest.mark.parametrize(
    "changes",
    [
        {"alpha": ((1.0, 1.0),) * 6},
        {"alpha": ((1.0,) * 16,) * 5},
        {"alpha": (*((1.0,) * 16,) * 5, (1.0,) * 15)},
        {"alpha": ((-1.0,) * 16,) * 6},
        {"alpha": ((float("nan"),) * 16,) * 6},
        {"lower": (0.0,) * 5},
        {"upper": (-9.0,) * 6},
    ],
)
def test_numbers_that_are_no_prior_are_refused(changes: dict[str, object]):
    broken = msgspec.structs.replace(FIRST, **changes)
    with pytest.raises(PriorError, match="prior: ") as caught:
        broken.check(JOINTS, BINS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changes", [{"alpha": [[1.0]] * 6}, {"alpha": [[1.0] * 257] * 6}, {"lower": [0.0] * 65},
                {"version": -1}, {"split": "test"}],
)  # fmt: skip
def test_lengths_and_names_are_bounded(changes: dict[str, object]):
    plain = msgspec.to_builtins(FIRST) | changes
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(plain, Assignment)
