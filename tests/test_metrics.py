"""Laws of the metrics, and the paper's own numbers."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.metrics.keypoints import (
    METRICS,
    Errors,
    area_under_pck_pixels,
    evaluate,
    quantile,
    summarise,
)

ANCHORS = Path(__file__).parents[2] / "shared" / "anchors"
DIAGONAL = math.hypot(320, 240)

distances = st.lists(st.one_of(st.floats(0, 400), st.just(math.inf)), min_size=1, max_size=50).map(
    np.array
)


def at(distance):
    """Errors of keypoints that lie so far off [px] in images of 320x240."""
    percent = 100 * np.asarray(distance) / DIAGONAL
    return Errors(np.asarray(distance), percent, percent)


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
    found = summarise(at(distance))
    assert found["n_in_frame"] == n
    assert found["mean_percent"] == pytest.approx(mean, abs=5e-4)
    assert found["median_percent"] == pytest.approx(median, abs=5e-4)
    assert [found["pck"][k] for k in ("1%", "2%", "5%")] == pytest.approx(list(pck), abs=5e-4)
    assert found["auc"] == pytest.approx(auc, abs=5e-4)


def test_perfect_predictions_are_perfect():
    true = np.random.default_rng(0).uniform(0, 100, (5, 3, 2))
    visibility = np.tile(np.array([1, 2, 2], np.uint8), (5, 1))
    found = np.ones((5, 3), bool)
    result = evaluate(Errors.of(true, true, found, DIAGONAL), visibility, "abc")
    assert result["images"] == 5
    for part in (result, *result["joints"].values(), *result["visibility"].values()):
        assert part["mean_percent"] == part["median_all_percent"] == part["miss_rate"] == 0
        assert part["auc"] == 1
        assert set(part["pck"].values()) == {1.0}


def test_a_known_offset_gives_a_known_error():
    true = np.zeros((4, 2, 2))
    errors = Errors.of(true + np.array([3.0, 4.0]), true, np.ones((4, 2), bool), 500.0)
    result = evaluate(errors, np.full((4, 2), 2, np.uint8), "ab")
    assert result["epe_mean_px"] == result["epe_median_px"] == 5.0
    assert result["mean_percent"] == pytest.approx(1.0)
    assert result["pck"] == {"0.5%": 0.0, "1%": 1.0, "2%": 1.0, "5%": 1.0}
    assert result["auc"] == pytest.approx(0.8)


def test_errors_are_in_percent_of_each_images_own_diagonal():
    true = np.zeros((2, 1, 2))
    predicted = np.array([[[3.0, 4.0]], [[6.0, 8.0]]])
    errors = Errors.of(predicted, true, np.ones((2, 1), bool), np.array([500.0, 1000.0]))
    assert errors.percent.tolist() == [[1.0], [1.0]]
    assert errors.pixels.tolist() == [[5.0], [10.0]]


def test_the_best_peak_has_an_error_however_weak_it_is():
    true = np.zeros((4, 2, 2))
    visibility = np.array([[2, 0]] * 4, np.uint8)
    errors = Errors.of(true + np.array([3.0, 4.0]), true, np.zeros((4, 2), bool), 500.0)
    result = evaluate(errors, visibility, "ab")
    one = pytest.approx(1.0)
    assert result["best_peak"] == {"mean_percent": one, "median_percent": one}
    assert result["miss_rate"] == 1
    assert result["mean_percent"] is None


def test_keypoints_out_of_the_frame_do_not_count():
    distance = np.array([[1.0, 300.0], [2.0, math.inf]])
    visibility = np.array([[2, 0], [1, 0]], np.uint8)
    result = evaluate(at(distance), visibility, ["near", "far"])
    assert result["n_in_frame"] == 2
    assert result["miss_rate"] == 0
    assert result["joints"]["far"] == summarise(at([]))
    assert result["joints"]["far"]["miss_rate"] is None


def test_hidden_and_visible_keypoints_are_told_apart():
    distance = np.array([[1.0, 3.0], [5.0, math.inf]])
    visibility = np.array([[2, 1], [2, 1]], np.uint8)
    result = evaluate(at(distance), visibility, "ab")["visibility"]
    assert result["visible"]["epe_mean_px"] == 3
    assert (result["hidden"]["epe_mean_px"], result["hidden"]["miss_rate"]) == (3, 0.5)


def test_a_nan_keypoint_behind_the_camera_does_not_count():
    true = np.array([[[10.0, 10.0], [np.nan, np.nan]]])
    errors = Errors.of(np.full((1, 2, 2), 10.0), true, np.ones((1, 2), bool), DIAGONAL)
    assert evaluate(errors, np.array([[2, 0]], np.uint8), "ab")["mean_percent"] == 0


@given(distances.filter(lambda d: np.isfinite(d).any()))
@settings(max_examples=50, deadline=None)
def test_dreams_area_is_the_trapezoidal_rules_over_strict_thresholds(distance):
    thresholds = np.arange(0, 20.0, 0.01)
    below = [(distance < t).sum() for t in thresholds]
    expected = np.trapz(below, dx=0.01) / 20.0 / len(distance)
    assert summarise(at(distance))["pck_auc_20px"] == pytest.approx(expected, abs=1e-12)


def test_an_error_at_a_threshold_does_not_meet_it():
    at_one, above = area_under_pck_pixels(np.array([1.0, np.nextafter(1.0, 0)]))
    assert above - at_one == pytest.approx(0.01 / 20)


@given(distances, st.sampled_from([0.25, 0.5, 0.95]))
@settings(max_examples=100, deadline=None)
def test_a_quantile_is_numpys_where_numpy_has_one(distance, q):
    finite = distance[np.isfinite(distance)]
    if len(finite):
        assert quantile(finite, q) == pytest.approx(np.percentile(finite, 100 * q))
    assert not math.isnan(quantile(distance, q))


def test_every_metric_has_a_name_of_its_own_and_says_what_it_is():
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    assert all(metric.definition and metric.unit for metric in METRICS)


@given(distances)
@settings(max_examples=50, deadline=None)
def test_a_further_miss_makes_nothing_better(distance):
    before, after = (summarise(at(d)) for d in (distance, np.append(distance, math.inf)))
    assert after["miss_rate"] >= before["miss_rate"]
    assert after["mean_percent"] == before["mean_percent"]
    assert after["auc"] <= before["auc"]
    assert all(after["pck"][k] <= before["pck"][k] for k in after["pck"])
    if after["median_all_percent"] is not None:
        assert after["median_all_percent"] >= before["median_all_percent"]


@given(distances)
@settings(max_examples=50, deadline=None)
def test_found_and_missed_are_all_there_is(distance):
    result = summarise(at(distance))
    assert result["n_found"] == np.isfinite(distance).sum()
    assert result["miss_rate"] == pytest.approx(1 - result["n_found"] / result["n_in_frame"])


@given(distances)
@settings(max_examples=50, deadline=None)
def test_the_area_is_the_mean_of_pck_over_thresholds(distance):
    thresholds = (np.arange(5000) + 0.5) * 5.0 / 5000
    curve = [(100 * distance / DIAGONAL <= t).mean() for t in thresholds]
    assert summarise(at(distance))["auc"] == pytest.approx(np.mean(curve), abs=1e-3)


@pytest.mark.parametrize("found", [0, 1, 2])
def test_a_median_of_mostly_misses_is_null_in_json(found):
    distance = np.array([1.0] * found + [math.inf] * 3)
    result = summarise(at(distance))
    assert result["median_all_percent"] is None
    assert json.loads(json.dumps(result, allow_nan=False)) == result
