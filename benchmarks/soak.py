"""Many samples through a real fleet: memory of the workers over time, and every index counted.

`python benchmarks/soak.py --samples 5000 --json FILE` also writes the curve.
"""

import json
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import figures

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


@dataclass(frozen=True)
class Options:
    """What is taken, and from whom."""

    samples: int = 5000
    """To take in all."""
    workers: int = 2
    """In the fleet."""
    size: str = "160x120"
    """Of images, WIDTHxHEIGHT."""
    variety: str = "calm"
    """calm, full, real, or a TOML file."""
    recycle_frames: int = 20_000
    """After which a worker is replaced by a fresh one."""
    json: Path | None = None
    """File to write the figures and the curve to."""


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
                    source = received.sample.hidden.provenance
                    seen.setdefault(source.worker, Counter())[source.index] += 1
                if time.monotonic() - said > EVERY_S:
                    said = time.monotonic()
                    rss = {id: round(w.rss / 2**20, 1) for id, w in hub.workers.items()}
                    curve.append({"seconds": said - started, "samples": done, "rss_mb": rss})
                    print(f"{done} samples, memory [MB] {rss}", flush=True)
        delivery = hub.delivery.to_json()
    warm = [point["rss_mb"] for point in curve if point["samples"] > samples / 10]
    grown = {id: [rss[id] for rss in warm if rss.get(id)] for id in seen}
    return {
        "samples": samples,
        "seconds": time.monotonic() - started,
        "missing": sum(max(c) + 1 - len(c) for c in seen.values()),
        "doubled": sum(n - 1 for c in seen.values() for n in c.values()),
        "memory_peak_over_warm": {id: max(mb) / mb[0] for id, mb in grown.items() if mb},
        "delivery": delivery,
        "curve": curve,
    }


def main(options: Options) -> None:
    """Soak and print."""
    width, height = parse_size(options.size)
    settings = SampleSettings(width=width, height=height, variety=variety(options.variety))
    result = soak(settings, options.samples, options.workers, options.recycle_frames)
    print(json.dumps({k: v for k, v in result.items() if k != "curve"}, indent=2))
    figures.write(options.json, result)


if __name__ == "__main__":
    figures.run(main, Options)
