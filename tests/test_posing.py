"""`jointloop pose`: recordings, files of keypoints and of joint angles; a mistake is one line."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from cli_parts import jointloop
from recording_parts import SMALL, description, recorded

from simulator.recordings.recording import Recording
from simulator.robot import AnglesError, Robot
from trainer.pose.joints import read_joints
from trainer.pose.lenses import PoseError, lens_in
from trainer.pose.shots import of_recording

UR10 = Robot.named("ur10")
K = "300,300,80,60"


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    settings = replace(SMALL, width=160, height=120)
    about = description(samples=8, held_out=2, shard_samples=8, settings=settings)
    return recorded(tmp_path_factory.mktemp("posing") / "recording", about)


def pose(out: Path, *words: object) -> dict[str, Any]:
    assert jointloop("pose", *map(str, words), "--out", str(out), "--noise", "0.1") == 0
    return json.loads((out / "poses.json").read_text())


def predicted(recording: Recording, path: Path) -> Path:
    """The recording's keypoints as `predict` writes them."""
    _, shots = of_recording(recording.folder, None)
    entries = []
    for i, shot in enumerate(shots):
        points = np.nan_to_num(shot.pixels).tolist()
        flags = [2 if w > 0 else 0 for w in shot.weights]
        keypoints = [n for (x, y), v in zip(points, flags, strict=True) for n in (x, y, v)]
        entries.append(
            {"image_id": i, "file_name": f"{shot.name}.png", "category_id": 1, "score": 1.0}
            | {"keypoints": keypoints, "keypoint_scores": shot.weights.tolist()}
        )
    path.write_text(json.dumps(entries))
    return path


def table(recording: Recording, path: Path, names: list[str], unit: float = 1.0) -> Path:
    """The recording's joint angles as CSV, columns in that order."""
    _, shots = of_recording(recording.folder, None)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", *names])
        for shot in reversed(shots):
            assert shot.truth is not None
            q = dict(zip(UR10.angle_names, shot.truth.q, strict=True))
            rows.writerow([f"{shot.name}.png", *(unit * q[name] for name in names)])
    return path


