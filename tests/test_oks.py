"""Laws of OKS AP, and that COCO's own tool says the same."""

import json

import numpy as np
import pytest

from trainer.beliefs.decode import Peaks
from trainer.metrics.oks import DEFINITIONS, Robots, as_coco, average_precision, detections

SIGMAS = np.array([0.037, 0.050, 0.042, 0.063, 0.041, 0.033])
DIAGONAL = 400.0


def scene(images=60, seed=0, noise=4.0, misses=0.1):
    """Robots in images of 320x240, one image in ten without, and what a detector makes of them."""
    rng = np.random.default_rng(seed)
    pixels = rng.uniform((40, 30), (280, 210), (images, 6, 2))
    visibility = rng.integers(0, 3, (images, 6)).astype(np.uint8)
    visibility[::10] = 0
    low, high = pixels.min(axis=1), pixels.max(axis=1)
    truth = Robots(pixels, visibility, np.concatenate([low, high - low], axis=1))
    spread = noise * rng.gamma(1, 1, (images, 1, 1))
    scores = np.clip(rng.uniform(0.2, 1.0, (images, 6)) - 0.02 * spread[..., 0], 0.11, 1)
    scores[rng.random((images, 6)) < misses] = 0.0
    scores[1] = 0.0
    return truth, Peaks(pixels + spread * rng.normal(size=pixels.shape), scores)


def precision(truth, peaks, sigmas=SIGMAS):
    return average_precision(truth, peaks, np.full(len(truth.pixels), DIAGONAL), sigmas)[0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("seed", range(4))
def test_cocos_own_tool_says_the_same(tmp_path, seed):
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    truth, peaks = scene(seed=seed, noise=3.0 * (seed + 1))
    (tmp_path / "truth.json").write_text(json.dumps(as_coco(truth)))
    read = coco.COCO(str(tmp_path / "truth.json"))
    results = read.loadRes(detections(peaks, np.full(60, DIAGONAL)))
    theirs = cocoeval.COCOeval(read, results, "keypoints")
    theirs.params.kpt_oks_sigmas = SIGMAS
    theirs.evaluate()
    theirs.accumulate()
    theirs.summarize()
    ours = precision(truth, peaks)
    assert list(ours.values()) == pytest.approx(theirs.stats[[0, 1, 2, 5]].tolist(), abs=1e-9)
    assert 0.02 < ours["ap"] < 0.9


def test_the_truth_is_precise_and_complete():
    truth, _ = scene()
    seen = truth.visibility.any(axis=1)
    scores = np.where(seen[:, None], 1.0, 0.0) * np.ones((60, 6))
    assert precision(truth, Peaks(truth.pixels, scores)) == pytest.approx(
        dict.fromkeys(DEFINITIONS, 1.0)
    )


def test_a_miss_is_as_bad_as_a_keypoint_far_away():
    truth, peaks = scene()
    even = np.full_like(peaks.scores, 0.5)
    missed, far = even.copy(), peaks.pixels.copy()
    missed[:, 2] = 0.0
    far[:, 2] += 1500.0
    expected = precision(truth, Peaks(far, even))
    assert precision(truth, Peaks(peaks.pixels, missed)) == pytest.approx(expected)
    assert expected["ap"] < precision(truth, Peaks(peaks.pixels, even))["ap"]


def test_a_detection_where_there_is_no_robot_costs_precision():
    truth, peaks = scene()
    empty = ~truth.visibility.any(axis=1)
    quiet, loud = peaks.scores.copy(), peaks.scores.copy()
    quiet[empty], loud[empty] = 0.0, 1.0
    before, after = (precision(truth, Peaks(peaks.pixels, s)) for s in (quiet, loud))
    assert after["ap"] < before["ap"]
    assert after["ar"] == before["ar"]


def test_wider_sigmas_forgive_more():
    truth, peaks = scene()
    assert precision(truth, peaks, 3 * SIGMAS)["ap"] > precision(truth, peaks)["ap"]


def test_nothing_found_is_worth_nothing_and_nothing_there_has_no_value():
    truth, peaks = scene()
    nothing = Peaks(peaks.pixels, np.zeros_like(peaks.scores))
    assert precision(truth, nothing) == dict.fromkeys(DEFINITIONS, 0.0)
    empty = Robots(truth.pixels, np.zeros_like(truth.visibility), truth.boxes)
    assert precision(empty, peaks) == dict.fromkeys(DEFINITIONS)


def test_a_robot_whose_box_has_no_area_is_left_out_with_its_detection():
    truth, peaks = scene()
    chosen = truth.visibility.any(axis=1) & (np.arange(60) % 7 == 3)
    assert chosen.sum() > 3
    flat = Robots(truth.pixels, truth.visibility, truth.boxes * ~chosen[:, None])
    rest = Robots(*(part[~chosen] for part in (truth.pixels, truth.visibility, truth.boxes)))
    values, matches = average_precision(flat, peaks, np.full(60, DIAGONAL), SIGMAS)
    assert values == pytest.approx(
        precision(rest, Peaks(peaks.pixels[~chosen], peaks.scores[~chosen]))
    )
    assert values != pytest.approx(precision(truth, peaks))
    assert (flat.boxless == chosen).all()
    assert not matches.robots[chosen].any()
    assert np.isnan(matches.scores[chosen]).all()
