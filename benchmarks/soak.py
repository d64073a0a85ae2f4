"""Many samples through a real fleet: memory of the workers over time, and every index counted.

`python benchmarks/soak.py --samples 5000 --json FILE` also writes the curve.
"""

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from simulator.fleet.fleet import Fleet
from simulator.fleet.worker import WorkerOptions
from simulator.randomization.assignment import Assignment
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings, parse_size
from simulator.randomization.variety import variety
from simulator.robot import Robot
from simulator.transport import Hub

EVERY_S = 5.0
"""Between points of the curve."""


def soak(
    settings: SampleSettings, samples: int, workers: int, recycle_frames: int
) -> dict[str, Any]:
    """Take so many samples; what came of them and the workers' memory on the way."""
    robot = Robot.named(settings.robot)
    prior = JointPrior.uniform(robot.lower, robot.upper, settings.bins)
    seen: dict[int, Counter[int]] = {}
    curve: list[dict[str, Any]] = []
    with Hub("tcp://127.0.0.1:0", "soak", settings, robot, Assignment.of(prior)) as hub:
        options = WorkerOptions(hub.local_address, recycle_frames=recycle_frames)
        with Fleet(workers, options) as fleet:
            started = said = time.monotonic()
            hub.limit_outstanding(samples)
            while (done := sum(c.total() for c in seen.values())) < samples:
                fleet.poll()
                for received in hub.poll(0.1):
                    hub.consumed(received.worker)
                    index = received.sample.hidden.provenance.index
                    seen.setdefault(received.worker, Counter())[index] += 1
                if time.monotonic() - said > EVERY_S:
                    said = time.monotonic()
                    rss = {id: round(w.rss / 2**20, 1) for id, w in hub.workers.items()}
                    curve.append({"seconds": said - started, "samples": done, "rss_mb": rss})
                    print(f"{done} samples, memory [MB] {rss}", flush=True)
        delivery = hub.delivery.to_json()
    warm = [point for point in curve if point["samples"] > samples / 10]
    peaks = {
        id: max(p["rss_mb"][id] for p in warm) / warm[0]["rss_mb"][id] for id in warm[0]["rss_mb"]
    }
    return {
        "samples": samples,
        "seconds": time.monotonic() - started,
        "missing": sum(max(c) + 1 - len(c) for c in seen.values()),
        "doubled": sum(n - 1 for c in seen.values() for n in c.values()),
        "memory_peak_over_warm": peaks,
        "delivery": delivery,
        "curve": curve,
    }


def main() -> None:
    """Soak and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--size", default="160x120")
    parser.add_argument("--variety", default="calm")
    parser.add_argument("--recycle-frames", type=int, default=20_000)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    width, height = parse_size(args.size)
    settings = SampleSettings(width=width, height=height, variety=variety(args.variety))
    result = soak(settings, args.samples, args.workers, args.recycle_frames)
    shown = {key: value for key, value in result.items() if key != "curve"}
    print(json.dumps(shown, indent=2))
    if args.json:
        command = "python benchmarks/soak.py " + " ".join(sys.argv[1:])
        args.json.write_text(json.dumps({"command": command, **result}, indent=2) + "\n")


if __name__ == "__main__":
    main()
