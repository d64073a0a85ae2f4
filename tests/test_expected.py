"""Expected poses: what a log says is drawn and judged, and nothing of it twice."""

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recording_parts import SMALL, description, recorded
from simulator_parts import hello

from jointloop.common.errors import JointloopError
from simulator.randomization import hidden
from simulator.randomization.assignment import Assignment
from simulator.randomization.bank import MAX_POSES, Bank
from simulator.randomization.expected import Expected, ExpectError, training_terms
from simulator.randomization.poses import PoseVariety
from simulator.randomization.prior import JointPrior, PriorError
from simulator.randomization.wishes import EXPECT
from simulator.recordings.pose_log import read_log
from simulator.recordings.recording import Recording
from simulator.recordings.replay import sample_of
from simulator.recordings.sample_files import decode
from simulator.recordings.shards import read
from simulator.robot import MAX_JOINTS, AnglesError, Robot
from simulator.transport import messages
from simulator.transport.messages import Refused, Welcome
from simulator.transport.orders import Orders
from simulator.transport.workers import Workers

UR10 = Robot.named("ur10")
UNIFORM = JointPrior.uniform(UR10.lower, UR10.upper, SMALL.bins)
NAMES = ",".join(UR10.angle_names)


def log(rows: int = 100, seed: int = 0) -> np.ndarray:
    """A walk of a robot that keeps to its workcell, (rows, 6) [rad]."""
    steps = np.random.default_rng(seed).normal(0, 0.03, (rows, 6))
    return np.clip(np.array([0.3, -1.2, 1.5, -1.7, -1.5, 0.0]) + steps.cumsum(axis=0), -3, 3)


def expected(rows: int = 100, **more) -> Expected:
    return Expected(log(rows), "log.csv", **more)


LOGS = st.builds(
    lambda rows, seed, jitter: Expected(log(rows, seed), "log", "poses", jitter),
    st.integers(10, 300),
    st.integers(0, 99),
    st.floats(0, 2),
)


@given(LOGS)
def test_no_row_is_both_drawn_from_and_held_out(one: Expected) -> None:
    prior = one.prior(UNIFORM)
    drawn, held = one.terms(prior).bank, one.held_out_terms(prior).bank
    assert isinstance(drawn, Bank)
    assert isinstance(held, Bank)
    assert not set(drawn.rows) & set(held.rows)
    assert sorted((*drawn.rows, *held.rows)) == list(range(len(one.q)))
    assert set(held.jitter) == {0.0}


@given(st.integers(10, 5000))
def test_about_a_fifth_of_a_log_is_held_out_in_blocks_of_neighbours(rows: int) -> None:
    held = Expected(np.zeros((rows, 6)), "log").held_out
    assert 0.1 <= held.mean() <= 0.3
    turns = int((np.diff(held.astype(int)) != 0).sum())
    assert turns <= 20


@given(LOGS, st.integers(0, 1000), st.sampled_from([None, PoseVariety(tries=5)]))
@settings(max_examples=40)
def test_a_row_of_the_bank_alone_draws_the_same_sample(one: Expected, index: int, free) -> None:
    asked = replace(SMALL, variety=replace(SMALL.variety, poses=free))
    terms = one.terms(one.prior(UNIFORM))
    drawn = hidden.draw(UR10, asked, terms, 1, index)
    again = hidden.draw(UR10, asked, terms.only(drawn.provenance.row), 1, index)
    assert again == drawn


@given(LOGS, st.integers(0, 1000))
def test_a_draw_lies_within_the_jitter_of_its_row_and_in_its_bins(
    one: Expected, index: int
) -> None:
    prior = one.prior(UNIFORM)
    drawn = hidden.draw(UR10, SMALL, one.terms(prior), 1, index)
    row = drawn.provenance.row
    assert row is not None
    assert not one.held_out[row]
    width = (prior.upper - prior.lower) / prior.bins
    assert (np.abs(np.array(drawn.q) - one.q[row]) <= one.jitter * width + 1e-12).all()
    assert drawn.bins == tuple(prior.bin_of(drawn.q))


def test_held_out_poses_are_those_of_the_log() -> None:
    one = expected()
    terms = one.held_out_terms(one.prior(UNIFORM))
    for index in range(20):
        drawn = hidden.draw(UR10, SMALL, terms, 0, index)
        row = drawn.provenance.row
        assert row is not None
        assert one.held_out[row]
        np.testing.assert_array_equal(drawn.q, one.q[row])


