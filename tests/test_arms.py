"""Laws of comparisons: arms of a pair differ in nothing else, and tables say what curves do."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_parts import jointloop
from hypothesis import given
from hypothesis import strategies as st
from recording_parts import description, recorded

from simulator.randomization.assignment import Assignment
from simulator.randomization.expected import Expected
from simulator.randomization.prior import JointPrior
from simulator.robot import Robot
from trainer.evaluation.arms import pool
from trainer.evaluation.arms.figure import figure
from trainer.evaluation.arms.outcome import Curves, as_csv, notes, outcome, ratio, samples_to, table
from trainer.evaluation.arms.pool import PoolWorld
from trainer.evaluation.arms.spread import Work, missing
from trainer.evaluation.arms.study import ARMS, Arm, Study, StudyError, StudyFolder, arms_in
from trainer.evaluation.arms.target import Target, workcell
from trainer.evaluation.arms.training import COLUMNS, Pair, uniform_prior
from trainer.evaluation.arms.worlds import POSES, numbers, poses

UR10 = Robot.named("ur10")
STUDY = Study(samples=32, epochs=2, held_out=8, test=8, target="workcell", digest="d")
TARGET = Target(Expected(workcell(UR10), "workcell"))
UNIFORM = uniform_prior(STUDY)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as each process of a comparison
    work = Work(STUDY, TARGET, StudyFolder(tmp_path_factory.mktemp("study")), None)
    yield Pair(STUDY, TARGET, work.world(), 0)
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def rows(pair: Pair) -> dict[Arm, list[dict]]:
    return {arm: pair.train(arm) for arm in ARMS}


def judged(row: dict) -> tuple:
    return row["error_mean"], row["loss"], row["miss_rate"]


def test_a_training_gives_a_row_of_all_columns_per_epoch(rows) -> None:
    for arm, found in rows.items():
        assert [row["epoch"] for row in found] == [1, 2]
        assert [row["samples"] for row in found] == [16, 32]
        assert all(tuple(row) == COLUMNS and row["arm"] == arm for row in found)


def test_until_its_first_look_an_arm_trains_exactly_as_uniform_does(rows) -> None:
    first = judged(rows["uniform"][0])
    for arm in ("random", "high-loss", "stratified", "adversarial"):
        assert judged(rows[arm][0]) == first
        assert rows[arm][0]["moved"] > 0
    for arm in ("aa", "expected", "poses"):
        assert judged(rows[arm][0]) != first


def test_uniform_and_aa_never_move_their_prior(rows) -> None:
    assert all(row["moved"] == 0 for arm in ("uniform", "aa") for row in rows[arm])


def test_a_training_made_again_is_the_same(pair: Pair, rows) -> None:
    again = pair.train("poses")
    assert [judged(row) for row in again] == [judged(row) for row in rows["poses"]]


@given(st.integers(0, 1000))
def test_drawn_poses_lie_in_their_bins_which_come_as_often_as_the_prior_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    prior = replace(UNIFORM, alpha=rng.gamma(1, 1, UNIFORM.alpha.shape) + 0.01)
    q, k = poses(Assignment.of(prior), 4000, numbers(seed, POSES, 0, "adaptive", 1))
    np.testing.assert_array_equal(prior.bin_of(q), k)
    found = np.stack([np.bincount(row, minlength=prior.bins) / len(q) for row in k.T])
    assert np.abs(found - prior.marginal).max() < 0.05


def test_logs_are_parted_into_known_looked_at_and_judged_rows() -> None:
    expected = TARGET.expected
    assert expected is not None
    looked, seen = TARGET.looked_at(UNIFORM), TARGET.judged(UNIFORM)
    assert looked is not None
    assert seen is not None
    assert len(looked) + len(seen) == expected.held_out.sum()
    known = {tuple(row) for row in expected.q[~expected.held_out]}
    parts = [{tuple(row) for row in some} for some in (looked, seen)]
    assert not parts[0] & parts[1]
    assert not known & (parts[0] | parts[1])


# Outcomes

CURVE = st.lists(st.floats(0.1, 30), min_size=3, max_size=12).map(np.array)


def samples_of(curve: np.ndarray) -> np.ndarray:
    return 100 * (1 + np.arange(len(curve)))


@given(CURVE)
def test_a_curve_needs_as_many_samples_as_itself(curve: np.ndarray) -> None:
    assert ratio(samples_of(curve), curve, curve) == pytest.approx(1)


@given(CURVE, st.floats(0.05, 40))
def test_a_lower_curve_never_needs_more_samples(curve: np.ndarray, level: float) -> None:
    n = samples_of(curve)
    assert samples_to(n, 0.9 * curve, level) <= samples_to(n, curve, level)


def test_a_curve_twice_as_fast_needs_half_of_the_samples() -> None:
    n = np.arange(100, 1300, 100)
    slow, fast = 1000 / n, 500 / n
    assert ratio(n, fast, slow) == pytest.approx(0.5, abs=0.01)
    assert ratio(n, slow, fast) == np.inf


def rows_of(arm: Arm, pairs: int, factor: float) -> list[dict]:
    rng = np.random.default_rng(ARMS.index(arm))
    noise = rng.normal(1, 0.02, (pairs, 10))
    return [
        dict(zip(COLUMNS, (arm, p, e + 1, 100 * (e + 1), factor * 20 / (e + 1) * noise[p, e],
                           1.0, 0.0, 0.5, None, 0.1, 1.0), strict=True))
        for p in range(pairs) for e in range(10)
    ]  # fmt: skip


def test_the_table_says_what_the_curves_do() -> None:
    arms: tuple[Arm, ...] = ("uniform", "aa", "poses")
    rows = [*rows_of("uniform", 12, 1.0), *rows_of("aa", 12, 1.0), *rows_of("poses", 12, 0.5)]
    curves = Curves.of(rows, arms)
    lines = {line["arm"]: line for line in outcome(curves)}
    against = lines["poses"]["against_uniform"]
    assert against["samples_ratio"] == pytest.approx(0.5, abs=0.05)
    assert against["interval"][1] < 0.6
    assert against["p"] < 0.01
    aa = lines["aa"]["against_uniform"]
    assert aa["p"] > 0.01
    assert "against_uniform" not in lines["uniform"]
    assert table(list(lines.values())).count("\n") == 2 + len(arms)
    assert notes(list(lines.values())) == []
    assert as_csv(rows).splitlines()[0] == ",".join(COLUMNS)
    picture = figure(curves, "workcell")
    assert picture.startswith("<svg")
    assert all(arm in picture for arm in arms)


def test_pairs_that_lack_an_arm_are_left_out_and_few_are_said() -> None:
    rows = [*rows_of("uniform", 4, 1.0), *rows_of("poses", 2, 0.5)]
    curves = Curves.of(rows, ("uniform", "poses"))
    assert curves.pairs == 2
    said = notes(outcome(curves))
    assert "fewer than 6" in said[0]
    assert "without arm aa" in said[1]


# Folders


def test_what_is_there_is_not_made_again(tmp_path: Path, rows) -> None:
    folder = StudyFolder(tmp_path)
    folder.begin(STUDY)
    folder.keep("aa", 0, rows["aa"])
    assert missing(folder, ("uniform", "aa"), 2) == {0: ("uniform",), 1: ("uniform", "aa")}
    folder.begin(STUDY)
    assert list(folder.rows(("uniform", "aa"), 2)) == rows["aa"]


def test_a_folder_of_other_settings_or_files_is_refused(tmp_path: Path) -> None:
    StudyFolder(tmp_path / "a").begin(STUDY)
    with pytest.raises(StudyError, match="holds a study with samples 32, not 128"):
        StudyFolder(tmp_path / "a").begin(replace(STUDY, samples=128))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x").touch()
    with pytest.raises(StudyError, match="holds other files"):
        StudyFolder(tmp_path / "b").begin(STUDY)


def test_a_training_cut_short_is_named(tmp_path: Path, rows) -> None:
    folder = StudyFolder(tmp_path)
    folder.begin(STUDY)
    folder.keep("aa", 0, rows["aa"][:1])
    with pytest.raises(StudyError, match=r"aa-0000\.jsonl does not have epochs 1 to 2"):
        list(folder.rows(("aa",), 1))


def test_arms_are_named_in_one_order_and_uniform_is_among_them() -> None:
    assert arms_in("high-loss, aa") == ("uniform", "aa", "high-loss")
    with pytest.raises(StudyError, match=r"arm 'hi-loss': there is none; nearest: high-loss"):
        arms_in("hi-loss")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--arms foo", "arm 'foo': there is none"),
        ("--arms poses", "arm poses draws a log's poses"),
        ("--pairs 1", "pairs is 1; expected at least 2"),
        ("--engine recorded", "give --engine recorded and --recording DIR together"),
        ("--target nowhere.csv", "cannot read nowhere.csv|does not say the unit"),
        ("--samples 10", "samples is 10 in 12 epochs"),
    ],
)
def test_a_mistake_is_one_line(words: str, message: str, tmp_path: Path, capsys) -> None:
    assert jointloop("compare", "--out", str(tmp_path / "out"), *words.split()) == 2
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert re.search(message, told)
    assert not (tmp_path / "out").exists()


# Recordings


def test_a_recording_is_parted_and_followed(tmp_path: Path, monkeypatch) -> None:
    recording = recorded(tmp_path / "pool", description(80, 8, 40))
    monkeypatch.setattr(pool, "LEAST", 60)
    study = replace(STUDY, engine="recorded", size="64x48", bins=recording.about.settings.bins)
    world = PoolWorld(study.config, recording, TARGET, UNIFORM, 16, 16, 0)
    alpha = np.full(UNIFORM.alpha.shape, 1e-3)
    alpha[:, :8] = 1
    low = JointPrior(alpha, UNIFORM.lower, UNIFORM.upper, 1)
    drawn = world.draw(0, "adaptive", 1, 400, Assignment.of(low))
    even = world.draw(0, "adaptive", 1, 400, Assignment.of(UNIFORM))
    assert (drawn.bins < 8).mean() > (even.bins < 8).mean() + 0.15
    seen = {tuple(p) for p in even.pixels[:, 0]}
    assert not seen & {tuple(p) for p in world.test().pixels[:, 0]}
    assert TARGET.expected is not None
    terms = replace(TARGET.expected, mode="poses").terms(UNIFORM)
    with pytest.raises(StudyError, match="no recording holds"):
        world.draw(0, "adaptive", 1, 4, terms)
