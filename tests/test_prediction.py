"""Laws of predictions: what lies in the folder is what the detector found."""

import csv
import json
import os
from fractions import Fraction

import cv2
import numpy as np
import pytest
from detector_parts import COLOURS, ColourRuntime, colour_detector, painted

from jointloop.common.files import FileError
from trainer.inference.detector import Detector
from trainer.inference.media import MediaError, find
from trainer.inference.predict import Options, predict
from trainer.inference.video import Video, VideoFile

POINTS = np.array([[40.0, 30.0], [90.0, 70.0], [130.0, 40.0]])
PLAIN = Options()


def write_picture(path, points=POINTS):
    cv2.imwrite(str(path), np.ascontiguousarray(painted(160, 107, points, 8.0)[..., ::-1]))
    return path


def run(inputs, folder, options=PLAIN, detector=None):
    lines: list[str] = []
    done = predict(detector or colour_detector(), find(inputs), folder, options, lines.append)
    return done, lines


def read(folder):
    with (folder / "keypoints.csv").open() as file:
        rows = list(csv.DictReader(file))
    return rows, json.loads((folder / "coco_keypoints.json").read_text())


def test_keypoints_stand_in_the_table_and_in_cocos_format(tmp_path):
    path, out = write_picture(tmp_path / "a.png"), tmp_path / "out"
    run([path], out)
    rows, results = read(out)
    assert [row["keypoint"] for row in rows] == list(COLOURS.keypoints)
    assert np.allclose([[float(r["x"]), float(r["y"])] for r in rows], POINTS, atol=0.5)
    (result,) = results
    assert result["file_name"] == str(path)
    keypoints = np.array(result["keypoints"]).reshape(3, 3)
    assert np.allclose(keypoints[:, :2], POINTS, atol=0.5)
    assert (keypoints[:, 2] == 2).all()
    assert result["score"] == pytest.approx(np.mean(result["keypoint_scores"]), abs=1e-4)


def test_a_picture_without_a_robot_is_told(tmp_path):
    whole, bare = write_picture(tmp_path / "a.png"), tmp_path / "b.png"
    cv2.imwrite(str(bare), np.zeros((107, 160, 3), np.uint8))
    _, (with_robot, without) = run([whole, bare], tmp_path / "out")
    assert with_robot.endswith("3 of 3 keypoints found")
    assert without.endswith("keypoints found, too few of them sure enough for a robot")


def test_cocos_own_reader_takes_the_results(tmp_path):
    from pycocotools.coco import COCO

    run([write_picture(tmp_path / "a.png")], tmp_path / "out")
    _, results = read(tmp_path / "out")
    truth = COCO()
    truth.dataset = {
        "images": [{"id": r["image_id"], "width": 160, "height": 107} for r in results],
        "categories": [{"id": 1, "name": "robot", "keypoints": list(COLOURS.keypoints)}],
        "annotations": [],
        "info": {},
    }
    truth.createIndex()
    loaded = truth.loadRes(str(tmp_path / "out" / "coco_keypoints.json"))
    assert loaded.anns[1]["keypoints"] == results[0]["keypoints"]


def test_what_is_found_is_drawn_and_what_is_under_the_threshold_is_not(tmp_path):
    path = write_picture(tmp_path / "a.png")
    run([path], tmp_path / "seen")
    run([path], tmp_path / "unseen", Options(threshold=1.0))
    original = cv2.imread(str(path))
    assert (cv2.imread(str(tmp_path / "seen" / "a.png")) != original).any()
    assert (cv2.imread(str(tmp_path / "unseen" / "a.png")) == original).all()
    rows, results = read(tmp_path / "unseen")
    assert {row["found"] for row in rows} == {"0"}
    assert results[0]["keypoints"][2::3] == [0, 0, 0]


def test_beliefs_are_kept_on_request(tmp_path):
    path = write_picture(tmp_path / "a.png")
    run([path], tmp_path / "without")
    run([path], tmp_path / "with", Options(beliefs=True))
    assert not (tmp_path / "without" / "a.beliefs.png").exists()
    panels = cv2.imread(str(tmp_path / "with" / "a.beliefs.png"))
    assert panels is not None
    assert len(np.unique(panels)) > 20


