"""Laws of annotated images, recorded ones here."""

from pathlib import Path

import numpy as np
import pytest
from recording_parts import description, recorded

from simulator.recordings.convert import items
from simulator.recordings.recording import Recording
from simulator.recordings.sample_files import RecordingError, decode_image
from simulator.recordings.shards import part_of
from trainer.evaluation.labelled import LabelledError, Match, of_recording

NAMES = ("base", "elbow", "hand")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return recorded(tmp_path_factory.mktemp("annotated") / "recording", description())


def test_keypoints_are_matched_by_name_in_the_detectors_order():
    match = Match.of(("hand", "base", "elbow"), NAMES, "set")
    assert match.names == NAMES
    assert match.places == (1, 2, 0)
    assert match.notes == ()


def test_a_subset_is_allowed_and_said():
    match = Match.of(("hand", "base"), NAMES, "set")
    assert (match.names, match.places) == (("base", "hand"), (1, 0))
    (note,) = match.notes
    assert "set has no labels for elbow: figures are over the other 2" in note


def test_spelling_does_not_matter_where_names_stay_apart_and_is_said():
    match = Match.of(("Base", "EL-BOW", "hand"), NAMES, "set")
    assert (match.names, match.places) == (NAMES, (0, 1, 2))
    assert match.notes == ("set writes 'Base' for base, 'EL-BOW' for elbow",)
    assert Match.of(("wrist_1", "Wrist1"), ("Wrist1", "wrist_1"), "set").places == (1, 0)
    with pytest.raises(LabelledError, match="unknown keypoints WRIST 1"):
        Match.of(("WRIST 1",), ("Wrist1", "wrist_1"), "set")
    with pytest.raises(LabelledError, match="names keypoints twice: base"):
        Match.of(("base", "Base"), NAMES, "set")


@pytest.mark.parametrize(
    ("theirs", "message"),
    [
        (("base", "nose", "ear"), "set has unknown keypoints nose, ear; the detector's are base,"),
        (("base", "base"), "set names keypoints twice: base"),
        ((), "set has no keypoints"),
    ],
)
def test_what_the_detector_does_not_know_is_named(theirs, message):
    with pytest.raises(LabelledError, match=message):
        Match.of(theirs, NAMES, "set")


@pytest.mark.parametrize(("split", "count"), [("heldout", 3), ("train", 9), ("all", 12)])
def test_a_recordings_images_and_labels_are_those_recorded(recording, split, count):
    names = recording.about.robot.keypoints
    data = of_recording(recording.folder, names, "ur10", split)
    expected = [i for i in items(recording) if split in ("all", i.entry.split)]
    assert len(data.images) == len(expected) == count
    assert (data.keypoints, data.notes) == (names, ())
    for image, item in zip(data.images, expected, strict=True):
        np.testing.assert_array_equal(image.load(), decode_image(item.png, "", recording.size))
        np.testing.assert_array_equal(image.pixels, item.entry.labels.pixels)
        np.testing.assert_array_equal(image.visibility, item.entry.visibility)
        assert (image.name, image.box) == (item.entry.key, item.entry.box)


def test_labels_follow_the_detectors_order(recording):
    names = recording.about.robot.keypoints
    first = of_recording(recording.folder, names, "ur10", "all").images[0]
    turned = of_recording(recording.folder, names[::-1], "ur10", "all")
    assert turned.keypoints == names[::-1]
    np.testing.assert_array_equal(turned.images[0].pixels, first.pixels[::-1])


def test_another_robot_with_the_same_keypoints_is_said(recording):
    data = of_recording(recording.folder, recording.about.robot.keypoints, "ur5", "all")
    assert data.notes == (f"{recording.folder} shows ur10, but the detector is for ur5",)


def test_an_incomplete_recording_is_said_and_an_empty_split_named(recording, tmp_path: Path):
    names = recording.about.robot.keypoints
    none = recorded(tmp_path / "none", description(held_out=0))
    with pytest.raises(LabelledError, match=r"has no heldout samples yet: 0 of its 12 .*--split"):
        of_recording(none.folder, names, "ur10", "heldout")
    none.path(1).rename(part_of(none.path(1)))
    data = of_recording(none.folder, names, "ur10", "all")
    assert len(data.images) == 7
    assert "1 shards are missing" in data.notes[0]


def test_a_folder_that_holds_no_recording_is_named(tmp_path: Path):
    with pytest.raises(RecordingError, match="holds no recording"):
        of_recording(tmp_path, NAMES, "ur10", "all")
