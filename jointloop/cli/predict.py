"""predict: finds the robot's keypoints in pictures and videos."""

from pathlib import Path

import tyro

from jointloop.cli.app import out as console
from jointloop.cli.app import say, scales_in


def predict(
    inputs: tyro.conf.Positional[tuple[Path, ...]],
    *,
    out: Path,
    weights: Path | None = None,
    scales: str = "1",
    zoom: bool = True,
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
        zoom: Look again at the part of an image that shows the robot, where that is small, and at a
            finer scale where the first look is unsure.
        device: cpu, cuda, cuda:N, or auto: a GPU where there is one.
    """
    from jointloop.common.progress import Progress
    from trainer.inference.detector import Detector
    from trainer.inference.media import find
    from trainer.inference.predict import Options
    from trainer.inference.predict import predict as predict_all
    from trainer.weights.shipped import shipped_weights

    options = Options(scales_in(scales), threshold, beliefs, zoom)
    media = find(inputs, say)
    detector = Detector.open(weights or shipped_weights(), device)
    detector.check_scales(options.scales)
    try:
        with Progress(console) as progress:
            done = predict_all(detector, media, out, options, progress.say, progress.update)
    except KeyboardInterrupt:
        say(f"{out} keeps what was found so far")
        raise
    say(f"{out}: {done.count} images and frames; keypoints.csv, coco_keypoints.json")
    return 0
