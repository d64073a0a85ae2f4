"""Laws of conversion: other people's readers find in it what was recorded."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from recording_parts import SMALL, description, recorded

from jointloop.common.files import FileError
from simulator.randomization.variety import CALM, CameraVariety, Variety
from simulator.recordings.convert import NOWHERE, items, to_coco, to_dream
from simulator.recordings.recording import Recording
from simulator.recordings.sample_files import MASK, Entry, RecordingError, decode_image
from simulator.recordings.shards import ShardWriter


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    folder = tmp_path_factory.mktemp("conversions") / "recording"
    settings = replace(SMALL, variety=Variety(camera=CameraVariety(framing=(0.5, 1.0))))
    return recorded(
        folder, description(samples=30, held_out=6, shard_samples=16, settings=settings)
    )


@pytest.fixture(scope="module")
def coco(recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("conversions") / "coco"
    to_coco(recording, out)
    return out


@pytest.fixture(scope="module")
def dream(recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("conversions") / "dream"
    to_dream(recording, out)
    return out


def entries(recording: Recording, split: str) -> list[Entry]:
    return [item.entry for item in items(recording) if item.entry.split == split]


def readers() -> Iterator[Any]:
    pycocotools = pytest.importorskip("pycocotools.coco")
    faster = pytest.importorskip("faster_coco_eval")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    yield pycocotools.COCO, evaluation.COCOeval
    yield faster.COCO, faster.COCOeval_faster


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_coco_readers_find_every_image_and_label(recording: Recording, coco: Path) -> None:
    for COCO, _ in readers():
        for split, count in (("train", 24), ("heldout", 6)):
            read = COCO(str(coco / "annotations" / f"keypoints_{split}.json"))
            assert len(read.getImgIds()) == count
            (category,) = read.loadCats(read.getCatIds())
            assert category["name"] == "ur10"
            assert category["keypoints"][0] == "shoulder_pan"
            assert category["skeleton"][0] == [1, 2]
            for image, entry in zip(
                read.loadImgs(sorted(read.getImgIds())), entries(recording, split), strict=True
            ):
                assert image["file_name"] == f"{entry.key}.png"
                (label,) = read.loadAnns(read.getAnnIds(imgIds=[image["id"]]))
                check_coco_label(label, entry)


def check_coco_label(label: dict[str, Any], entry: Entry) -> None:
    points = np.array(label["keypoints"]).reshape(-1, 3)
    labels = entry.labels
    inside = labels.visibility > 0
    np.testing.assert_array_equal(points[:, 2], labels.visibility)
    np.testing.assert_array_equal(points[inside, :2], labels.pixels[inside])
    assert not points[~inside].any()
    assert label["num_keypoints"] == inside.sum()
    assert tuple(label["bbox"]) == labels.box
    assert label["area"] == labels.area


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_the_truth_evaluates_to_a_perfect_score(
    recording: Recording, coco: Path, tmp_path: Path
) -> None:
    path = coco / "annotations" / "keypoints_train.json"
    truth = json.loads(path.read_text())
    results = [
        {key: label[key] for key in ("image_id", "category_id", "keypoints")} | {"score": 1.0}
        for label in truth["annotations"]
    ]
    (tmp_path / "results.json").write_text(json.dumps(results))
    for COCO, Evaluation in readers():
        read = COCO(str(path))
        found = read.loadRes(str(tmp_path / "results.json"))
        evaluation = Evaluation(read, found, "keypoints")
        evaluation.params.kpt_oks_sigmas = np.array(truth["categories"][0]["sigmas"])
        evaluation.params.useCats = 1
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        assert evaluation.stats[0] == pytest.approx(1.0)


def test_images_are_those_of_the_recording(recording: Recording, coco: Path, dream: Path) -> None:
    counts = {"train": 0, "heldout": 0}
    for item in items(recording):
        split = item.entry.split
        assert (coco / "images" / f"{item.entry.key}.png").read_bytes() == item.png
        assert (dream / split / f"{counts[split]:06d}.rgb.png").read_bytes() == item.png
        assert decode_image(item.png, "", (64, 48)).shape == (48, 64, 3)
        counts[split] += 1


def read_as_dream_does(folder: Path, robot: str, names: list[str]) -> Iterator[dict[str, Any]]:
    """What DREAM's loader takes from a folder (dream/utilities.py of github.com/NVlabs/DREAM).

    Every JSON whose name begins with a digit needs an NAME.rgb.png; an object is found by its
    class, a keypoint by its name; intrinsics and image size stand in _camera_settings.json.
    """
    camera = json.loads((folder / "_camera_settings.json").read_text())["camera_settings"][0]
    intrinsics, size = camera["intrinsic_settings"], camera["captured_image_size"]
    fx, fy, cx, cy = (intrinsics[key] for key in ("fx", "fy", "cx", "cy"))
    for path in sorted(p for p in folder.glob("*.json") if p.name[0].isdigit()):
        assert path.with_suffix(".rgb.png").is_file()
        data = json.loads(path.read_text())
        (thing,) = [o for o in data["objects"] if o["class"] == robot]
        found = {k["name"]: k for k in thing["keypoints"]}
        yield {
            "K": np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]),
            "size": (size["width"], size["height"]),
            "positions": np.array([found[name]["location"] for name in names]),
            "projections": np.array([found[name]["projected_location"] for name in names]),
            "data": data,
        }


def test_dream_finds_labels_in_its_own_pixel_convention(recording: Recording, dream: Path) -> None:
    names = list(recording.about.robot.keypoints)
    read = list(read_as_dream_does(dream / "train", "ur10", names))
    for found, entry in zip(read, entries(recording, "train"), strict=True):
        assert found["size"] == (64, 48)
        pixels = entry.labels.pixels
        ahead = np.isfinite(pixels[:, 0])
        np.testing.assert_allclose(found["projections"][ahead], pixels[ahead] + 0.5)
        assert (found["projections"][~ahead] == NOWHERE).all()


def test_dreams_locations_project_to_its_pixels(recording: Recording, dream: Path) -> None:
    names = list(recording.about.robot.keypoints)
    for found in read_as_dream_does(dream / "heldout", "ur10", names):
        own = found["data"]["camera_data"]["intrinsics"]
        K = np.array([[own["fx"], 0, own["cx"]], [0, own["fy"], own["cy"]], [0, 0, 1]])
        assert (K[0, 2], K[1, 2]) == (32, 24)  # the middle, measured from the image's corner
        projected = found["positions"] @ K.T
        ahead = found["positions"][:, 2] > 1e-6
        pixels = projected[ahead, :2] / projected[ahead, 2:]
        np.testing.assert_allclose(pixels, found["projections"][ahead], atol=1e-6)


def test_one_focal_length_gives_dream_one_camera(tmp_path: Path) -> None:
    settings = replace(SMALL, variety=replace(CALM, camera=CameraVariety(focal=(1.5, 1.5))))
    fixed = recorded(tmp_path / "fixed", description(samples=4, settings=settings))
    lines = to_dream(fixed, tmp_path / "dream")
    assert not any("focal lengths vary" in line for line in lines)
    camera = json.loads((tmp_path / "dream" / "train" / "_camera_settings.json").read_text())
    assert camera["camera_settings"][0]["intrinsic_settings"]["fx"] == 1.5 * 48


def test_varying_focal_lengths_are_told(recording: Recording, tmp_path: Path) -> None:
    assert any("focal lengths vary" in line for line in to_dream(recording, tmp_path / "dream"))


def test_a_folder_with_something_in_it_is_refused(recording: Recording, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    for convert in (to_coco, to_dream):
        with pytest.raises(FileError, match="already holds something"):
            convert(recording, tmp_path)


def test_a_recording_without_a_complete_shard_is_refused(
    recording: Recording, tmp_path: Path
) -> None:
    begun = Recording.create(tmp_path / "begun", recording.about)
    with pytest.raises(RecordingError, match="no complete shard"):
        to_coco(begun, tmp_path / "coco")


@pytest.mark.parametrize("convert", [to_coco, to_dream])
def test_of_a_damaged_recording_nothing_is_written(recording, tmp_path: Path, convert) -> None:
    copy = Recording.create(tmp_path / "damaged", recording.about)
    for shard in recording.shards:
        copy.path(shard).write_bytes(recording.path(shard).read_bytes())
    whole = copy.path(copy.shards[-1]).read_bytes()
    copy.path(copy.shards[-1]).write_bytes(whole[: len(whole) // 3])
    with pytest.raises(RecordingError, match="is damaged"):
        convert(copy, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("convert", [to_coco, to_dream])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"key": "../../beyond"}, r"says key '\.\./\.\./beyond'; expected '0000-00000000'"),
        ({"width": 60_000}, r"says size \(60000, 48\); expected \(64, 48\)"),
        ({"keypoints": ("a", "b")}, r"says keypoints \('a', 'b'\); expected"),
    ],
)
def test_a_recording_that_says_otherwise_in_its_samples_writes_nothing_anywhere(
    recording: Recording, tmp_path: Path, convert, change: dict[str, Any], said: str
) -> None:
    about = msgspec.structs.replace(recording.about, samples=1, held_out=1)
    crafted = Recording.create(tmp_path / "crafted", about)
    item = next(items(recording))
    files = {
        ".png": item.png,
        MASK: item.png,
        ".json": msgspec.json.encode(msgspec.structs.replace(item.entry, **change)),
    }
    with ShardWriter(crafted.path(0), [crafted.key(0)]) as writer:
        writer.add(crafted.key(0), files)
        writer.finish()
    before = set(tmp_path.rglob("*"))
    with pytest.raises(RecordingError, match=f"sample 0000-00000000 {said}"):
        convert(crafted, tmp_path / "out")
    new = set(tmp_path.rglob("*")) - before
    assert not [path for path in new if path.is_file()]
    assert all(path.is_relative_to(tmp_path / "out") for path in new)


@pytest.mark.parametrize("convert", [to_coco, to_dream])
def test_a_shard_that_is_missing_is_said(recording, tmp_path: Path, convert) -> None:
    part = Recording.create(tmp_path / "part", recording.about)
    part.path(0).write_bytes(recording.path(0).read_bytes())
    assert convert(part, tmp_path / "out")[-1].endswith("1 of its shards, the first is 000001.tar")
    assert not any("lacks" in line for line in convert(recording, tmp_path / "whole"))
