"""Laws of COCO keypoints files as test data, and what is said about those with faults."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from recording_parts import description, recorded

from simulator.recordings.convert import to_coco
from trainer.evaluation.coco import read_coco
from trainer.evaluation.labelled import AnnotatedError, of_recording

NAMES = ("base", "elbow", "hand")


def picture(path: Path, width: int = 64, height: int = 48) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(width).integers(0, 256, (height, width, 3)).astype(np.uint8)
    cv2.imwrite(str(path), image)


def by_hand(folder: Path, **changes) -> Path:
    """Two photos of different sizes, marked by hand as any tool would; `changes` replace parts."""
    picture(folder / "a.png")
    picture(folder / "sub" / "b.jpg", 80, 60)
    data = {
        "info": {"contributor": "somebody"},
        "images": [
            {"id": 7, "file_name": "a.png", "width": 64, "height": 48, "license": 0},
            {"id": 9, "file_name": "sub/b.jpg"},
        ],
        "annotations": [
            {
                "id": 1,
                "image_id": 9,
                "category_id": 3,
                "keypoints": [1, 2, 2, 0, 0, 0, 30.5, 40, 1],
            },
            {
                "id": 2,
                "image_id": 7,
                "category_id": 3,
                "keypoints": [5, 6, 2, 7, 8, 2, 9, 10, 2],
                "bbox": [4, 5, 8, 9],
                "area": 50,
            },
        ],
        "categories": [
            {"id": 1, "name": "table"},
            {"id": 3, "name": "robot", "keypoints": ["base", "elbow", "hand"]},
        ],
    } | changes
    path = folder / "labels.json"
    path.write_text(json.dumps(data))
    return path


def read(path: Path, **more):
    return read_coco(path, NAMES, "ur10", **more)


def test_photos_marked_by_hand_are_read(tmp_path: Path):
    data = read(by_hand(tmp_path))
    first, second = data.images
    assert first.load().shape == (48, 64, 3)
    assert second.load().shape == (60, 80, 3)
    assert first.pixels.tolist() == [[5, 6], [7, 8], [9, 10]]
    assert first.box == (4, 5, 8, 9)
    assert second.visibility.tolist() == [2, 0, 1]
    assert second.box == (1, 2, 29.5, 38)
    (note,) = data.notes
    assert "1 annotations have no bbox" in note


def test_what_convert_writes_is_read_back(tmp_path: Path):
    recording = recorded(tmp_path / "recording", description())
    to_coco(recording, tmp_path / "coco")
    names = recording.about.robot.keypoints
    expected = of_recording(recording.folder, names, "ur10", "train")
    data = read_coco(tmp_path / "coco" / "annotations" / "keypoints_train.json", names, "ur10")
    for found, image in zip(data.images, expected.images, strict=True):
        np.testing.assert_array_equal(found.load(), image.load())
        np.testing.assert_array_equal(found.visibility, image.visibility)
        seen = image.visibility > 0
        np.testing.assert_array_equal(found.pixels[seen], image.pixels[seen])
        assert found.box == image.box


def test_images_may_lie_elsewhere(tmp_path: Path):
    path = by_hand(tmp_path / "all")
    moved = tmp_path / "labels.json"
    path.rename(moved)
    with pytest.raises(AnnotatedError, match=r"2 of its 2 images are missing.*a\.png.*--images"):
        read(moved)
    assert len(read(moved, images=tmp_path / "all").images) == 2


def test_an_image_of_several_robots_is_left_out_and_one_of_none_kept_and_both_are_said(tmp_path):
    annotation = {"image_id": 7, "category_id": 3, "keypoints": [1, 1, 2] * 3, "bbox": [0, 0, 9, 9]}
    data = read(by_hand(tmp_path, annotations=[annotation, annotation]))
    (only,) = data.images
    assert only.name == "sub/b.jpg"
    assert not only.visibility.any()
    assert "1 images that show several robots are left out" in data.notes[0]
    assert "1 images have no annotation" in data.notes[1]


def test_a_crowd_is_left_out(tmp_path: Path):
    crowd = {"image_id": 7, "category_id": 3, "keypoints": [1, 1, 2] * 3, "iscrowd": 1}
    assert [i.name for i in read(by_hand(tmp_path, annotations=[crowd])).images] == ["sub/b.jpg"]


def category(name: str, *keypoints: str, id: int = 3) -> dict:
    return {"id": id, "name": name, "keypoints": list(keypoints)}


def test_of_several_categories_the_robots_counts(tmp_path: Path):
    categories = [category("person", "nose", id=4), category("ur10", *NAMES)]
    assert len(read(by_hand(tmp_path, categories=categories)).images) == 2


def annotation(**changes) -> list[dict]:
    return [{"id": 5, "image_id": 7, "category_id": 3, "keypoints": [1, 1, 2] * 3} | changes]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"categories": [category("r", "base", "nose", "hand")]},
            "'r', has unknown keypoints nose",
        ),
        ({"categories": [{"id": 3, "name": "r"}]}, "categories with keypoints are none"),
        (
            {"categories": [category("a", *NAMES), category("b", *NAMES, id=4)]},
            "are 'a', 'b'; expected one, or one named 'ur10'",
        ),
        ({"images": []}, "names no images"),
        ({"images": [{"id": 7, "file_name": "a.png"}] * 2}, "image id 7 stands for 2 images"),
        ({"images": [{"id": 7, "file_name": "c.png"}]}, r"1 of its 1 images.*c\.png"),
        ({"images": [{"id": "x", "file_name": "a.png"}]}, r"`int`, got `str`.*images\[0\]\.id"),
        ({"images": [{"id": 7}]}, "missing required field `file_name`"),
        (
            {"annotations": annotation(image_id=8)},
            "annotation 5 is of image 8, which is not listed",
        ),
        (
            {"annotations": annotation(keypoints=[1, 1, 2])},
            "annotation 5 has 3 numbers .* expected 9",
        ),
        ({"annotations": annotation(keypoints=[1, 1, 3] * 3)}, "visibility 3; expected 0, 1 or 2"),
        ({"annotations": annotation(category_id=99)}, "of category 99, which is not listed"),
        (
            {"annotations": annotation(bbox=[5, 5, -300, 300])},
            r"annotation 5 has bbox \[5\.0, 5\.0, -300\.0, 300\.0\]; expected .* above 0",
        ),
        ({"annotations": annotation(bbox=[0, 0, 0, 0])}, r"has bbox .*; expected .* above 0"),
        ({"annotations": annotation(keypoints=None)}, "got `null`"),
        ({"annotations": annotation(bbox=[1, 2])}, "Expected `array` of length 4"),
        (
            {"annotations": annotation() * 2, "images": [{"id": 7, "file_name": "a.png"}]},
            "no image",
        ),
    ],
)
def test_a_fault_is_one_line_that_names_it(tmp_path: Path, changes, message):
    path = by_hand(tmp_path, **changes)
    with pytest.raises(AnnotatedError, match=message) as raised:
        read(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["", '{"images": [{"id": 1', "[]", '"labels"', "\xff"])
def test_a_file_that_is_no_coco_json_is_named(tmp_path: Path, text: str):
    path = tmp_path / "labels.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(AnnotatedError, match=r"labels\.json is no COCO keypoints JSON"):
        read(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(AnnotatedError, match=r"cannot read .*nowhere\.json: No such file"):
        read(tmp_path / "nowhere.json")


def test_a_damaged_image_and_one_of_another_size_are_named(tmp_path: Path):
    path = by_hand(tmp_path)
    first, second = read(path).images
    (tmp_path / "sub" / "b.jpg").write_bytes(b"no picture")
    with pytest.raises(Exception, match=r"b\.jpg is no picture that can be read"):
        second.load()
    picture(tmp_path / "a.png", 32, 24)
    with pytest.raises(AnnotatedError, match=r"a\.png is 32x24, but its labels are for 64x48"):
        first.load()
    (tmp_path / "a.png").unlink()
    with pytest.raises(AnnotatedError, match=r"cannot read .*a\.png: No such file"):
        first.load()
