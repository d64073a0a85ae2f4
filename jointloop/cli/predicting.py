"""Verbs that use a trained detector: predict, export."""

from pathlib import Path
from typing import Literal

import tyro

from jointloop.cli.app import app, scales_in
from jointloop.cli.app import out as console


@app.command
def predict(
    inputs: tyro.conf.Positional[tuple[Path, ...]],
    *,
    out: Path,
    weights: Path | None = None,
    scales: str = "1",
    beliefs: bool = False,
    threshold: float = 0.1,
    device: str = "auto",
) -> int:
    """Find the robot's keypoints in pictures and videos.

    Args:
        inputs: Pictures, videos, or folders of them; a folder's own folders are not looked into.
        out: A new folder: takes the pictures with their keypoints, keypoints.csv and
            coco_keypoints.json.
        weights: A .safetensors file of a run, or an .onnx file of `export`; by default those that
            come with Jointloop.
        scales: Sizes at which each image is looked at, relative to the one trained at, such as
            0.8,1,1.25; beliefs are averaged.
        beliefs: Keep the belief maps of pictures.
        threshold: Score from which a keypoint counts as found.
        device: cpu, cuda, cuda:N, or auto: a GPU where there is one.
    """
    from trainer.inference.detector import Detector
    from trainer.inference.media import find
    from trainer.inference.predict import Options
    from trainer.inference.predict import predict as predict_all
    from trainer.runs.progress import Progress
    from trainer.weights.shipped import shipped_weights

    options = Options(scales_in(scales), threshold, beliefs)
    media = find(inputs, _say)
    detector = Detector.open(weights or shipped_weights(), device)
    detector.check_scales(options.scales)
    try:
        with Progress(console) as progress:
            done = predict_all(detector, media, out, options, progress.say, progress.update)
    except KeyboardInterrupt:
        _say(f"{out} keeps what was found so far")
        raise
    _say(f"{out}: {done.count} images and frames; keypoints.csv, coco_keypoints.json")
    return 0


@app.command
def export(
    *,
    to: Literal["onnx", "torch-export"],
    out: Path,
    weights: Path | None = None,
    size: str | None = None,
    batch: int | None = None,
) -> int:
    """Write a detector as one file for other programs; it is compared with its weights first.

    The file takes uint8 RGB images (batch, height, width, 3) and gives keypoints [px], scores and
    belief maps: normalisation and decoding are inside.

    Args:
        to: onnx or torch-export.
        out: The file: .onnx or .pt2.
        weights: A .safetensors file of a run; by default the one that comes with Jointloop.
        size: Fix the image size, WIDTHxHEIGHT; by default it is free.
        batch: Fix the number of images at once; by default it is free.
    """
    from simulator.randomization.settings import parse_size
    from trainer.inference.export import Shape
    from trainer.inference.export import export as write
    from trainer.weights.file import open_network
    from trainer.weights.shipped import shipped_weights

    shape = Shape(None if size is None else parse_size(size), batch)
    network, info = open_network(weights or shipped_weights())
    parity = write(network, info, to, out, shape)
    _say(f"compared with its weights on {parity.line}")
    _say(f"{out}: {info.robot}, {len(info.keypoints)} keypoints, preset {info.preset}")
    return 0


def _say(line: str) -> None:
    console.print(line, markup=False)
