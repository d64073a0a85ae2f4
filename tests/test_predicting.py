"""The verbs predict and export: a user's mistake is one line, and what they write is whole."""

import json

import cv2
import numpy as np
import pytest
from detector_parts import weights_file
from test_cli import jointloop

from trainer.weights import shipped
from trainer.weights.file import WeightsError
from trainer.weights.shipped import shipped_weights


@pytest.fixture
def photo(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((60, 80, 3), 90, np.uint8))
    return tmp_path / "a.png"


def test_predict_writes_a_folder(tmp_path, photo):
    weights, out = weights_file(tmp_path), tmp_path / "out"
    words = ["predict", str(photo), "--weights", str(weights), "--out", str(out), "--beliefs"]
    assert jointloop(*words, "--scales", "0.8,1", "--device", "cpu") == 0
    assert {p.name for p in out.iterdir()} == {
        "a.png",
        "a.beliefs.png",
        "keypoints.csv",
        "coco_keypoints.json",
    }
    assert len(json.loads((out / "coco_keypoints.json").read_text())) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere.png"], "nowhere.png: there is no such file or folder"),
        (["{photo}", "--scales", "1,two"], "scales is '1,two'; expected numbers"),
        (["{photo}", "--scales", "9"], "scale 9.0 is out of range"),
        (["{photo}", "--threshold", "2"], "threshold is 2.0; expected 0 to 1"),
        (["{photo}", "--device", "tpu"], "device 'tpu' cannot be used"),
        (["{photo}", "--weights", "nowhere.onnx"], "nowhere.onnx: there is no such file"),
        (["{photo}", "--weights", "{photo}"], "expected a file named .safetensors or .onnx"),
    ],
)
def test_a_mistake_in_predict_is_one_line(tmp_path, photo, capsys, words, message):
    weights = [] if "--weights" in words else ["--weights", str(weights_file(tmp_path))]
    words = [word.format(photo=photo) for word in words]
    assert jointloop("predict", *words, *weights, "--out", str(tmp_path / "out")) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--to", "onnx", "--out", "x.pt2"], "expected a name that ends in .onnx"),
        (["--to", "onnx", "--out", "x.onnx", "--size", "big"], "WIDTHxHEIGHT"),
        (["--to", "onnx", "--out", "x.onnx", "--size", "100x64"], "multiples of 8"),
        (["--to", "onnx", "--out", "x.onnx", "--batch", "0"], "batch is 0"),
    ],
)
def test_a_mistake_in_export_is_one_line(tmp_path, capsys, words, message):
    assert jointloop("export", *words, "--weights", str(weights_file(tmp_path))) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert len(error.splitlines()) == 1


def test_export_says_how_far_the_file_is_from_its_weights(tmp_path, capsys):
    out = tmp_path / "x.pt2"
    words = ["--to", "torch-export", "--out", str(out), "--weights", str(weights_file(tmp_path))]
    assert jointloop("export", *words) == 0
    assert "px apart; beliefs at most" in capsys.readouterr().out
    assert out.is_file()


def test_weights_that_ship_are_found_in_a_checkout_or_a_package(tmp_path, monkeypatch):
    checkout, package = tmp_path / "weights", tmp_path / "shipped_weights"
    monkeypatch.setattr(shipped, "FOLDERS", (checkout, package))
    with pytest.raises(WeightsError, match="no weights 'ur10' came with this installation; give"):
        shipped_weights()
    for folder in (package, checkout):
        folder.mkdir()
        (folder / "ur10.safetensors").write_bytes(b"")
        assert shipped_weights() == folder / "ur10.safetensors"
