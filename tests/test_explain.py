"""Laws of what a loss hangs on."""

import json
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from cli_parts import jointloop
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.randomization.assignment import Assignment
from simulator.randomization.factors import factors
from simulator.randomization.hidden import draw
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings
from simulator.randomization.variety import variety
from simulator.robot import Robot
from trainer.evaluation.explain.shares import ALL, FEWEST, PARTS, levels, shares

COUNT = 600


def share_of(name, found):
    return next(one for one in found if one.name == name)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.1, 0.9), st.integers(0, 1000))
def test_a_share_is_that_of_the_variance_which_a_variable_makes(told, seed):
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 4, COUNT)
    made = np.array([-1.0, 0.0, 0.0, 1.0])[kind] * np.sqrt(2)  # of variance 1
    losses = np.sqrt(told) * made + np.sqrt(1 - told) * rng.normal(size=COUNT)
    rows = [
        {"background.theme": "abcd"[k], "view.roll": float(n)}
        for k, n in zip(kind, rng.normal(size=COUNT), strict=True)
    ]
    found = shares(rows, losses)
    assert share_of("background.theme", found).share == pytest.approx(told, abs=0.12)
    assert share_of("background", found).share == pytest.approx(told, abs=0.12)
    assert share_of("view.roll", found).share < 0.05
    assert share_of(ALL, found).share == pytest.approx(told, abs=0.15)


def test_intervals_hold_what_regressions_foretell_on_average():
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x = rng.uniform(size=COUNT)
        losses = np.floor(2 * x) + rng.normal(size=COUNT)  # a fifth of the variance
        found.append(share_of("exposure", shares([{"exposure": v} for v in x], losses)))
    mean = np.mean([one.share for one in found])
    assert 0.16 < mean < 0.2, "what is learnt from few samples foretells less than all there is"
    held = [low <= mean <= high for low, high in (one.interval for one in found)]
    assert np.mean(held) >= 0.8


def test_variables_that_tell_nothing_are_shown_to():
    found = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        rows = [
            {f"film.{i}": float(v) for i, v in enumerate(row)} for row in rng.normal(size=(300, 5))
        ]
        found += [one.share for one in shares(rows, rng.normal(size=300))]
    assert np.mean(found) < 0.0
    assert np.quantile(found, 0.9) < 0.03


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(st.none(), st.floats(-1e6, 1e6), st.sampled_from(["a", "b"])),
        min_size=1,
        max_size=200,
    )
)
def test_every_sample_has_a_level_and_numbers_keep_their_order(values):
    found = levels(values)
    assert found.columns.shape == (len(values), len(found.names))
    assert (found.columns.sum(axis=1) == 1).all()
    assert len(set(found.names)) == len(found.names) <= PARTS + 4
    numbers = {}
    for value, place in zip(values, found.places.tolist(), strict=True):
        if isinstance(value, float) and " to " in found.names[place]:
            numbers.setdefault(place, []).append(value)
    ends = sorted((min(one), max(one)) for one in numbers.values())
    assert all(a[1] <= b[0] for a, b in pairwise(ends))


def test_rare_words_are_one_level():
    found = levels(["often"] * 50 + [f"{i}" for i in range(FEWEST)])
    assert set(found.names) == {"often", "other"}


def test_factors_of_every_variety_have_names_of_the_recorded_json():
    robot = Robot.named("ur10")
    config = SampleSettings("ur10", variety=variety("real"))
    terms = Assignment.of(JointPrior.uniform(robot.lower, robot.upper, config.bins))
    seen = set()
    for index in range(8):
        hidden = draw(robot, config, terms, 0, index)
        one = factors(hidden, robot.angle_names)
        assert [one[f"q.{name}"] for name in robot.angle_names] == list(hidden.q)
        assert one["view.elevation"] == hidden.view.elevation
        assert one["background.theme"] == hidden.background.theme
        assert one["props"] == len(hidden.props)
        recorded = msgspec.to_builtins(hidden)
        assert {name.split(".")[0] for name in one} <= set(recorded)
        assert json.loads(json.dumps(one)) == one
        seen |= set(one)
    assert {"film.gamma", "wear.dust", "lamps", "materials.mix"} <= seen


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explain") / "run"
    words = "--engine stick --workers 1 --epochs 1 --epoch-samples 32 --stream.held-out 24"
    assert jointloop("train", "tiny", "--size", "64x48", *words.split(), "--run", str(folder)) == 0
    return folder


def test_a_run_is_explained(run, capsys):
    assert jointloop("explain", str(run), "--top", "3") == 0
    said = capsys.readouterr().out
    assert "all together" in said
    found = json.loads((run / "explain.json").read_text())
    assert found["samples"] <= 24
    assert {group["name"] for group in found["groups"]} >= {"pose", "camera", ALL}
    one = found["variables"][0]
    assert sum(level["samples"] for level in one["levels"]) == found["samples"]
    assert (run / "explain.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--top", "0"], "top is 0; expected at least 1"),
        (["--seed", "-1"], "seed is -1; expected at least 0"),
        (["--out", "x.txt"], "out is x.txt; expected a name that ends in .json"),
    ],
)
def test_other_options_are_a_clear_error(run, capsys, words, said):
    assert jointloop("explain", str(run), *words) == 2
    assert said in capsys.readouterr().err


def test_a_run_that_tells_no_hidden_variables_is_a_clear_error(run, capsys, tmp_path):
    old = tmp_path / "old"
    old.mkdir()
    for name in ("config.json", "heldout.npz", "best.safetensors"):
        (old / name).write_bytes((run / name).read_bytes())
    assert jointloop("explain", str(old)) == 2
    assert "runs of earlier versions have no such file" in capsys.readouterr().err


def test_a_folder_without_a_run_is_a_clear_error(capsys, tmp_path):
    assert jointloop("explain", str(tmp_path)) == 2
    assert "holds no run" in capsys.readouterr().err
