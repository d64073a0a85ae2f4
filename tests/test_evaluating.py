"""`jointloop evaluate`: a table, metrics.json, a picture; a mistake is one line."""

import json
from pathlib import Path

import cv2
import pytest
from detector_parts import weights_file
from recording_parts import description, recorded
from test_cli import jointloop

from simulator.recordings.convert import to_coco
from simulator.recordings.recording import Recording


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return weights_file(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return recorded(tmp_path_factory.mktemp("evaluating") / "recording", description(held_out=5))


def evaluate(weights: Path, data: Path, *more: str) -> int:
    words = ("--weights", str(weights), "--data", str(data), "--device", "cpu", *more)
    return jointloop("evaluate", *words)


def test_a_recording_is_evaluated_into_a_table_a_file_and_a_picture(
    weights: Path, recording: Recording, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "m.json"
    assert evaluate(weights, recording.folder, "--out", str(out), "--worst", "4") == 0
    shown = capsys.readouterr().out
    found = json.loads(out.read_text())
    assert (found["images"], found["asked"]["split"]) == (5, "heldout")
    for name in ("all", "hidden", "visible", *recording.about.robot.keypoints):
        assert any(line.startswith(name + " ") for line in shown.splitlines())
    assert str(found["overall"]["n_in_frame"]) in shown
    assert str(out) in shown
    picture = cv2.imread(str(tmp_path / "m-worst.png"))
    assert picture.shape == (2 * 240 + 2, 3 * 320 + 4, 3)
    assert picture.std() > 5


def test_a_recording_and_what_convert_makes_of_it_get_the_same_figures(
    weights: Path, recording: Recording, tmp_path: Path
) -> None:
    to_coco(recording, tmp_path / "coco")
    labels = tmp_path / "coco" / "annotations" / "keypoints_train.json"
    files = [tmp_path / "recording.json", tmp_path / "coco.json"]
    assert evaluate(weights, recording.folder, "--split", "train", "--out", str(files[0])) == 0
    assert evaluate(weights, labels, "--out", str(files[1]), "--worst", "0") == 0
    first, second = (json.loads(file.read_text()) for file in files)
    for part in ("overall", "joints", "visibility", "oks"):
        assert first[part] == second[part]
    assert not (tmp_path / "coco-worst.png").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--data", "nowhere.json"), "cannot read nowhere.json"),
        (("--data", "."), "holds no recording"),
        (("--weights", "nowhere.safetensors"), "nowhere.safetensors"),
        (("--device", "tpu"), "device 'tpu'"),
        (("--scales", "9"), "scale 9.0 is out of range"),
        (("--worst", "-1"), "worst is -1"),
        (("--out", "nowhere/m.json"), "there is no folder nowhere"),
    ],
)
def test_a_mistake_is_one_line(
    weights: Path,
    recording: Recording,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert evaluate(weights, recording.folder, *words) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.iterdir())
