"""Images a second of every preset's network, in PyTorch and in ONNX Runtime, on this machine.

From images in memory to keypoints in their pixels, by `Detector.detect`, at the preset's own size
or one that follows its name (`small@256x192`); random weights, since speed does not depend on them.
Batches are of images given at once.

    python benchmarks/predict.py --json benchmarks/results/predict.json
"""

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import figures
import numpy as np
import torch

from simulator.robot import Robot
from trainer.config.presets import PRESETS, preset
from trainer.inference.detector import Detector
from trainer.inference.export import Shape, export
from trainer.inference.runtime import TorchRuntime
from trainer.models import build
from trainer.weights.file import WeightsInfo

BATCHES = (1, 8)
WARM_UP = 2


@dataclass(frozen=True)
class Options:
    """What is measured; every preset in every runtime."""

    presets: tuple[str, ...] = (*PRESETS, "small@256x192")
    """Of networks, at their own size or at one that follows the name."""
    runtimes: tuple[Literal["eager", "onnx"], ...] = ("eager", "onnx")
    """PyTorch as it is, ONNX Runtime."""
    seconds: float = 10.0
    """Of each measurement."""
    threads: int = os.cpu_count() or 1
    """Of PyTorch."""
    json: Path | None = None
    """File to write the figures to as well."""


def rate(detector: Detector, batch: int, seconds: float) -> float:
    """Images a second, at that many in each call."""
    info = detector.info
    shape = (batch, info.height, info.width, 3)
    images = list(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    for _ in range(WARM_UP):
        detector.detect(images)
    calls, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        detector.detect(images)
        calls += 1
    return calls * batch / (time.perf_counter() - started)


def measure(name: str, runtimes: tuple[str, ...], seconds: float) -> dict[str, Any]:
    """All rates of one preset [images/s]."""
    name, _, size = name.partition("@")
    config, robot = preset(name).changed(size=size or None), Robot.named("ur10")
    info = WeightsInfo.of(config, robot)
    torch.manual_seed(0)
    network = build(config.network, len(info.keypoints)).eval()
    row: dict[str, Any] = {"preset": name, "size": config.settings.size}
    detectors = {"eager": Detector(TorchRuntime(network, info))}
    with tempfile.TemporaryDirectory() as folder:
        if "onnx" in runtimes:
            path = Path(folder) / f"{name}.onnx"
            export(network, info, "onnx", path, Shape())
            detectors["onnx"] = Detector.open(path)
        for runtime in runtimes:
            for batch in BATCHES:
                row[f"{runtime}_{batch}"] = rate(detectors[runtime], batch, seconds)
    return row


def main(options: Options) -> None:
    """Measure and print."""
    torch.set_num_threads(options.threads)
    load, results = os.getloadavg()[0], []
    for name in options.presets:
        row = measure(name, options.runtimes, options.seconds)
        results.append(row)
        rates = ", ".join(
            f"{runtime} {row[f'{runtime}_{batch}']:.1f} in batches of {batch}"
            for runtime in options.runtimes
            for batch in BATCHES
        )
        print(f"{row['preset']} at {row['size']}: images/s {rates}", flush=True)
    machine = {**figures.machine(), "threads": options.threads, "load_before": round(load, 2)}
    figures.write(options.json, {**machine, "results": results})


if __name__ == "__main__":
    figures.run(main, Options)
