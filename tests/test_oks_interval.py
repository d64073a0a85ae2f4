"""Laws of the intervals of OKS AP."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_oks import DIAGONAL, SIGMAS, precision, scene

from trainer.beliefs.decode import Peaks
from trainer.metrics.bootstrap import Bootstrap
from trainer.metrics.oks import DEFINITIONS, Matches, Robots, average_precision
from trainer.metrics.oks_interval import intervals, summary


def matched(truth: Robots, peaks: Peaks):
    return average_precision(truth, peaks, np.full(len(truth.pixels), DIAGONAL), SIGMAS)[1]


def whole(matches: Matches):
    """The values of the one resample that holds every image once."""
    once = Bootstrap(np.ones((len(matches.robots), 1), np.float32))
    return {name: low for name, (low, _) in intervals(matches, once).items()}


def taken(truth: Robots, peaks: Peaks, images: np.ndarray) -> tuple[Robots, Peaks]:
    """The set that a resample stands for."""
    robots = Robots(truth.pixels[images], truth.visibility[images], truth.boxes[images])
    return robots, Peaks(peaks.pixels[images], peaks.scores[images])


@pytest.mark.parametrize("seed", range(6))
def test_the_values_are_those_of_cocos_tools(seed: int) -> None:
    truth, peaks = scene(seed=seed, noise=2.0 * (seed + 1))
    assert whole(matched(truth, peaks)) == pytest.approx(precision(truth, peaks), abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000))
def test_a_resample_is_worth_what_cocos_tools_give_for_its_images(seed: int) -> None:
    truth, peaks = scene(seed=seed % 5, noise=6.0)
    images = np.random.default_rng(seed).integers(0, 60, 60)
    drawn = np.bincount(images, minlength=60).astype(np.float32)[:, None]
    found = intervals(matched(truth, peaks), Bootstrap(drawn))
    expected = precision(*taken(truth, peaks, images))
    for name in DEFINITIONS:
        assert found[name] == pytest.approx((expected[name], expected[name]), abs=1e-9)


def test_an_interval_holds_its_value_and_narrows_with_the_images() -> None:
    few, many = (scene(images=n, seed=3, noise=6.0) for n in (40, 640))
    widths = []
    for truth, peaks in (few, many):
        there = matched(truth, peaks)
        value, (low, high) = (
            whole(there)["ap"],
            intervals(there, Bootstrap.over(len(there.robots)))["ap"],
        )
        assert low < value < high
        widths.append(high - low)
    assert widths[1] < 0.5 * widths[0]


def test_without_robots_or_with_one_there_is_no_interval() -> None:
    truth, peaks = scene()
    for kept in (0, 1):
        seen = np.where(np.arange(60)[:, None] < kept + 1, truth.visibility, 0)  # none in image 0
        alone = intervals(matched(replace(truth, visibility=seen), peaks), Bootstrap.over(60))
        assert alone == dict.fromkeys(DEFINITIONS)


def test_nothing_found_is_worth_nothing_however_it_is_drawn() -> None:
    truth, peaks = scene()
    nothing = matched(truth, Peaks(peaks.pixels, np.zeros_like(peaks.scores)))
    assert intervals(nothing, Bootstrap.over(60)) == dict.fromkeys(DEFINITIONS, (0.0, 0.0))
    assert summary(np.zeros(3), np.ones((10, 3), bool), 2.0) == (0.0, 0.0, 0.0, 0.0)
