"""Samples a second through the real sockets, from one publishing process to one trainer.

`python benchmarks/transport.py --json` prints one JSON object per image size.
"""

import json
import multiprocessing
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import figures

from blender_scenes.stick_scene import StickScene
from simulator.randomization.assignment import Assignment
from simulator.randomization.hidden import draw
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings, parse_size
from simulator.robot import Robot
from simulator.sample import Sample, simulate
from simulator.transport import Hub, Link
from simulator.transport.messages import SCHEMA, Hello


@dataclass(frozen=True)
class Options:
    """What is measured, at every size."""

    json: bool = False
    """Print one JSON object per line."""
    seconds: float = 3.0
    """For each image size."""
    credits: int = 8
    """Samples that may be under way."""
    sizes: tuple[str, ...] = ("160x120", "640x480")
    """Of images, WIDTHxHEIGHT."""


def samples(settings: SampleSettings, assignment: Assignment, worker: int) -> Iterator[Sample]:
    """One rendered image over and over, under new hidden variables: the wire's cost alone."""
    robot = Robot.named(settings.robot)
    first = draw(robot, settings, assignment, worker, 0)
    made = simulate(StickScene(robot.model), robot, settings, first)
    for index in count():
        hidden = replace(first, provenance=replace(first.provenance, index=index))
        yield replace(made, hidden=hidden)


def publish(address: str) -> None:
    """Publish for credits until the trainer says goodbye."""
    instance = uuid.uuid4().bytes
    with Link(address) as link:
        welcome = link.join(Hello(SCHEMA, instance, instance), 60)
        assert welcome is not None
        robot = Robot.named(welcome.settings.robot)
        link.attach(welcome, robot, instance, 60)
        for sample in samples(welcome.settings, link.assignment, welcome.worker):
            while not link.credits and link.farewell is None:
                link.pump(1)
            link.pump(0)
            if link.farewell is not None:
                return
            link.publish(sample)


def measure(size: str, seconds: float, credits: int) -> dict[str, Any]:
    """Receive for that long."""
    width, height = parse_size(size)
    settings = SampleSettings(width=width, height=height)
    robot = Robot.named(settings.robot)
    prior = JointPrior.uniform(robot.lower, robot.upper, settings.bins)
    with Hub(
        "tcp://127.0.0.1:0", "benchmark", settings, robot, Assignment.of(prior), credits=credits
    ) as hub:
        spawn = multiprocessing.get_context("spawn")
        process = spawn.Process(target=publish, args=(hub.address,))
        process.start()
        while not hub.poll(1):
            pass
        started, received, size_bytes = time.perf_counter(), 0, 0
        while time.perf_counter() - started < seconds:
            for each in hub.poll(0.1):
                received += 1
                parts = (each.sample.image, each.sample.belief, each.sample.mask)
                size_bytes += sum(part.size for part in parts)
                hub.consumed(each.worker)
        spent = time.perf_counter() - started
        delivery = hub.delivery
    process.join(10)
    return {
        "size": size,
        "credits": credits,
        "samples_per_second": round(received / spent, 1),
        "megabytes_per_second": round(size_bytes / spent / 1e6, 1),
        "lost": delivery.lost,
        "rejected": delivery.rejected,
    }


def main(options: Options) -> None:
    """Measure and print."""
    for size in options.sizes:
        result = measure(size, options.seconds, options.credits)
        if options.json:
            print(json.dumps(result), flush=True)
            continue
        print(
            f"{size}: {result['samples_per_second']} samples/s, "
            f"{result['megabytes_per_second']} MB/s, {result['lost']} lost",
            flush=True,
        )


if __name__ == "__main__":
    figures.run(main, Options)
