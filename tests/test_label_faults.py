"""Marks against the robot: true ones are explained, a wrong one and two swapped ones are named."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from cli_parts import jointloop
from recording_parts import SMALL, description, recorded

from blender_scenes.spec import RobotModel, Visual
from simulator.recordings.recording import Recording
from simulator.robot import Robot
from simulator.robot.rays import first_hits
from simulator.robot.surfaces import surfaces
from trainer.evaluation.coco_out import Marked, as_coco
from trainer.pose.marks.explain import explain, shows
from trainer.pose.marks.faults import jumps, look
from trainer.pose.marks.flags import Sight
from trainer.pose.marks.many import Eye, Fit, Guesses
from trainer.pose.problem import Lens, base_points
from trainer.pose.shots import Shot, of_recording

UR10 = Robot.named("ur10")
NAMES = UR10.keypoint_names
LENS = Lens(np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]]), np.zeros(5))
SIZE = (640, 480)
Q = np.array([0.3, -1.2, 1.4, -0.6, 0.9, 0.4])
EYES = {"K known": Eye(LENS), "K unknown": Eye.unknown(*SIZE)}


def looking_at(azimuth: float = 0.5, far: float = 2.5) -> np.ndarray:
    """T_camera_base of a camera that looks at the arm from the side."""
    eye = far * np.array([np.cos(azimuth), np.sin(azimuth), 0.4])
    z = np.array([0.2, 0, 0.5]) - eye
    z /= np.linalg.norm(z)
    x = np.cross(z, [0, 0, 1.0])
    x /= np.linalg.norm(x)
    T = np.eye(4)
    T[:3, :3] = np.stack([x, np.cross(z, x), z])
    T[:3, 3] = -T[:3, :3] @ eye
    return T


def marks(noise: float = 0.0, seed: int = 0, q: np.ndarray = Q) -> np.ndarray:
    T = looking_at()
    pixels = LENS.project(base_points(UR10, q) @ T[:3, :3].T + T[:3, 3])[0]
    return pixels + noise * np.random.default_rng(seed).normal(size=pixels.shape)


ONES = np.ones(len(NAMES))


@pytest.mark.parametrize("eye", EYES.values(), ids=EYES)
@pytest.mark.parametrize("q", [None, Q], ids=["angles unknown", "angles known"])
def test_true_marks_are_explained_and_their_residuals_are_about_one_sigma(
    eye: Eye, q: np.ndarray | None
) -> None:
    every = [explain(UR10, eye, marks(2.0, seed), 2 * ONES, q) for seed in range(6)]
    assert not any(found.faulty for found in every)
    residuals = np.array([found.residuals for found in every])
    assert 0.5 < np.nanmedian(residuals) < 2  # of a Rayleigh distribution it is 1.18
    assert (np.linalg.norm(every[0].pixels - marks(), axis=1) < 10).all()


@pytest.mark.parametrize("eye", EYES.values(), ids=EYES)
@pytest.mark.parametrize("name", ["shoulder_lift", "elbow", "wrist_2"])
def test_one_mark_that_is_off_is_named_with_where_it_should_be(eye: Eye, name: str) -> None:
    j, wrong = NAMES.index(name), marks(1.0)
    wrong[j] += (70, -50)
    found = explain(UR10, eye, wrong, ONES)
    assert found.faulty
    assert found.off == j
    assert found.residuals[j] > 5
    assert found.weights[j] == 0
    assert np.linalg.norm(found.pixels[j] - marks()[j]) < 4 * np.hypot(found.std[j], 1)


@pytest.mark.parametrize("pair", [(0, 1), (1, 3), (2, 4)])
def test_two_swapped_marks_are_named(pair: tuple[int, int]) -> None:
    wrong = marks(1.0)
    wrong[list(pair)] = wrong[list(pair[::-1])]
    found = explain(UR10, EYES["K known"], wrong, ONES)
    assert found.swapped == pair
    np.testing.assert_allclose(found.pixels, marks(), atol=6)


def test_what_the_others_leave_open_can_not_be_wrong() -> None:
    pixels = marks()
    pixels[[0, 1, 2, 3]] = np.nan
    found = explain(UR10, EYES["K known"], pixels, ONES)
    assert found.spare <= 0
    assert not found.faulty
    assert np.isnan(explain(UR10, EYES["K known"], np.full((7, 2), np.nan), ONES).residuals).all()


def test_a_change_along_what_is_open_does_not_show() -> None:
    fit = Fit(UR10, EYES["K known"], np.ones(6, bool))
    guess = Guesses(looking_at()[None], Q[None], np.ones(1), np.zeros(1))
    by_elbow = fit.jacobian(guess)[0, :, :, 6 + 2]
    assert shows(fit, guess, ONES, by_elbow) < 1e-6 * np.linalg.norm(by_elbow)
    off = np.zeros((7, 2))
    off[3] = (20, 10)
    assert 1 < shows(fit, guess, ONES, off) < np.hypot(20, 10)


def test_a_keypoint_that_is_not_marked_is_proposed_where_the_pose_has_it() -> None:
    pixels = marks(0.5)
    pixels[4] = np.nan
    weights = np.isfinite(pixels[:, 0]).astype(float)
    looked = look(UR10, Shot("a", lambda: None, pixels, weights, LENS), SIZE, noise=0.5)
    x, y, std = looked.proposed["wrist_2"]
    assert np.hypot(*(np.array((x, y)) - marks()[4])) < 4 * std + 1


def test_rays_meet_the_first_surface_before_them() -> None:
    shift = np.eye(4)
    shift[0, 3] = 1.0
    boxes = tuple(Visual(i, np.eye(4), primitive=("box", (0.2, 0.4, 0.6))) for i in (0, 1))
    model = RobotModel("boxes", ("a", "b"), (-1, 0), boxes)
    poses = np.stack([np.eye(4), shift])
    targets = np.array([[0.0, 0.01, 0.02], [0.0, 5.0, 0.0], [1.0, 0.05, 0.1]])
    distance, link = first_hits(surfaces(model), poses, np.array([3.0, 0, 0]), targets)
    assert link.tolist() == [1, -1, 1]
    assert distance[0] == pytest.approx(1.9 * np.linalg.norm(targets[0] - (3, 0, 0)) / 3)
    assert np.isinf(distance[1])


def test_a_flag_is_at_fault_where_the_robot_stands_before_the_keypoint() -> None:
    sight, hidden = Sight(UR10), 0
    for seed in range(4):
        q = np.random.default_rng(seed).uniform(-2.5, 2.5, 6)
        found = explain(UR10, EYES["K known"], marks(0.0, q=q), 0.5 * ONES, q)
        asked = np.ones(7, bool)
        at = sight._at(found, found.guess, asked)
        assert (sight.hidden(found, asked) <= at).all()
        hidden += int(at.sum())
        assert not sight.hidden(found, ~asked).any()
    assert 0 < hidden < 28


def test_a_frame_in_which_a_keypoint_jumps_is_named() -> None:
    frames = [Shot(str(i), lambda: None, marks() + i, ONES) for i in range(4)]
    moved = frames[2].pixels.copy()
    moved[5, 0] += 60
    frames[2] = replace(frames[2], pixels=moved)
    found = jumps(UR10, frames, 800, 2.0)
    assert sorted(found) == [2, 3]
    assert all(fault.keypoints == ("wrist_3",) for fault in found.values())


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    settings = replace(SMALL, width=160, height=120)
    about = description(samples=6, held_out=2, shard_samples=6, settings=settings)
    return recorded(tmp_path_factory.mktemp("labels") / "recording", about)


def labels(recording: Recording, folder: Path) -> Path:
    """A file of the recording's labels, in the last of which two marks are swapped."""
    _, shots = of_recording(recording.folder, None)
    whole = [shot for shot in shots if shot.weights.all()]
    assert whole
    marked = []
    for shot in whole:
        cv2.imwrite(str(folder / f"{shot.name}.png"), shot.load())
        assert shot.flags is not None
        marked.append(Marked(f"{shot.name}.png", (160, 120), shot.pixels, shot.flags))
    wrong = marked[-1].pixels.copy()
    wrong[[0, 2]] = wrong[[2, 0]]
    marked[-1] = replace(marked[-1], pixels=wrong)
    path = folder / "labels.json"
    path.write_text(json.dumps(as_coco(UR10, marked)))
    return path


