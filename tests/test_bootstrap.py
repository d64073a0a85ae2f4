"""Laws of the bootstrap."""

import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.metrics.bootstrap import BLOCK, Bootstrap
from trainer.metrics.keypoints import METRICS, Errors, quantile


def errors_of(images, joints, seed=0, misses=0.2):
    """Errors as a detector makes them, a tail of misses included."""
    rng = np.random.default_rng(seed)
    pixels = rng.gamma(2, 5, (images, joints))
    best = pixels / 4
    missed = rng.random((images, joints)) < misses
    return Errors(np.where(missed, np.inf, pixels), np.where(missed, np.inf, best), best)


def copied(bootstrap, resample, counted):
    """Indices of the keypoints of one resample, images copied as often as they are drawn."""
    images = np.repeat(np.arange(len(counted)), bootstrap.draws[:, resample].astype(int))
    rows = [(i, j) for i in images for j in np.flatnonzero(counted[i])]
    return tuple(np.array(rows, dtype=int).reshape(-1, 2).T)


@given(
    st.integers(2, 60), st.integers(1, 7), st.integers(0, 1000), st.sampled_from([0.0, 0.3, 0.9])
)
@settings(max_examples=15, deadline=None)
def test_intervals_are_those_of_resamples_that_are_really_copied(images, joints, seed, misses):
    errors = errors_of(images, joints, seed, misses)
    counted = np.random.default_rng(seed + 1).random((images, joints)) < 0.8
    bootstrap = Bootstrap.over(images, resamples=20, seed=seed)
    found = bootstrap.intervals(errors, counted)
    drawn = [errors[copied(bootstrap, b, counted)] for b in range(20)]
    for metric in METRICS:
        one_image = counted & (np.isfinite(errors.pixels) | (metric.over == "n_in_frame"))
        if one_image.any(axis=1).sum() < 2:
            assert found[metric.name] is None
            continue
        values = np.array([raw(metric, resample) for resample in drawn])
        values = values[~np.isnan(values)]
        expected = [quantile(values, tail) for tail in (0.025, 0.975)]
        ends = [math.inf if end is None else end for end in found[metric.name]]
        assert ends == pytest.approx(expected, rel=1e-4, abs=1e-6)


def raw(metric, errors):
    """The metric of one resample, infinite or NaN as it comes."""
    values = metric.value(errors)
    if metric.over == "n_found":
        values = values[np.isfinite(errors.pixels)]
    if not len(values):
        return math.nan
    return np.mean(values) if metric.quantile is None else quantile(values, metric.quantile)


@pytest.mark.parametrize("count", [1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK])
def test_quantiles_hold_whatever_the_number_of_blocks(count):
    rng = np.random.default_rng(count)
    image = rng.integers(0, 50, count)
    values = rng.normal(size=count)
    bootstrap = Bootstrap.over(50, resamples=30)
    for q in (0.0, 0.5, 0.95, 1.0):
        for b, found in enumerate(bootstrap.quantiles(values, image, q)):
            weights = bootstrap.draws[image, b].astype(int)
            drawn = np.repeat(values, weights)
            assert np.isnan(found) if not len(drawn) else found == pytest.approx(quantile(drawn, q))


def test_every_resample_draws_as_many_images_as_there_are():
    assert (Bootstrap.over(37, resamples=50).draws.sum(axis=0) == 37).all()


def test_the_same_seed_gives_the_same_intervals_and_another_seed_others():
    errors, counted = errors_of(40, 3), np.ones((40, 3), bool)
    first, again, other = (
        Bootstrap.over(40, 100, seed).intervals(errors, counted) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_identical_images_leave_no_doubt():
    errors = Errors(*(np.full((10, 2), v) for v in (4.0, 1.0, 1.0)))
    found = Bootstrap.over(10, 50).intervals(errors, np.ones((10, 2), bool))
    assert found["mean_percent"] == (1.0, 1.0)
    assert found["miss_rate"] == (0.0, 0.0)
    assert found["pck.0.5%"] == (0.0, 0.0)


def test_one_image_has_no_interval():
    found = Bootstrap.over(1, 50).intervals(errors_of(1, 5), np.ones((1, 5), bool))
    assert set(found.values()) == {None}


def test_a_median_that_may_be_a_miss_has_no_upper_end():
    pixels = np.array([[1.0], [2.0], [math.inf], [math.inf], [3.0]])
    low, high = Bootstrap.over(5, 200).intervals(
        Errors(pixels, pixels, np.ones((5, 1))), np.ones((5, 1), bool)
    )["median_all_percent"]
    assert low == 1.0
    assert high is None


def test_keypoints_that_err_together_widen_the_interval():
    apart = errors_of(100, 7, misses=0.0)
    together = Errors(*(np.repeat(a[:, :1], 7, axis=1) for a in vars(apart).values()))
    widths = []
    for errors in (apart, together):
        low, high = Bootstrap.over(100).intervals(errors, np.ones((100, 7), bool))["mean_percent"]
        widths.append(high - low)
    assert widths[1] > 1.8 * widths[0]  # seven independent keypoints: the square root of seven


def test_about_95_of_100_intervals_hold_the_true_value():
    held = 0
    for seed in range(200):
        errors = errors_of(60, 4, seed, misses=0.2)
        low, high = Bootstrap.over(60, 200, seed).intervals(errors, np.ones((60, 4), bool))[
            "miss_rate"
        ]
        held += low <= 0.2 <= high
    assert 0.90 < held / 200 < 0.98


def calls(images, resamples):
    """Functions that Python calls on its way to the intervals."""
    errors, counted, number = errors_of(images, 7), np.ones((images, 7), bool), 0

    def count(frame, event, argument):
        nonlocal number
        number += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        Bootstrap.over(images, resamples).intervals(errors, counted)
    finally:
        sys.setprofile(None)
    return number


def test_two_thousand_images_a_thousand_times_are_as_few_steps_of_python_as_sixty():
    """Numpy does the rest, in about a second."""
    calls(60, 20)  # what is imported or cached at first is not counted
    assert calls(2000, 1000) < 1.1 * calls(60, 20)