@given(st.integers(0, 99))
def test_counting_poses_is_the_conjugate_update_whatever_their_order(seed: int) -> None:
    one = expected(50)
    moved = one.prior(UNIFORM)
    added = moved.alpha - UNIFORM.alpha
    assert moved.version == UNIFORM.version + 1
    assert (added.sum(axis=1) == (~one.held_out).sum()).all()
    kept = one.q[~one.held_out]
    mixed = np.random.default_rng(seed).permutation(kept)
    for k in range(SMALL.bins):
        np.testing.assert_array_equal(added[:, k], (UNIFORM.bin_of(mixed) == k).sum(axis=0))


def test_with_nothing_expected_poses_come_from_the_prior() -> None:
    assert training_terms(UNIFORM, None) == Assignment.of(UNIFORM)
    assert training_terms(UNIFORM, expected(mode="bins")) == Assignment.of(UNIFORM)


def test_a_log_is_kept_as_arrays_and_comes_back() -> None:
    one = expected(mode="poses", jitter=0.25)
    back = Expected.of_arrays(one.arrays())
    np.testing.assert_array_equal(back.q, one.q)
    assert (back.name, back.mode, back.jitter, back.digest) == (
        one.name, one.mode, one.jitter, one.digest,
    )  # fmt: skip
    assert expected(mode="bins").digest != one.digest


def test_too_few_poses_are_refused_or_said() -> None:
    with pytest.raises(ExpectError, match="has 9 poses; expected at least 10"):
        expected(9)
    with pytest.raises(ExpectError, match="has 12 poses to count into 16 bins"):
        expected(15).check(UNIFORM)
    assert expected(15, mode="poses").check(UNIFORM).notes(UNIFORM)[1:] == []
    (split, few) = expected(50).check(UNIFORM).notes(UNIFORM)
    assert "40 count into the prior and 10 are held out" in split
    assert few.startswith("note: 2.5 poses per bin; under 5")


# Files


def rows_of(q: np.ndarray) -> list[dict[str, float]]:
    return [dict(zip(UR10.angle_names, map(float, row), strict=True)) for row in q]


def quiet(line: str) -> None:
    """Takes what is said."""


def test_all_kinds_of_logs_say_the_same(tmp_path: Path) -> None:
    q = log(12)
    table, lines, array = (tmp_path / f"log.{end}" for end in ("csv", "jsonl", "npy"))
    shown = "\n".join(",".join(map(repr, row)) for row in np.degrees(q).tolist())
    table.write_text(f"{NAMES}\n{shown}\n")
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows_of(q)))
    np.save(array, q)
    np.testing.assert_allclose(read_log(table, UR10, "degrees", quiet), q, atol=1e-12)
    for path in (lines, array):
        np.testing.assert_array_equal(read_log(path, UR10, "radians", quiet), q)


def test_columns_that_are_no_joints_are_left_aside_and_said(tmp_path: Path) -> None:
    path, said = tmp_path / "log.csv", []
    path.write_text(f"time,{NAMES},gripper\n0.1,0,0,0,0,0,0,1\n")
    assert read_log(path, UR10, "degrees", said.append).shape == (1, 6)
    assert len(said) == 1
    assert "left aside gripper" in said[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{NAMES.replace('elbow_joint', 'elbow')}\n0,0,0,0,0,0\n", "has joint 'elbow'.*nearest"),
        (f"{NAMES.replace(',elbow_joint', '')}\n0,0,0,0,0\n", "missing: elbow_joint"),
        (f"{NAMES}\n0,0,90,0,0,0\n", r"row 1 has elbow_joint at 90 radians; .*--expect-unit"),
        (f"robot,{NAMES}\nur5,0,0,0,0,0,0\n", "row 1 is of robot 'ur5'; expected ur10"),
        (f"{NAMES}\n0,0,0,0,0,nan\n", "has 'nan' for wrist_3_joint"),
        ("0,0,0,0,0,0\n", "begins with numbers"),
        ("", "holds no joint angles"),
    ],
)
def test_a_log_of_other_joints_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "log.csv"
    path.write_text(text)
    with pytest.raises(AnglesError, match=message) as caught:
        read_log(path, UR10, "radians", quiet)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((5, 7)), r"is of shape \(5, 7\); expected numbers of shape \(poses, 6\)"),
        (np.zeros(6), r"is of shape \(6,\)"),
        (np.array([["a"] * 6]), "expected numbers"),
        (np.full((2, 6), np.nan), "row 1 has an angle that is no number"),
    ],
)
def test_an_array_of_another_shape_is_one_line(tmp_path: Path, array, message: str) -> None:
    np.save(tmp_path / "log.npy", array)
    with pytest.raises(AnglesError, match=message):
        read_log(tmp_path / "log.npy", UR10, "radians", quiet)