def test_a_video_comes_back_with_every_frame_and_its_keypoints(tmp_path):
    steps = [POINTS + np.array([2.0 * i, 0.0]) for i in range(10)]
    rate = Fraction(30000, 1001)
    with VideoFile(tmp_path / "v.mp4", rate) as file:
        for points in steps:
            file.add(painted(160, 108, points, 8.0))
    done, lines = run([tmp_path / "v.mp4"], tmp_path / "out")
    rows, results = read(tmp_path / "out")
    assert done.count == 10
    assert [r["frame"] for r in results] == list(range(10))
    places = np.array([[float(r["x"]), float(r["y"])] for r in rows]).reshape(10, 3, 2)
    assert np.abs(places - steps).max() < 2.0  # a lossy codec
    with Video(tmp_path / "out" / "v.mp4") as video:
        assert (video.rate, video.frames) == (rate, 10)
        (frames,) = video.batches(20)
    assert [frame.time for frame in frames] == [i / rate for i in range(10)]
    assert "10 frames, 30 of 30 keypoints found" in lines[0]


def test_a_video_that_was_cut_off_gives_what_is_there_and_that_is_said(tmp_path):
    rng = np.random.default_rng(0)
    with VideoFile(tmp_path / "whole.mp4") as file:
        for _ in range(20):
            file.add(rng.integers(0, 256, (64, 96, 3)).astype(np.uint8))
    content = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) * 2 // 3])
    done, (line,) = run([tmp_path / "cut.mp4"], tmp_path / "out")
    assert 5 < done.count < 20
    assert f"{done.count} frames" in line
    assert "it is damaged" in line
    with Video(tmp_path / "out" / "cut.mp4") as video:
        assert video.frames == done.count


def test_names_that_are_no_utf8_lose_nothing(tmp_path):
    folder, names = tmp_path / "in", (b"foto_\xe4.png", b"foto_\xe5.png", b"foto_%E4.png")
    folder.mkdir()
    write_picture(tmp_path / "a.png")
    for name in names:
        with open(os.fsencode(folder) + b"/" + name, "wb") as file:
            file.write((tmp_path / "a.png").read_bytes())
    done, lines = run([folder], tmp_path / "out")
    rows, results = read(tmp_path / "out")
    assert done.count == len(lines) == len(results) == 3
    assert len({row["file"] for row in rows}) == len({r["file_name"] for r in results}) == 3
    assert len(list((tmp_path / "out").glob("*.png"))) == 3
    "".join([*lines, *(str(p) for p in (tmp_path / "out").iterdir())]).encode()


def test_what_cannot_be_read_is_named_and_skipped(tmp_path):
    (tmp_path / "in").mkdir()
    write_picture(tmp_path / "in" / "b.png")
    (tmp_path / "in" / "a.png").write_bytes(b"no picture")
    (tmp_path / "in" / "c.mp4").write_bytes(b"no video")
    done, lines = run([tmp_path / "in"], tmp_path / "out")
    assert done.count == 1
    assert "a.png is no picture that can be read; it is skipped" in lines[0]
    assert "c.mp4 is no video that can be read; it is skipped" in lines[2]
    assert not list((tmp_path / "out").glob("c.*"))


def test_a_folder_in_which_nothing_can_be_read_is_an_error(tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_bytes(b"no picture")
    good = write_picture(tmp_path / "b.png")
    with pytest.raises(MediaError, match="bad: nothing in it can be read"):
        run([tmp_path / "bad", good], tmp_path / "out")
    assert len(read(tmp_path / "out")[1]) == 1  # the others are kept
    (tmp_path / "mine").mkdir()
    for name, left in (("none", False), ("mine", True)):
        with pytest.raises(MediaError, match="bad: nothing in it can be read"):
            run([tmp_path / "bad"], tmp_path / name)
        assert (tmp_path / name).exists() == left


def test_an_interruption_keeps_what_was_found(tmp_path):
    class Stopped(ColourRuntime):
        def run(self, images):
            if self.shown:
                raise KeyboardInterrupt
            return super().run(images)

    paths = [write_picture(tmp_path / name) for name in ("a.png", "b.png")]
    with pytest.raises(KeyboardInterrupt):
        run(paths, tmp_path / "out", detector=Detector(Stopped()))
    assert [r["file_name"] for r in read(tmp_path / "out")[1]] == [str(paths[0])]
    assert not list((tmp_path / "out").glob("*.part*"))


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    path = write_picture(tmp_path / "a.png")
    with pytest.raises(FileError, match="already holds something"):
        run([path], tmp_path)


def test_a_threshold_out_of_range_is_named():
    with pytest.raises(MediaError, match=r"threshold is 1\.5; expected 0 to 1"):
        Options(threshold=1.5)
