"""What a training step costs: rates, the wait for data, memory, and where the time goes.

`python benchmarks/train.py --json FILE` also writes the figures. Every preset runs at every size
and in every precision in a process of its own, on batches that lie ready and on batches read from a
recording. A step slower than `--patience` is measured once and the rest left out: that network is
for another machine. What competes for the cores counts in rates, but hardly in CPU seconds.
"""

import contextlib
import itertools
import multiprocessing
import resource
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import figures
import torch

from jointloop.common.errors import JointloopError
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings
from simulator.recordings.recorder import record
from simulator.recordings.recording import Recording, describe
from simulator.recordings.replay import rendering_here
from simulator.robot import Robot
from trainer.batch import Batch
from trainer.config.config import Config, Precision
from trainer.config.presets import PRESETS, preset
from trainer.learning.learner import Learner
from trainer.learning.precision import resolved
from trainer.open_source import recorded_source
from trainer.session import build_learner

WARM_UP = 3
READY = 4
"""Batches that lie ready, in turn."""
STAGES = ("forward", "backward", "optimiser", "average")


@dataclass(frozen=True)
class Options:
    """What is measured; every preset at every size and in every precision."""

    presets: tuple[str, ...] = tuple(PRESETS)
    """As `jointloop presets` lists them."""
    sizes: tuple[str, ...] = ("160x120", "320x240")
    """Of images, WIDTHxHEIGHT; those that a preset cannot take are left out."""
    precisions: tuple[Precision, ...] = ("auto",)
    """Of the forward pass."""
    device: str = field(default_factory=lambda: "cuda" if torch.cuda.is_available() else "cpu")
    """To train on."""
    seconds: float = 20.0
    """Of each measurement."""
    patience: float = 30.0
    """Longest first step of a preset that is measured further [s]."""
    json: Path | None = None
    """File to write the figures to as well."""


class Clock:
    """Seconds by stage, from callables that it is put around."""

    def __init__(self, device: torch.device) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._device = device

    def now(self) -> float:
        """The time, when the device has done what it was given."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()

    def around(self, stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same callable, its time noted."""

        def timed(*args: Any, **more: Any) -> Any:
            started = self.now()
            try:
                return call(*args, **more)
            finally:
                self.seconds[stage] += self.now() - started

        return timed


def recording_of(folder: Path, settings: SampleSettings, samples: int) -> Recording:
    """A small recording of sticks."""
    rendering = rendering_here("stick", 4, settings)
    recording = Recording.create(folder, describe(settings, rendering, samples, 4, samples))
    record(recording, 1, say=lambda line: None)
    return recording


def steps(learner: Learner, batch: Callable[[], Batch], seconds: float) -> dict[str, float]:
    """Rates over at least that long."""
    waited, samples, burnt = 0.0, 0, time.process_time()
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        asked = time.perf_counter()
        one = batch()
        waited += time.perf_counter() - asked
        learner.step(one, 0.5)
        samples += len(one)
    spent = time.perf_counter() - started
    return {
        "samples_per_second": samples / spent,
        "cpu_seconds_per_sample": (time.process_time() - burnt) / samples,
        "wait_share": waited / spent,
    }


def split(learner: Learner, batches: list[Batch], count: int) -> dict[str, float]:
    """Mean seconds of every stage of a step; `backward` is all that the others are not."""
    clock = Clock(learner.device)
    learner._loss = clock.around("forward", learner._loss)
    learner.scaler.step = clock.around("optimiser", learner.scaler.step)
    learner._average = clock.around("average", learner._average)
    started = clock.now()
    for i in range(count):
        learner.step(batches[i % len(batches)], 0.5)
    whole = clock.now() - started
    clock.seconds["backward"] = whole - sum(clock.seconds.values())
    return {stage: clock.seconds[stage] / count for stage in STAGES}


def measure(config: Config, device: str, seconds: float, patience: float) -> dict[str, Any]:
    """All figures of one preset at one size."""
    settings, size = config.settings, config.batch_size
    row: dict[str, Any] = {"preset": config.preset, "size": settings.size, "batch_size": size}
    row["precision"] = str(resolved(config.precision, torch.device(device)))
    robot = Robot.named(settings.robot)
    prior = JointPrior.uniform(robot.lower, robot.upper, settings.bins)
    learner, _ = build_learner(config, robot, device)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        recording = recording_of(Path(folder) / "sticks", settings, READY * size + 4)
        source = recorded_source(config, [recording], prior, lambda line: None)
        stack.callback(source.close)
        ready = [source.batch(size) for _ in range(READY)]
        started = time.perf_counter()
        learner.step(ready[0], 0.5)
        if (first := time.perf_counter() - started) > patience:
            return row | {"first_step_seconds": first, "skipped": True} | memory(device)
        for i in range(WARM_UP):
            learner.step(ready[i % READY], 0.5)
        turn = iter(range(sys.maxsize))
        row["ready"] = steps(learner, lambda: ready[next(turn) % READY], seconds)
        row["recording"] = steps(learner, lambda: source.batch(size), seconds)
        a_step = size / row["ready"]["samples_per_second"]
        row["stage_seconds"] = split(learner, ready, max(int(seconds / a_step), 1))
    return row | {"threads": torch.get_num_threads()} | memory(device)


def memory(device: str) -> dict[str, float]:
    """Peak memory of this process, and of its GPU [MB]."""
    peak = {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    if torch.device(device).type == "cuda":
        peak["peak_gpu_mb"] = torch.cuda.max_memory_allocated() / 2**20
    return peak


def said(row: dict[str, Any]) -> str:
    """A row in words."""
    name = f"{row['preset']} {row['size']} batch {row['batch_size']} precision {row['precision']}"
    if row.get("skipped"):
        first = row["first_step_seconds"]
        return (
            f"{name}: left out, its first step took {first:.0f} s "
            f"({first / row['batch_size']:.1f} s a sample); {row['peak_mb']:.0f} MB"
        )
    ready, read = row["ready"], row["recording"]
    times = " ".join(f"{stage} {1e3 * s:.1f}" for stage, s in row["stage_seconds"].items())
    return (
        f"{name}: {ready['samples_per_second']:.1f} samples/s, {read['samples_per_second']:.1f} "
        f"from a recording (waits {read['wait_share']:.0%}); "
        f"{1e3 * ready['cpu_seconds_per_sample']:.0f} ms CPU a sample; peak "
        f"{row['peak_mb']:.0f} MB\n    [ms a step] {times}"
    )


def rows(options: Options) -> list[dict[str, Any]]:
    """Measure and print, one process after the other."""
    results = []
    presets = [preset(name) for name in options.presets]
    for begun, size, precision in itertools.product(presets, options.sizes, options.precisions):
        try:
            config = begun.changed(size=size, feedback=False, precision=precision)
        except JointloopError as error:
            print(f"{begun.preset} {size}: left out, {error}", flush=True)
            continue
        config = replace(config, stream=replace(config.stream, held_out=4))
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn) as alone:
            device, seconds, patience = options.device, options.seconds, options.patience
            results.append(alone.submit(measure, config, device, seconds, patience).result())
        print(said(results[-1]), flush=True)
    return results


def main(options: Options) -> None:
    """Measure, print, and write down."""
    taken = {"device": options.device, "torch": torch.__version__}
    results = rows(options)
    figures.write(options.json, {**taken, **figures.machine(), "results": results})


if __name__ == "__main__":
    figures.run(main, Options)
