"""Laws of exported networks."""

import dataclasses
import json
import sys

import numpy as np
import onnxruntime
import pytest
import torch
from detector_parts import INFO, small_network, weights_file
from torch.export import Dim

from trainer.beliefs import decode_jointly
from trainer.config.presets import preset
from trainer.inference import export as exporting
from trainer.inference.detector import Detector, DetectorError
from trainer.inference.export import ExportError, Shape, export
from trainer.inference.runtime import CPU, CUDA, RuntimeMissing, _providers
from trainer.models import build
from trainer.weights.file import WeightsError


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """An ONNX file of free sizes, and how far it is from its weights."""
    path = tmp_path_factory.mktemp("onnx") / "w.onnx"
    return path, export(small_network(), INFO, "onnx", path)


def photos():
    rng = np.random.default_rng(0)
    sizes = [(96, 64), (200, 150), (60, 90), (333, 111)]
    coarse = [rng.integers(0, 256, (h // 10 + 1, w // 10 + 1, 3), np.uint8) for w, h in sizes]
    return [
        np.kron(c, np.ones((10, 10, 1), np.uint8))[:h, :w]
        for c, (w, h) in zip(coarse, sizes, strict=True)
    ]


def test_an_exported_network_agrees_with_its_weights(exported):
    _, parity = exported
    assert parity.images == 2 * exporting.IMAGES
    assert parity.keypoints > 0
    assert parity.pixels < 0.05
    assert parity.beliefs < 1e-4
    assert f"{parity.keypoints} keypoints found" in parity.line


@pytest.mark.parametrize("scales", [(1.0,), (0.8, 1.25)])
def test_a_detector_sees_the_same_from_either_file(exported, tmp_path, scales):
    onnx, original = Detector.open(exported[0]), Detector.open(weights_file(tmp_path))
    assert onnx.info == original.info == INFO
    theirs, ours = onnx.detect(photos(), scales), original.detect(photos(), scales)
    assert ours.found.any()
    assert np.abs(theirs.pixels - ours.pixels)[ours.found].max() < 0.05
    assert np.abs(theirs.scores - ours.scores).max() < 1e-4


def test_other_programs_find_keypoints_and_what_they_are(exported):
    session = onnxruntime.InferenceSession(exported[0])
    described = json.loads(session.get_modelmeta().custom_metadata_map["jointloop"])
    assert described["keypoints"] == list(INFO.keypoints)
    image = photos()[0][None]
    keypoints, scores, beliefs = session.run(None, {"images": image})
    expected = small_network().peaks(torch.from_numpy(beliefs))
    assert np.allclose(keypoints[0], expected.pixels[0], atol=0.01)
    assert np.allclose(scores[0], expected.scores[0], atol=1e-5)


def test_a_file_of_fixed_shape_takes_photos_and_lots_of_any_size(tmp_path):
    path = tmp_path / "fixed.onnx"
    export(small_network(), INFO, "onnx", path, Shape(size=(96, 64), batch=3))
    detector, free = Detector.open(path), Detector.open(weights_file(tmp_path))
    images = [photos()[0]] * 4 + photos()
    peaks = detector.detect(images)
    assert np.isfinite(peaks.pixels).all()
    assert np.allclose(peaks.pixels[:4], free.detect(images[:4]).pixels, atol=0.05)
    with pytest.raises(DetectorError, match=r"scale 1\.25 does not fit: this network takes 96x64"):
        detector.detect(images, (1.0, 1.25))


def test_pytorchs_own_export_agrees_too(tmp_path):
    path = tmp_path / "w.pt2"
    parity = export(small_network(), INFO, "torch-export", path)
    assert parity.keypoints > 0
    assert parity.pixels < 0.05
    extra = {"jointloop": ""}
    torch.export.load(path, extra_files=extra)
    assert json.loads(extra["jointloop"])["robot"] == "ur10"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tiny", "light", "vgg-up", "heindl2019"])
def test_every_preset_exports(tmp_path, name):
    config = preset(name)
    config = dataclasses.replace(
        config, settings=dataclasses.replace(config.settings, width=96, height=64)
    )
    info = dataclasses.replace(INFO, network=config.network, width=96, height=64)
    torch.manual_seed(0)
    network = build(config.network, len(INFO.keypoints)).eval()
    parity = export(network, info, "onnx", tmp_path / "w.onnx")
    assert parity.beliefs < 1e-3


class Rivals(torch.nn.Module):
    """The decoding of `light` alone."""

    def forward(self, beliefs):
        return decode_jointly.locate(beliefs, 4, 0.05)


@pytest.mark.slow
def test_decoding_among_rivals_exports(tmp_path):
    free = {0: Dim("n"), 2: Dim("h", max=512), 3: Dim("w", max=512)}
    with exporting._quiet():
        program = torch.export.export(Rivals(), (torch.rand(2, 3, 30, 40),), dynamic_shapes=(free,))
        torch.onnx.export(program, dynamo=True, verbose=False).save(tmp_path / "rivals.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "rivals.onnx")
    rng = np.random.default_rng(0)
    for _ in range(50):
        n, h, w = rng.integers([1, 20, 20], [4, 60, 60])
        y, x = np.mgrid[:h, :w]
        spots = rng.uniform([0, 0, 0.7], [w, h, 1.0], (n, 3, 3, 3))[..., None, None]
        squares = (x - spots[:, :, :, 0]) ** 2 + (y - spots[:, :, :, 1]) ** 2
        beliefs = (spots[:, :, :, 2] * np.exp(-squares / 4.5)).max(axis=2).astype(np.float32)
        ours = Rivals()(torch.from_numpy(beliefs))
        theirs = session.run(None, {session.get_inputs()[0].name: beliefs})
        for mine, other in zip(ours, theirs, strict=True):
            assert np.allclose(mine.numpy(), other, atol=1e-3)


def test_a_file_that_would_differ_is_refused_and_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "PARITY", -1.0)
    (tmp_path / "mine.pt2").write_text("precious")
    with pytest.raises(ExportError, match=r"mine\.pt2, which exists already"):
        export(small_network(), INFO, "torch-export", tmp_path / "mine.pt2")
    (tmp_path / "mine.pt2").unlink()
    with pytest.raises(ExportError, match=r"w\.pt2 would differ from its weights, 12 images: .*px"):
        export(small_network(), INFO, "torch-export", tmp_path / "w.pt2")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("to", "name", "shape", "message"),
    [
        ("onnx", "w.pt2", Shape(), r"expected a name that ends in \.onnx"),
        ("torch-export", "w.onnx", Shape(), r"expected a name that ends in \.pt2"),
        ("onnx", "no/w.onnx", Shape(), "there is no folder"),
        ("onnx", "w.onnx", Shape(batch=0), "batch is 0; expected at least 1"),
        ("onnx", "w.onnx", Shape(size=(100, 64)), "size is 100x64; .* multiples of 8"),
        ("onnx", "w.onnx", Shape(size=(0, 64)), "size is 0x64"),
    ],
)
def test_what_cannot_be_exported_is_named(tmp_path, to, name, shape, message):
    with pytest.raises(ExportError, match=message):
        export(small_network(), INFO, to, tmp_path / name, shape)


def test_a_missing_package_is_named_with_what_to_install(tmp_path, monkeypatch, exported):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    for act in (
        lambda: Detector.open(exported[0]),
        lambda: export(small_network(), INFO, "onnx", tmp_path / "w.onnx"),
    ):
        with pytest.raises(RuntimeMissing, match=r"onnxruntime.*pip install 'jointloop\[onnx\]'"):
            act()


@pytest.mark.parametrize("kept", [0, 10, 0.5])
def test_a_truncated_file_is_a_clear_error(exported, tmp_path, kept):
    data = exported[0].read_bytes()
    path = tmp_path / "cut.onnx"
    path.write_bytes(data[: kept if kept > 1 else int(kept * len(data))])
    with pytest.raises(WeightsError, match=r"cut\.onnx") as caught:
        Detector.open(path)
    assert "\n" not in str(caught.value)


def test_a_foreign_onnx_file_is_a_clear_error(exported, tmp_path):
    import onnx

    model = onnx.load(exported[0])
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "foreign.onnx")
    with pytest.raises(WeightsError, match="no metadata of Jointloop; `jointloop export`"):
        Detector.open(tmp_path / "foreign.onnx")


@pytest.mark.parametrize(
    ("device", "there", "first"),
    [
        ("cpu", (CPU, CUDA), CPU),
        ("auto", (CPU,), CPU),
        ("auto", (CPU, CUDA), (CUDA, {"device_id": "0"})),
        ("cuda:1", (CPU, CUDA), (CUDA, {"device_id": "1"})),
    ],
)
def test_a_device_is_what_onnx_runtime_calls_it(device, there, first):
    assert _providers(device, list(there))[0] == first


@pytest.mark.parametrize("device", ["cuda", "tpu"])
def test_a_device_that_is_not_there_is_named(exported, device):
    with pytest.raises(RuntimeMissing, match=f"device '{device}': this onnxruntime has "):
        Detector.open(exported[0], device)
