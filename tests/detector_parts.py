"""What the tests of the detector, predictions and exports share."""

import dataclasses
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from simulator.robot import Robot
from trainer.config.config import NetworkConfig
from trainer.config.presets import preset
from trainer.inference.detector import Detector
from trainer.models import BeliefNetwork, build
from trainer.weights.file import Normalisation, WeightsInfo, save_weights

CONFIG = preset("tiny").changed(size="96x64")
ROBOT = Robot.named("ur10")
SMALL = NetworkConfig(family="folded", widths=(8, 8, 8), stages=1, depth=1, width=8, head=8)
INFO = dataclasses.replace(WeightsInfo.of(CONFIG, ROBOT), network=SMALL)
COLOURS = dataclasses.replace(
    INFO,
    keypoints=("red", "green", "blue"),
    skeleton=((0, 1), (1, 2)),
    sigmas=(0.05, 0.05, 0.05),
    normalisation=Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),  # so padding is black
)


@cache
def small_network(seed: int = 0) -> BeliefNetwork:
    """A network of `INFO` with random weights, and heads that do not whisper."""
    torch.manual_seed(seed)
    network = build(INFO.network, len(INFO.keypoints)).eval()
    for name, value in network.named_parameters():
        if name.startswith("heads") and value.ndim == 4:
            torch.nn.init.normal_(value, std=0.5)
    return network


def weights_file(folder: Path, name: str = "w.safetensors") -> Path:
    """Weights of `small_network`."""
    save_weights(folder / name, small_network(), INFO)
    return folder / name


class Colours(BeliefNetwork):
    """Believes in a keypoint where its colour is: red, green, blue."""

    def __init__(self) -> None:
        super().__init__(joints=3, stride=4, multiple=8)

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        self.normalise(images)
        return [F.avg_pool2d(images.float() / 255.0, 4)]


class ColourRuntime:
    """Runs `Colours`, and keeps what it was shown."""

    def __init__(self, size: tuple[int, int] | None = None, info: WeightsInfo = COLOURS) -> None:
        self.info, self.network, self.size = info, Colours(), size
        self.shown: list[NDArray[np.uint8]] = []

    def run(self, images: NDArray[np.uint8]) -> torch.Tensor:
        self.shown.append(images)
        return self.network(torch.from_numpy(images).permute(0, 3, 1, 2))[-1]


def colour_detector(size: tuple[int, int] | None = None) -> Detector:
    return Detector(ColourRuntime(size))


def painted(
    width: int, height: int, points: NDArray[np.float64], sigma: float
) -> NDArray[np.uint8]:
    """A photo with a red, a green and a blue spot at points (3, 2) [px]."""
    x, y = np.arange(width), np.arange(height)
    spots = [
        np.exp(-((y - py) ** 2) / (2 * sigma**2))[:, None]
        * np.exp(-((x - px) ** 2) / (2 * sigma**2))
        for px, py in points
    ]
    return np.rint(255 * np.stack(spots, axis=-1)).astype(np.uint8)
