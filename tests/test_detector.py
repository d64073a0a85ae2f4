"""Laws of the detector."""

import dataclasses

import numpy as np
import pytest
import torch
from detector_parts import (
    COLOURS,
    INFO,
    ColourRuntime,
    colour_detector,
    painted,
    small_network,
    weights_file,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.inference.detector import CHUNK, Detector, DetectorError
from trainer.weights.file import WeightsError

POINTS = np.array([[0.3, 0.4], [0.55, 0.7], [0.8, 0.25]])


def photo(width, height):
    """A photo with spots, and where they are [px]."""
    points = POINTS * [width, height]
    return painted(width, height, points, sigma=0.07 * (width * height) ** 0.5), points


@given(st.integers(40, 1000), st.integers(40, 1000), st.sampled_from([None, (96, 64)]))
@settings(max_examples=60)
def test_keypoints_come_back_in_the_photos_own_pixels(width, height, size):
    if not 0.6 < width / height < 1.7:
        return
    image, points = photo(width, height)
    found = colour_detector(size).detect([image]).pixels[0]
    # A tenth of a belief map cell, in pixels of the photo.
    assert np.abs(found - points).max() < 0.1 * 4 * max(1.0, (width * height / (96 * 64)) ** 0.5)


@pytest.mark.parametrize("scales", [(0.8,), (1.5,), (0.8, 1.0, 1.25), (2.0, 0.7)])
def test_scales_agree_on_where_a_keypoint_is(scales):
    image, points = photo(640, 480)
    peaks = colour_detector().detect([image], scales)
    assert np.abs(peaks.pixels[0] - points).max() < 1.0
    assert peaks.found.all()


def test_beliefs_of_several_scales_are_averaged():
    class Fading(ColourRuntime):
        """Believes half as much in what it sees large."""

        def run(self, images):
            return super().run(images) * (0.5 if images.shape[1] > 64 else 1.0)

    image, _ = photo(960, 640)
    plain = Detector(ColourRuntime()).detect([image], (1.0, 2.0)).scores
    faded = Detector(Fading()).detect([image], (1.0, 2.0)).scores
    assert faded == pytest.approx(0.75 * plain, abs=0.03)


def test_a_photo_of_the_trained_size_is_seen_as_the_network_sees_it(tmp_path):
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (3, INFO.height, INFO.width, 3), np.uint8)
    network = small_network()
    with torch.no_grad():
        belief = network(torch.from_numpy(images).permute(0, 3, 1, 2))[-1]
    expected = network.peaks(belief)
    detector = Detector.open(weights_file(tmp_path))
    assert detector.info == INFO
    peaks, beliefs = detector.detect_with_beliefs(images)
    assert np.allclose(peaks.pixels, expected.pixels, atol=1e-3)
    assert np.allclose(peaks.scores, expected.scores, atol=1e-5)
    assert np.allclose(np.stack(beliefs), belief.numpy(), atol=1e-5)


def test_images_of_any_sizes_are_answered_in_their_order():
    sizes = [(64, 48), (300, 200), (48, 64), (64, 48), (300, 200)] + [(90, 60)] * (CHUNK + 1)
    images = [painted(w, h, np.array([[i + 3.0, 20]] * 3), 4.0) for i, (w, h) in enumerate(sizes)]
    together = colour_detector().detect(images)
    alone = [colour_detector().detect([image]) for image in images]
    assert np.array_equal(together.pixels, [p.pixels[0] for p in alone])
    assert np.array_equal(together.scores, [p.scores[0] for p in alone])


def test_no_images_give_no_keypoints():
    peaks = colour_detector().detect([])
    assert peaks.pixels.shape == (0, 3, 2)
    assert peaks.scores.shape == (0, 3)


def test_padding_has_the_colour_that_normalises_to_zero_and_holds_no_keypoint():
    runtime = ColourRuntime(info=dataclasses.replace(COLOURS, normalisation=INFO.normalisation))
    peaks = Detector(runtime).detect([np.full((450, 500, 3), 50, np.uint8)])
    corner = runtime.shown[0][0, -1, -1]
    assert np.allclose(corner, 255 * np.array(INFO.normalisation.mean), atol=0.51)
    assert peaks.scores.max() < 0.49  # where a cell is half padding, not more
    assert (peaks.pixels < [500 + 8, 450 + 8]).all()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((0, 10, 3), np.uint8), r"image 1 is uint8 of shape \(0, 10, 3\), expected"),
        (np.zeros((10, 10), np.uint8), r"of shape \(10, 10\), expected uint8 \(H, W, 3\)"),
        (np.zeros((10, 10, 4), np.uint8), r"of shape \(10, 10, 4\), expected"),
        (np.zeros((10, 10, 3), np.float32), "image 1 is float32"),
    ],
)
def test_what_is_no_picture_is_named(image, message):
    with pytest.raises(DetectorError, match=message):
        colour_detector().detect([np.zeros((8, 8, 3), np.uint8), image])


@pytest.mark.parametrize(
    ("scales", "size", "message"),
    [
        ((), None, "no scale"),
        ((1.0, 0.0), None, "scale 0.0 is out of range, expected 0.1 to 4"),
        ((float("nan"),), None, "scale nan"),
        ((1.0, 1.25), (96, 64), "scale 1.25 does not fit: this network takes 96x64 alone"),
    ],
)
def test_scales_out_of_range_are_named(scales, size, message):
    with pytest.raises(DetectorError, match=message):
        colour_detector(size).detect([np.zeros((8, 8, 3), np.uint8)], scales)


def test_a_tiny_photo_is_looked_at_all_the_same():
    peaks = colour_detector().detect([np.full((1, 1, 3), 255, np.uint8)])
    assert np.isfinite(peaks.pixels).all()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("w.pt", b"", r"w\.pt: expected a file named \.safetensors or \.onnx"),
        ("w.safetensors", None, r"w\.safetensors: there is no such file"),
        ("w.safetensors", b"garbage", r"cannot read the weights .*w\.safetensors"),
        ("w.onnx", None, r"w\.onnx: there is no such file"),
    ],
)
def test_files_that_hold_no_detector_are_named(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=message) as caught:
        Detector.open(tmp_path / name)
    assert "\n" not in str(caught.value)