def test_with_true_keypoints_and_angles_add_is_under_a_millimetre(
    recording: Recording, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = pose(tmp_path / "out", recording.folder, "--joints", "truth", "--pictures", "1")
    figures = found["accuracy"]
    assert figures["posed"] == figures["possible"] >= 5
    assert figures["add_mm"]["value"] < 1
    assert figures["add_auc"]["value"] > 0.99
    assert "ADD, median [mm]" in capsys.readouterr().out
    first = next(one for one in found["poses"] if "picture" in one)
    picture = cv2.imread(str(tmp_path / "out" / first["picture"]))
    assert picture.shape == (120, 160, 3)


def test_with_true_keypoints_angles_are_found_where_they_can_be_told(
    recording: Recording, tmp_path: Path
) -> None:
    found = pose(tmp_path / "out", recording.folder, "--pictures", "0")
    figures = found["accuracy"]
    assert figures["posed"] >= 4
    assert figures["add_mm"]["value"] < 1
    assert figures["angle_error_deg"]["median"]["value"] < 0.1
    posed = [one for one in found["poses"] if "why" not in one]
    for one in posed:
        assert one["T_camera_base"] is None
        assert one["q_deg"]["wrist_3_joint"] is None
        assert {"shoulder_pan_joint", "wrist_3_joint"} <= set(one["untold"])
        assert one["q_std_deg"]["elbow_joint"] > 0


def test_a_file_of_predict_and_joints_in_any_order_give_what_the_recording_gives(
    recording: Recording, tmp_path: Path
) -> None:
    _, shots = of_recording(recording.folder, None)
    assert shots[0].lens is not None
    file = predicted(recording, tmp_path / "coco_keypoints.json")
    joints = table(recording, tmp_path / "q.csv", sorted(UR10.angle_names), 180 / np.pi)
    fx, cx, cy = shots[0].lens.K[0, 0], shots[0].lens.K[0, 2], shots[0].lens.K[1, 2]
    words = (file, "--robot", "ur10", "--K", f"{fx},{fx},{cx},{cy}", "--joints", joints)
    one = pose(tmp_path / "a", *words, "--angles-in", "deg")["poses"][0]
    other = pose(tmp_path / "b", recording.folder, "--joints", "truth")["poses"][0]
    if "why" in other:
        assert one["why"] == other["why"]
    else:
        np.testing.assert_allclose(one["T_camera_base"], other["T_camera_base"], atol=1e-4)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "K of image"),
        (("--K", "1,2,3"), "K is '1,2,3'; expected fx,fy,cx,cy"),
        (("--K", K, "--joints", "q.csv"), "give --angles-in deg or --angles-in rad"),
        (("--K", K, "--joints", "truth"), "only a recording knows it"),
        (("--K", K, "--joints", "none.csv", "--angles-in", "rad"), "cannot read none.csv"),
        (("--K", K, "--noise", "0"), "noise is 0.0"),
        (("--K", K, "--refine-K"), "--still"),
        (("--K", K, "--robot", "baxter"), "robot baxter has"),
        (("--K", K, "--robot", "r2d2"), "r2d2"),
    ],
)
def test_a_mistake_is_one_line(
    recording: Recording,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    message: str,
) -> None:
    file = predicted(recording, tmp_path / "coco_keypoints.json")
    robot = () if "--robot" in words else ("--robot", "ur10")
    assert jointloop("pose", str(file), *robot, *words, "--out", str(tmp_path / "out")) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_recording_of_another_robot_is_refused(
    recording: Recording, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (str(recording.folder), "--robot", "ur5", "--out", str(tmp_path / "out"))
    assert jointloop("pose", *words) == 2
    assert "shows robot ur10, but --robot is ur5" in capsys.readouterr().err


NAMES = ",".join(UR10.angle_names)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3,4,5,6\n0,0,0,0,0,0\n", "begins with numbers"),
        (f"{NAMES.replace(',elbow_joint', '')}\n0,0,0,0,0\n", "missing: elbow_joint"),
        (f"{NAMES},gripper\n0,0,0,0,0,0,0\n", "has joint 'gripper'"),
        (f"{NAMES}\n0,0,0,0,0,0,0\n", "more values than names"),
        (f"{NAMES}\n0,0,0,0,0,zero\n", "has 'zero' for wrist_3_joint"),
        (f"{NAMES}\n0,0,0,0,0,0\n0,0,0,0,0,0\n", "has 2 rows for 1 images"),
        (f"{NAMES}\n0,0,90,0,0,0\n", "has elbow_joint at 90 radians"),
        (f"image,{NAMES}\nb.png,0,0,0,0,0,0\n", "has no row for a.png"),
        ("", "holds no joint angles"),
    ],
)
def test_joint_angles_of_another_length_or_order_are_named(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "q.csv"
    path.write_text(text)
    with pytest.raises(AnglesError, match=message):
        read_joints(path, UR10, "rad", ["a.png"])


def test_json_lines_say_the_same_as_csv(tmp_path: Path) -> None:
    lines, row = tmp_path / "q.jsonl", dict(zip(UR10.angle_names, range(6), strict=True))
    lines.write_text(json.dumps(row) + "\n")
    np.testing.assert_allclose(read_joints(lines, UR10, "deg", ["a"]), np.radians([range(6)]))


ROS = """image_width: 640
image_height: 480
camera_matrix: {rows: 3, cols: 3, data: [600.0, 0, 320, 0, 610, 240, 0, 0, 1]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [-0.1, 0.01, 0, 0, 0]}
"""


def test_calibrations_of_opencv_and_ros_are_read_alike(tmp_path: Path) -> None:
    (tmp_path / "ros.yaml").write_text(ROS)
    ros, size = lens_in(str(tmp_path / "ros.yaml"))
    assert size == (640, 480)
    for suffix in ("yaml", "json"):
        path = tmp_path / f"opencv.{suffix}"
        storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
        storage.write("camera_matrix", ros.K)
        storage.write("distortion_coefficients", ros.distortion)
        storage.release()
        lens, _ = lens_in(str(path))
        np.testing.assert_allclose(lens.K, ros.K)
        np.testing.assert_allclose(lens.distortion, ros.distortion)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\n", "names no camera matrix"),
        ("K: [[1, 0], [0, 1]]\n", "expected 3 x 3 numbers"),
        ("K: [[600, 3, 320], [0, 600, 240], [0, 0, 1]]\n", "expected fx, 0, cx"),
        (ROS.replace("plumb_bob", "equidistant"), "distortion_model 'equidistant'"),
        ("[1, 2", "neither JSON nor YAML"),
    ],
)
def test_a_calibration_that_makes_no_sense_is_named(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "camera.yaml"
    path.write_text(text)
    with pytest.raises(PoseError, match=message):
        lens_in(str(path))
