"""Images a second of every preset's network, in PyTorch and in ONNX Runtime, on this machine.

From images in memory to keypoints in their pixels, by `Detector.detect`, at the preset's own size
or one that follows its name (`small@256x192`); random weights, since speed does not depend on them.
Batches are of images given at once.

    python benchmarks/predict.py --json benchmarks/results/predict.json
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

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
SECONDS = 10.0
WARM_UP = 2


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


def measure(name: str, runtimes: list[str], seconds: float) -> dict[str, Any]:
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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--presets", nargs="+", default=[*PRESETS, "small@256x192"])
    parser.add_argument("--runtimes", nargs="+", default=["eager", "onnx"])
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each measurement")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    load, results = os.getloadavg()[0], []
    for name in args.presets:
        row = measure(name, args.runtimes, args.seconds)
        results.append(row)
        rates = ", ".join(
            f"{runtime} {row[f'{runtime}_{batch}']:.1f} in batches of {batch}"
            for runtime in args.runtimes
            for batch in BATCHES
        )
        print(f"{row['preset']} at {row['size']}: images/s {rates}", flush=True)
    if args.json:
        machine = {
            "cores": os.cpu_count(),
            "threads": args.threads,
            "load_before": round(load, 2),
            "processor": platform.processor() or platform.machine(),
        }
        command = "python benchmarks/predict.py " + " ".join(sys.argv[1:])
        text = json.dumps({"command": command, **machine, "results": results}, indent=2)
        args.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
