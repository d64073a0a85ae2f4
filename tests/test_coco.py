"""Laws of COCO keypoints files as test data, and what is said about those with faults."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from recording_parts import description, recorded

from blender_scenes.pictures import PhotoError
from simulator.recordings.convert import to_coco
from trainer.evaluation.coco import read_coco
from trainer.evaluation.labelled import LabelledError, of_recording

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
    with pytest.raises(LabelledError, match=r"2 of its 2 images are missing.*a\.png.*--images"):
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
            {"categories": [category("a", *NAMES[1:]), category("b", *NAMES, id=4)]}
            | {"annotations": annotation() + annotation(category_id=4)},
            "are 'a', 'b'; expected one, or one named 'ur10'",
        ),
        ({"images": []}, "names no images"),
        ({"images": [{"id": 7, "file_name": "a.png"}] * 2}, "image id 7 stands for 2 images"),
        ({"images": [{"id": 7, "file_name": "c.png"}]}, r"1 of its 1 images.*c\.png"),
        ({"images": [{"id": None, "file_name": "a.png"}]}, r"got `null`.*images\[0\]\.id"),
        ({"images": [{"id": "7", "file_name": "a.png"}] * 2}, "image id 7 stands for 2 images"),
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
        (
            {"annotations": annotation(keypoints=[0.1, 0.2, 2, 0.5, 0.5, 1, 1.0, 0.9, 2])},
            "annotation 5 has all keypoints between 0 and 1.*expected pixels",
        ),
        (
            {"categories": [category("a", *NAMES), category("b", *NAMES[::-1])]},
            "category id 3 stands for 2 categories with keypoints",
        ),
        ({"annotations": annotation(category_id=99)}, "of category 99, which is not listed"),
        (
            {"annotations": annotation(keypoints=[1, 1, 2, 3, 1e9, 2, 1, 1, 2])},
            r"annotation 5 has elbow at x 3, y 1e\+09; expected pixels",
        ),
        (
            {"annotations": annotation(keypoints=[1, 1, 2, -1e400, 1, 1, 1, 1, 2])},
            "annotation 5 has elbow at x -inf, y 1; expected pixels",
        ),
        (
            {"annotations": annotation(keypoints=[1, 1, 2, "left", 1, 1, 1, 1, 2])},
            "annotation 5 has keypoints with 'left'; expected numbers",
        ),
        ({"annotations": annotation(keypoints={})}, "annotation 5 has no numbers in keypoints"),
        (
            {"annotations": annotation(bbox=[5, 5, -300, 300])},
            r"annotation 5 has bbox \[5, 5, -300, 300\]; expected .* above 0",
        ),
        (
            {"annotations": annotation(bbox=[1, 2])},
            r"annotation 5 has bbox \[1, 2\]; expected x, y",
        ),
        ({"annotations": annotation(bbox="all")}, "annotation 5 has bbox 'all'; expected x, y"),
        (
            {
                "annotations": annotation(keypoints=None),
                "images": [{"id": 7, "file_name": "a.png"}],
            },
            "no image shows exactly one 'robot'; 1 images whose robot has no keypoints marked",
        ),
        (
            {"annotations": annotation() * 2, "images": [{"id": 7, "file_name": "a.png"}]},
            "no image",
        ),
    ],
)
def test_a_fault_is_one_line_that_names_it(tmp_path: Path, changes, message):
    path = by_hand(tmp_path, **changes)
    with pytest.raises(LabelledError, match=message) as raised:
        read(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["", '{"images": [{"id": 1', "[]", '"labels"', "\xff"])
def test_a_file_that_is_no_coco_json_is_named(tmp_path: Path, text: str):
    path = tmp_path / "labels.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(LabelledError, match=r"labels\.json is no COCO keypoints JSON"):
        read(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(LabelledError, match=r"cannot read .*nowhere\.json: No such file"):
        read(tmp_path / "nowhere.json")


def test_a_damaged_image_and_one_of_another_size_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = by_hand(tmp_path)
    first, second = read(path).images
    (tmp_path / "sub" / "b.jpg").write_bytes(b"no picture")
    with pytest.raises(PhotoError, match=r"b\.jpg is no picture that can be read"):
        second.load()
    picture(tmp_path / "a.png", 32, 24)
    with pytest.raises(LabelledError, match=r"a\.png is 32x24, but its labels are for 64x48"):
        first.load()
    with monkeypatch.context() as patched:  # its header tells, before it costs memory
        patched.setattr("blender_scenes.pictures.cv2.imdecode", None)
        with pytest.raises(LabelledError, match=r"a\.png is 32x24"):
            first.load()
    (tmp_path / "a.png").unlink()
    with pytest.raises(PhotoError, match=r"a\.png: No such file"):
        first.load()


def same(first, second):
    """Whether two sets say the same of the same images."""
    assert [image.name for image in first.images] == [image.name for image in second.images]
    for a, b in zip(first.images, second.images, strict=True):
        np.testing.assert_array_equal(a.pixels, b.pixels)
        np.testing.assert_array_equal(a.visibility, b.visibility)
        np.testing.assert_array_equal(a.load(), b.load())
        assert a.box == b.box


def spelt(value, how):
    """A JSON value with every number written in another way."""
    if isinstance(value, dict):
        return {key: spelt(one, how) for key, one in value.items()}
    if isinstance(value, list):
        return [spelt(one, how) for one in value]
    return how(value) if isinstance(value, int | float) else value


@pytest.mark.parametrize("how", [float, str, lambda n: f"{n} "])
def test_numbers_and_ids_may_be_written_in_any_way(tmp_path: Path, how):
    path = by_hand(tmp_path)
    expected = read(path)
    path.write_text(json.dumps(spelt(json.loads(path.read_text()), how)))
    found = read(path)
    same(found, expected)
    assert found.notes == expected.notes


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_the_encoding_and_its_mark_do_not_matter(tmp_path: Path, encoding: str):
    path = by_hand(tmp_path)
    expected = read(path)
    path.write_bytes(path.read_text().encode(encoding))
    same(read(path), expected)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"iscrowd": False, "area": None, "segmentation": None}, {}),
        ({"iscrowd": None, "segmentation": {"counts": "abc", "size": [48, 64]}}, {}),
        ({"iscrowd": "0", "num_keypoints": None, "attributes": {"occluded": False}}, {}),
        ({"bbox": []}, {"bbox": None}),
        ({"bbox": [float("nan")] * 4}, {"bbox": None}),
        ({"bbox": [None, None, None, None]}, {"bbox": None}),
        ({"bbox": [3, 3, 0, 0]}, {"bbox": None}),
    ],
)
def test_what_exporters_leave_open_changes_nothing(tmp_path: Path, changes, expected):
    plain = annotation(keypoints=[1, 2, 2, 9, 8, 1, 5, 6, 2], bbox=[0, 0, 30, 30])
    first = read(by_hand(tmp_path / "a", annotations=[plain[0] | changes]))
    second = read(by_hand(tmp_path / "b", annotations=[plain[0] | expected]))
    same(first, second)
    assert len(first.notes) == len(second.notes)


def test_other_categories_may_say_anything(tmp_path: Path):
    categories = [
        {"id": 0, "name": "table", "keypoints": None},
        {"id": "t", "name": "box", "keypoints": {"a": 1}},
        category("person", "nose", "ear", id=8),
        category("robot", *NAMES),
    ]
    strange = [
        {"id": 1, "image_id": 7, "category_id": 0, "keypoints": None, "bbox": []},
        {"id": 2, "image_id": 7, "category_id": "t", "keypoints": [1, 2], "bbox": "none"},
        {"id": 3, "image_id": 99, "category_id": 8, "keypoints": [1e9, 0, 7], "iscrowd": 1},
    ]
    plain = by_hand(tmp_path / "a", annotations=annotation(bbox=[1, 1, 9, 9]))
    path = by_hand(
        tmp_path / "b",
        categories=categories,
        annotations=annotation(bbox=[1, 1, 9, 9]) + strange,
    )
    found, expected = read(path), read(plain)
    same(found, expected)
    assert len(found.notes) == len(expected.notes)


@pytest.mark.parametrize("keypoints", [[], None, [None] * 9, [float("nan")] * 9])
@pytest.mark.parametrize("bbox", [None, [0, 0, 0, 0], [1, 1, 20, 20]])
def test_an_image_whose_robot_has_no_keypoints_marked_is_left_out_and_said(
    tmp_path: Path, keypoints, bbox
):
    marked = annotation(bbox=[1, 1, 9, 9])
    empty = annotation(image_id=9, keypoints=keypoints, bbox=bbox, num_keypoints=0)
    data = read(by_hand(tmp_path, annotations=marked + empty))
    assert [image.name for image in data.images] == ["a.png"]
    (note,) = data.notes
    assert "1 images whose robot has no keypoints marked are left out" in note


def test_an_annotation_that_says_nothing_is_no_second_robot_and_one_with_a_box_is(tmp_path: Path):
    marked = annotation(bbox=[1, 1, 9, 9])
    empty = annotation(id=6, keypoints=[], bbox=[0, 0, 0, 0])
    boxed = annotation(id=6, keypoints=[], bbox=[30, 30, 9, 9])
    data = read(by_hand(tmp_path / "a", annotations=marked + empty))
    assert [image.name for image in data.images] == ["a.png", "sub/b.jpg"]
    data = read(by_hand(tmp_path / "b", annotations=marked + boxed))
    assert [image.name for image in data.images] == ["sub/b.jpg"]
    assert "1 images that show several robots are left out" in data.notes[0]


def test_a_keypoint_without_a_place_or_a_visibility_counts_as_unlabelled_and_is_said(tmp_path):
    keypoints = [5, 6, 2, None, float("nan"), 2, 7, 8, None]
    data = read(by_hand(tmp_path, annotations=annotation(keypoints=keypoints, bbox=[1, 1, 9, 9])))
    assert data.images[0].visibility.tolist() == [2, 0, 0]
    assert "2 keypoints have no place or no visibility" in data.notes[-1]
    keypoints = [5, 6, 2, None, None, 0, 7, 8, 2]
    (_,) = read(
        by_hand(tmp_path, annotations=annotation(keypoints=keypoints, bbox=[1, 1, 9, 9]))
    ).notes


def test_annotations_of_images_that_are_not_listed_are_left_out_and_said(tmp_path: Path):
    extra = annotation(id=6, image_id=55, bbox=[1, 1, 9, 9])
    data = read(by_hand(tmp_path, annotations=annotation(bbox=[1, 1, 9, 9]) + extra))
    assert data.images[0].visibility.tolist() == [2, 2, 2]
    assert "1 annotations of images that are not listed are left out" in data.notes[0]


def test_images_that_are_not_there_are_left_out_and_said(tmp_path: Path):
    path = by_hand(tmp_path)
    (tmp_path / "a.png").unlink()
    data = read(path)
    assert [image.name for image in data.images] == ["sub/b.jpg"]
    assert "1 images are not there and are left out, the first is a.png" in data.notes[0]


@pytest.mark.parametrize("side", [0, None, "", -1, 64.0, "64"])
def test_a_size_that_says_nothing_is_not_compared(tmp_path: Path, side):
    images = [{"id": 7, "file_name": "a.png", "width": side, "height": 0}]
    data = read(by_hand(tmp_path, images=images, annotations=annotation()))
    assert data.images[0].load().shape == (48, 64, 3)


@pytest.mark.parametrize("turned", [True, False])
def test_labels_are_for_the_image_as_it_was_shown_turned_or_not(tmp_path: Path, turned: bool):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    path = by_hand(
        tmp_path,
        images=[
            {"id": 7, "file_name": "e.jpg"}
            | dict(zip(("width", "height"), (48, 64) if turned else (64, 48), strict=True))
        ],
        annotations=annotation(),
    )
    wide = np.zeros((48, 64, 3), np.uint8)
    Image.fromarray(wide).save(tmp_path / "e.jpg", exif=exif)
    assert read(path).images[0].load().shape == ((64, 48, 3) if turned else (48, 64, 3))


def test_keypoints_and_the_robot_may_be_spelt_in_another_way(tmp_path: Path):
    categories = [category("UR-10", "Base", " el bow", "HAND"), category("x", "Base", id=4)]
    data = read(by_hand(tmp_path, categories=categories, annotations=annotation()))
    assert data.keypoints == NAMES
    assert "writes 'Base' for base, ' el bow' for elbow, 'HAND' for hand" in data.notes[0]


def test_of_several_categories_the_one_that_is_used_and_fits_counts(tmp_path: Path):
    categories = [
        category("person", "nose", id=1),
        category("supercategory", *NAMES, id=2),
        category("arm", *NAMES),
    ]
    data = read(by_hand(tmp_path, categories=categories, annotations=annotation()))
    assert data.images[0].visibility.tolist() == [2, 2, 2]
    both = annotation(bbox=[0, 0, 9, 9]) + annotation(category_id=2, image_id=9, bbox=[0, 0, 9, 9])
    data = read(by_hand(tmp_path, categories=categories, annotations=both))
    assert all(image.visibility.all() for image in data.images)
    assert "'supercategory' and 'arm' have the same keypoints and count as one" in data.notes[-1]


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("images\\a.png", "images/a.png"),
        ("C:\\Users\\me\\photos\\a.png", "a.png"),
        ("/home/somebody/photos/a.png", "images/a.png"),
        ("../../upload/1/a.png", "images/a.png"),
        ("/data/local-files/?d=photos/a.png", "images/a.png"),
        ("https://somewhere/photos/a%20b.png", "a b.png"),
        ("sub\\deep\\a.png", "images/sub/deep/a.png"),
        ("a.png", "images/default/a.png"),
        ("u\u0308ber.png", "\u00fcber.png"),
        ("\u00fcber.png", "u\u0308ber.png"),
        ("\u5199\u771f.png", "images/\u5199\u771f.png"),
    ],
)
def test_an_image_is_found_by_the_last_parts_of_its_name(tmp_path: Path, name: str, place: str):
    path = by_hand(
        tmp_path / "annotations",
        images=[{"id": 7, "file_name": name}],
        annotations=annotation(bbox=[1, 1, 9, 9]),
    )
    path = path.rename(path.with_name("person_keypoints_default.json"))
    (path.parent / "a.png").unlink()
    picture(tmp_path / "x.png")
    for folder in (tmp_path, path.parent):
        if folder == tmp_path and not place.startswith("images/"):
            continue  # only images lie beside the labels' own folder
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes((tmp_path / "x.png").read_bytes())
        (image,) = read(path).images
        assert image.load().shape == (48, 64, 3)
        (folder / place).unlink()
    with pytest.raises(LabelledError, match="1 of its 1 images are missing"):
        read(path)


def test_an_image_that_two_names_could_mean_is_neithers(tmp_path: Path):
    names = ["cam1/a.png", "cam2/a.png", "sub/b.jpg"]
    images = [{"id": i, "file_name": name} for i, name in enumerate(names)]
    data = read(by_hand(tmp_path, images=images, annotations=annotation(image_id=2)))
    assert [image.name for image in data.images] == ["sub/b.jpg"]
    assert "2 images are not there and are left out, the first is cam1/a.png" in data.notes[0]


def test_a_name_that_no_file_can_have_is_missing(tmp_path: Path):
    images = [{"id": 7, "file_name": "x" * 5000}, {"id": 9, "file_name": "a.png"}]
    assert len(read(by_hand(tmp_path, images=images)).images) == 1