def check(out: Path, *words: object) -> tuple[int, dict[str, Any]]:
    code = jointloop("check-labels", "--out", str(out), "--data", *map(str, words))
    return code, json.loads((out / "check-labels.json").read_text())


def test_a_recordings_own_labels_hold(recording: Recording, tmp_path: Path) -> None:
    code, found = check(tmp_path, recording.folder, "--joints", "truth")
    assert (code, found["faulty"]) == (0, 0)
    assert found["images"] == 6
    assert found["checked"] >= 4


def test_a_swap_in_a_file_ends_with_1_and_is_named_and_drawn(
    recording: Recording, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = labels(recording, tmp_path)
    code, found = check(tmp_path, path, "--noise", "1", "--robot", "ur10")
    assert code == 1
    assert found["faults"]["swapped"] == 1
    assert found["pictures"][-1]["faults"][0]["keypoints"] == ["shoulder_pan", "elbow"]
    assert "shoulder_pan and elbow stand in each other's place" in capsys.readouterr().out
    assert cv2.imread(str(tmp_path / "check-labels.png")).std() > 5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--samples", "3"), "nothing is rendered"),
        (("--variety", "calm"), "nothing is rendered"),
        (("--noise", "0"), "noise is 0.0; expected more than 0"),
        (("--speed-limit", "-1"), "speed-limit is -1.0"),
        (("--joints", "truth"), "only a recording knows it"),
        (("--robot", "panda"), "has unknown keypoints"),
        (("--K", "1,2"), "expected fx,fy,cx,cy"),
    ],
)
def test_a_mistake_is_one_line(
    recording: Recording,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    message: str,
) -> None:
    path = labels(recording, tmp_path)
    told = ("check-labels", "--out", str(tmp_path), "--data", str(path), *words)
    assert jointloop(*told) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_what_is_about_a_file_needs_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert jointloop("check-labels", "--noise", "2") == 2
    assert "give --data" in capsys.readouterr().err
