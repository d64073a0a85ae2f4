"""Laws of the metrics, and the paper's own numbers."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.metrics import best_peak, distances, evaluate, summarise

ANCHORS = Path(__file__).parents[2] / "shared" / "anchors"
DIAGONAL = math.hypot(320, 240)

errors = st.lists(st.one_of(st.floats(0, 400), st.just(math.inf)), min_size=1, max_size=50).map(
    np.array
)


@pytest.mark.skipif(not ANCHORS.is_dir(), reason="the paper's numbers are not at hand")
@pytest.mark.parametrize(
    ("file", "n", "mean", "median", "pck", "auc"),
    [
        ("synthetic", 1152, 0.367, 0.354, (0.951, 0.979, 0.985), 0.913),
        ("real", 228, 1.283, 0.707, (0.741, 0.917, 0.969), 0.814),
    ],
)
def test_the_papers_table_is_reproduced(file, n, mean, median, pck, auc):
    with (ANCHORS / f"paper_errors_{file}.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    in_frame = [row for row in rows if row["VT"] == "True"]
    distance = np.array([float(r["D"]) if r["VP"] == "True" else math.inf for r in in_frame])
    found = summarise(distance, DIAGONAL)
    assert found["n_in_frame"] == n
    assert found["mean_percent"] == pytest.approx(mean, abs=5e-4)
    assert found["median_percent"] == pytest.approx(median, abs=5e-4)
    assert [found["pck"][k] for k in ("1%", "2%", "5%")] == pytest.approx(list(pck), abs=5e-4)
    assert found["auc"] == pytest.approx(auc, abs=5e-4)


def test_perfect_predictions_are_perfect():
    true = np.random.default_rng(0).uniform(0, 100, (5, 3, 2))
    d = distances(true, true, np.ones((5, 3), bool))
    result = evaluate(d, np.ones((5, 3), bool), (320, 240), "abc")
    assert result["images"] == 5
    assert result["diagonal_px"] == DIAGONAL
    for part in (result, *result["joints"].values()):
        assert part["mean_percent"] == part["median_all_percent"] == part["miss_rate"] == 0
        assert part["auc"] == 1
        assert set(part["pck"].values()) == {1.0}


def test_a_known_offset_gives_a_known_error():
    true = np.zeros((4, 2, 2))
    d = distances(true + np.array([3.0, 4.0]), true, np.ones((4, 2), bool))
    result = evaluate(d, np.ones((4, 2), bool), (300, 400), "ab")
    assert result["epe_mean_px"] == result["epe_median_px"] == 5.0
    assert result["mean_percent"] == pytest.approx(1.0)
    assert result["pck"] == {"0.5%": 0.0, "1%": 1.0, "2%": 1.0, "5%": 1.0}
    assert result["auc"] == pytest.approx(0.8)


def test_the_best_peak_has_an_error_however_weak_it_is():
    true = np.zeros((4, 2, 2))
    in_frame = np.array([[True, False]] * 4)
    result = best_peak(true + np.array([3.0, 4.0]), true, in_frame, (300, 400))
    assert result == {"mean_percent": pytest.approx(1.0), "median_percent": pytest.approx(1.0)}


def test_keypoints_out_of_the_frame_do_not_count():
    d = np.array([[1.0, 300.0], [2.0, math.inf]])
    in_frame = np.array([[True, False], [True, False]])
    result = evaluate(d, in_frame, (320, 240), ["near", "far"])
    assert result["n_in_frame"] == 2
    assert result["miss_rate"] == 0
    assert result["joints"]["far"] == summarise(np.array([]), DIAGONAL)
    assert result["joints"]["far"]["miss_rate"] is None


def test_a_nan_keypoint_behind_the_camera_does_not_count():
    true = np.array([[[10.0, 10.0], [np.nan, np.nan]]])
    d = distances(np.full((1, 2, 2), 10.0), true, np.ones((1, 2), bool))
    result = evaluate(d, np.array([[True, False]]), (320, 240), "ab")
    assert result["mean_percent"] == 0


@given(errors)
@settings(max_examples=50, deadline=None)
def test_a_further_miss_makes_nothing_better(distance):
    before, after = (summarise(d, DIAGONAL) for d in (distance, np.append(distance, math.inf)))
    assert after["miss_rate"] >= before["miss_rate"]
    assert after["mean_percent"] == before["mean_percent"]
    assert after["auc"] <= before["auc"]
    assert all(after["pck"][k] <= before["pck"][k] for k in after["pck"])
    if after["median_all_percent"] is not None:
        assert after["median_all_percent"] >= before["median_all_percent"]


@given(errors)
@settings(max_examples=50, deadline=None)
def test_found_and_missed_are_all_there_is(distance):
    result = summarise(distance, DIAGONAL)
    assert result["n_found"] == np.isfinite(distance).sum()
    assert result["miss_rate"] == pytest.approx(1 - result["n_found"] / result["n_in_frame"])


@given(errors)
@settings(max_examples=50, deadline=None)
def test_the_area_is_the_mean_of_pck_over_thresholds(distance):
    thresholds = (np.arange(5000) + 0.5) * 5.0 / 5000
    curve = [(100 * distance / DIAGONAL <= t).mean() for t in thresholds]
    assert summarise(distance, DIAGONAL)["auc"] == pytest.approx(np.mean(curve), abs=1e-3)


@pytest.mark.parametrize("found", [0, 1, 2])
def test_a_median_of_mostly_misses_is_null_in_json(found):
    distance = np.array([1.0] * found + [math.inf] * 3)
    result = summarise(distance, DIAGONAL)
    assert result["median_all_percent"] is None
    assert json.loads(json.dumps(result, allow_nan=False)) == result