def test_the_unit_is_never_guessed(tmp_path: Path) -> None:
    np.save(tmp_path / "log.npy", np.zeros((3, 6)))
    with pytest.raises(AnglesError, match="give --expect-unit degrees or radians"):
        read_log(tmp_path / "log.npy", UR10, None, quiet)


# The wire


def test_a_bank_goes_over_the_wire_as_it_is() -> None:
    one = expected(mode="poses")
    terms = one.terms(one.prior(UNIFORM))
    sent = messages.decode_from_trainer(messages.encode(messages.Assign(terms)))
    assert sent == messages.Assign(terms)
    assert sent.assignment.check(6, SMALL.bins) == terms


def test_the_largest_bank_fits_a_message() -> None:
    q = np.full((MAX_POSES, MAX_JOINTS), 0.123456789)
    prior = JointPrior.uniform(np.full(MAX_JOINTS, -1), np.ones(MAX_JOINTS), 256)
    bank = Bank.of(q, np.arange(MAX_POSES) + 2**40, np.ones(MAX_JOINTS))
    frame = messages.encode(messages.Assign(Assignment.of(prior, bank=bank)))
    assert len(frame) <= messages.TRAINER_LIMIT


@pytest.mark.parametrize(
    "spoilt",
    [
        {"q": ((0.0,) * 5,)},
        {"q": ((9.0,) * 6,)},
        {"q": ((float("nan"),) * 6,)},
        {"rows": (1, 2)},
        {"jitter": (-0.1,) * 6},
        {"jitter": (0.1,) * 5},
    ],
)
def test_a_bank_that_fits_no_robot_is_refused(spoilt) -> None:
    bank = msgspec.structs.replace(Bank(((0.0,) * 6,), (0,), (0.1,) * 6), **spoilt)
    with pytest.raises(PriorError, match="bank"):
        Assignment.of(UNIFORM, bank=bank).check(6, SMALL.bins)


def test_a_fleet_that_wants_expected_poses_joins_runs_that_expect_them_alone() -> None:
    digest = expected().digest
    for own, wanted, kind in (
        (digest, {EXPECT: digest}, Welcome),
        (digest, {}, Welcome),
        ("", {EXPECT: digest}, Refused),
        ("0" * 16, {EXPECT: digest}, Refused),
    ):
        workers = Workers("run", SMALL, Orders(Assignment.of(UNIFORM), 0.5), 4, expect=own)
        assert isinstance(workers.admit(b"peer", hello(wanted=wanted), 1, 0.0), kind)


# Recordings


@pytest.fixture(scope="module", params=["bins", "poses"])
def recording(request, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    about = description(12, 4, 12, expected=expected(60, mode=request.param))
    return recorded(tmp_path_factory.mktemp("expected") / request.param, about)


def test_a_recording_of_expected_poses_can_be_made_again_sample_by_sample(
    recording: Recording,
) -> None:
    one = expected(60)
    for group, file in recording.read():
        told = read(file, group.entry)
        entry = decode(told, group.key)
        row = entry.hidden.provenance.row
        assert (row is not None) == (entry.split == "heldout" or "poses" in str(recording.folder))
        assert row is None or one.held_out[row] == (entry.split == "heldout")
        bank = entry.recipe.assignment.bank
        assert bank is msgspec.UNSET or bank.rows == (row,)
        assert sample_of(entry.recipe)[".json"] == bytes(told)


def test_a_recording_is_a_log(recording: Recording) -> None:
    found = read_log(recording.folder, UR10, None, quiet)
    assert found.shape == (12, 6)
    with pytest.raises(JointloopError, match="leave out --expect-unit"):
        read_log(recording.folder, UR10, "degrees", quiet)
    with pytest.raises(JointloopError, match="shows robot ur10; expected panda"):
        read_log(recording.folder, Robot.named("panda"), None, quiet)
