"""Every script in examples/ runs as its first lines say, and leaves what it names."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from feedback.history import read_history
from jointloop import Robot, SampleSettings, collisions, samples

EXAMPLES = Path(__file__).parent.parent / "examples"
SCRIPTS = sorted(path.stem for path in EXAMPLES.glob("*.py"))
LINES = 50
"""A script is read in one go; the wire from scratch may take more."""


def run(name: str, folder: Path, *more: str) -> str:
    """What a script prints."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py", folder, *more],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=folder.parent,
        env=os.environ | {"PYTHONPATH": str(EXAMPLES.parent)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def modules(name: str) -> set[str]:
    """What a script imports."""
    nodes = list(ast.walk(ast.parse((EXAMPLES / f"{name}.py").read_text())))
    plain = {a.name for node in nodes if isinstance(node, ast.Import) for a in node.names}
    return plain | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


def test_every_script_is_run_by_a_test_of_its_name() -> None:
    tests = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert not set(SCRIPTS) - tests
    assert len(SCRIPTS) >= 8


@pytest.mark.parametrize("name", [name for name in SCRIPTS if name != "listen_to_fleet"])
def test_a_script_is_short(name: str) -> None:
    assert len((EXAMPLES / f"{name}.py").read_text().splitlines()) <= LINES


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_uses_the_public_names_alone(name: str) -> None:
    ours = {"simulator", "trainer", "feedback", "blender_scenes"}
    assert not {module.split(".")[0] for module in modules(name)} & ours
    assert not any(module.startswith("jointloop.") for module in modules(name))


@pytest.mark.blender
def test_labelled_image(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "tool_flange" in run("labelled_image", out)
    assert [cv2.imread(str(out / f"{n}.png")).shape for n in ("labelled", "belief", "mask")] == [
        (240, 320, 3)
    ] * 3


def test_own_robot(tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = run("own_robot", out)
    assert "crane: joint angles ('turn', 'lift', 'slide')" in said
    assert cv2.imread(str(out / "crane.png")).shape == (120, 640, 3)


def test_variety(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("variety", out)
    assert cv2.imread(str(out / "gallery.png")).shape == (360, 640, 3)


def test_work_poses(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "4000 poses" in run("work_poses", out)
    poses = np.loadtxt(out / "work.csv", delimiter=",", skiprows=1)
    robot = Robot.named("ur10")
    assert collisions(robot).free(poses).mean() > 0.99  # rounded to four digits
    elbow, wrist = (
        robot.keypoints_world(robot.forward(poses))[:, robot.keypoint_names.index(name), 2]
        for name in ("elbow", "wrist_1")
    )
    assert (elbow > wrist).all()


def test_train(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("train", out)
    assert (out / "best.safetensors").is_file()
    assert (out / "report.html").is_file()
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["held_out_loss"] < rows[0]["held_out_loss"]


def test_selection_rule(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("selection_rule", out)
    history = read_history(out)[1:]
    assert {entry["rule"] for entry in history} == {"HardestOfEachBin(joint=1)"}
    # One sample of each bin of that joint: every bin of the held-out set grows by one each time.
    grown = np.array(history[-1]["alpha"])[1] - 1
    assert set(grown) <= {0.0, float(len(history))}


def test_prior_history(tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = run("prior_history", out)
    assert "selected by HighLoss(share=0.1)" in said
    probability = np.load(out / "probability.npy")
    np.testing.assert_allclose(probability.sum(axis=2), 1.0)
    assert modules("prior_history") == {"json", "subprocess", "sys", "pathlib", "numpy"}


def test_read_recording(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "24 samples of ur10" in run("read_recording", out)
    assert cv2.imread(str(out / "0000-00000023.png")).shape == (120, 160, 3)
    assert "jointloop" not in modules("read_recording")


def test_listen_to_fleet(tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = run("listen_to_fleet", out)
    assert "the trainer said goodbye: that is enough" in said
    settings = SampleSettings(width=160, height=120, seed=7)
    for i, sample in enumerate(samples(settings, range(6), engine="stick")):
        image = cv2.imread(str(out / f"{i}.ppm"))
        np.testing.assert_array_equal(image[..., ::-1], sample.image)
    alone = {"subprocess", "sys", "pathlib", "msgpack", "numpy", "zmq"}
    assert modules("listen_to_fleet") == alone


@pytest.mark.blender
def test_detect(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "elbow" in run("detect", out)
    assert cv2.imread(str(out / "found.png")).shape == (240, 320, 3)
    run("detect", out, str(out / "found.png"))


def test_detect_onnx(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "tool_flange" in run("detect_onnx", out)
    assert np.load(out / "beliefs.npy").shape == (7, 48, 64)
    assert not {"jointloop", "torch"} & modules("detect_onnx")
