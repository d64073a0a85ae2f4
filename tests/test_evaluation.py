"""Laws of judging a detector by annotated images."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from detector_parts import INFO

from trainer.beliefs.decode import Peaks
from trainer.evaluation.coco import LabelledError
from trainer.evaluation.evaluate import CHUNK, evaluate, figures, open_data
from trainer.evaluation.labelled import LabelledImage, LabelledSet
from trainer.metrics.keypoints import METRICS

NAMES = ("base", "elbow", "hand")
THREE = replace(INFO, keypoints=NAMES, skeleton=((0, 1), (1, 2)), sigmas=(0.05, 0.04, 0.03))


def annotated(n: int = CHUNK + 5, seed: int = 0, keypoints=NAMES) -> LabelledSet:
    """Images of several sizes; the keypoints of image i stand in its first pixels."""
    rng = np.random.default_rng(seed)
    images = []
    for i in range(n):
        width, height = (64, 48) if i % 2 else (128, 96)
        pixels = rng.uniform((8, 8), (width - 8, height - 8), (len(keypoints), 2))
        visibility = rng.integers(0, 3, len(keypoints)).astype(np.uint8)
        visibility[0] = 2
        picture = np.full((height, width, 3), i, np.uint8)
        box = (0.0, 0.0, float(width), float(height))
        images.append(LabelledImage(f"{i}", lambda p=picture: p, pixels, visibility, box))
    return LabelledSet(Path("set"), keypoints, tuple(images))


class Teller:
    """Finds keypoints so many pixels to the right of where they are; the image says which it is."""

    info = THREE

    def __init__(self, data: LabelledSet, off: float = 0.0, missed=()) -> None:
        self.data, self.off, self.missed = data, off, set(missed)
        self.scales: list[tuple[float, ...]] = []

    def detect(self, images, scales=(1.0,)) -> Peaks:
        self.scales.append(tuple(scales))
        numbers = [int(image[0, 0, 0]) for image in images]
        pixels = np.full((len(images), 3, 2), 1e3)
        for row, i in zip(pixels, numbers, strict=True):
            for j, name in enumerate(self.data.keypoints):
                row[NAMES.index(name)] = self.data.images[i].pixels[j] + (self.off, 0)
        scores = np.array([[0.0 if i in self.missed else 0.9] * 3 for i in numbers])
        return Peaks(pixels, scores)


def test_a_robot_without_a_box_counts_for_all_but_oks_and_that_is_said():
    data = annotated()
    flat = replace(data.images[2], box=(3.0, 3.0, 0.0, 0.0))
    images = (*data.images[:2], flat, *data.images[3:])
    found = figures(evaluate(Teller(data), replace(data, images=images)), THREE)
    whole = figures(evaluate(Teller(data), data), THREE)
    assert found["overall"] == whole["overall"]
    assert found["oks"]["n_robots"] == whole["oks"]["n_robots"] - 1
    assert found["oks"]["ap"]["value"] == pytest.approx(1)
    (note,) = found["notes"]
    assert "1 robots have no box, nor keypoints for one: OKS leaves their images out" in note


def test_one_that_knows_everything_is_perfect():
    data = annotated()
    found = figures(evaluate(Teller(data), data), THREE)
    assert found["overall"]["mean_percent"]["value"] == 0
    assert found["overall"]["auc"]["value"] == 1
    assert found["overall"]["miss_rate"] == {
        "value": 0,
        "interval": (0, 0),
        "over": "n_in_frame",
        "n": found["overall"]["n_in_frame"],
        "unit": "share",
    }
    assert found["oks"]["ap"]["value"] == pytest.approx(1)
    assert found["images"] == len(data.images)


def test_every_number_stands_beside_its_denominator_and_has_a_definition():
    data = annotated()
    found = json.loads(json.dumps(figures(evaluate(Teller(data, 3), data), THREE), allow_nan=False))
    groups = [found["overall"], *found["joints"].values(), *found["visibility"].values()]
    assert set(found["joints"]) == set(NAMES)
    for metric in METRICS:
        for group in groups:
            number, text = group, found["definitions"]["metrics"]
            for key in metric.name.split(".", 1):
                number, text = number[key], text[key]
            assert number["n"] == group[number["over"]]
            assert text.endswith(f"over {number['over']}")
            low, high = number["interval"]
            assert low <= number["value"] <= high
    assert set(found["oks"]) >= set(found["definitions"]["oks"]) - {"similarity", "score", "over"}


def test_errors_are_in_percent_of_each_images_own_diagonal():
    data = annotated()
    evaluation = evaluate(Teller(data, 4.0), data)
    np.testing.assert_allclose(evaluation.errors.percent[0], 4 / 160 * 100)
    np.testing.assert_allclose(evaluation.errors.percent[1], 4 / 80 * 100)


def test_a_set_with_fewer_keypoints_is_judged_by_those_it_has():
    data = annotated(keypoints=("base", "hand"))
    evaluation = evaluate(Teller(data), data)
    found = figures(evaluation, THREE)
    assert evaluation.errors.pixels.shape == (len(data.images), 2)
    assert not evaluation.errors.pixels.any()
    assert found["oks"]["sigmas"] == [0.05, 0.03]
    assert set(found["joints"]) == {"base", "hand"}


def test_labels_outside_their_image_do_not_count_and_are_said():
    data = annotated(2)
    data.images[0].pixels[0] = (500.0, 3.0)
    evaluation = evaluate(Teller(data), data)
    assert evaluation.robots.visibility[0, 0] == 0
    (note,) = evaluation.notes
    assert note == "set: 1 keypoints lie outside their image and do not count"


def test_the_worst_image_is_the_one_that_is_missed():
    data = annotated()
    assert evaluate(Teller(data, 1.0, missed=[3]), data).worst(1) == [3]
    worst = evaluate(Teller(data, 1.0), data).worst(100)
    assert all(i % 2 for i in worst[: len(worst) // 2])  # the smaller images
    assert len(worst) == len(data.images)


def test_an_image_without_keypoints_is_never_the_worst():
    data = annotated(3)
    data.images[1].visibility[:] = 0
    assert 1 not in evaluate(Teller(data, 1.0), data).worst(3)


def test_scales_reach_the_detector_and_progress_is_told():
    data, said = annotated(), []
    teller = Teller(data)
    evaluate(teller, data, (1.0, 0.5), said.append)
    assert teller.scales == [(1.0, 0.5)] * 2
    assert said == [f"0 of {CHUNK + 5} images", f"{CHUNK} of {CHUNK + 5} images"]


def test_a_set_in_which_nothing_is_to_be_found_has_no_figures():
    data = annotated(3)
    for image in data.images:
        image.visibility[:] = 0
    found = figures(evaluate(Teller(data), data), THREE)
    assert found["overall"]["mean_percent"]["value"] is None
    assert found["overall"]["mean_percent"]["interval"] is None
    assert found["oks"]["ap"]["value"] is None
    assert found["oks"]["ap"]["interval"] is None
    json.dumps(found, allow_nan=False)


def test_a_path_that_is_no_folder_counts_as_a_coco_file(tmp_path: Path):
    with pytest.raises(LabelledError, match=r"cannot read .*labels\.json"):
        open_data(tmp_path / "labels.json", THREE)
