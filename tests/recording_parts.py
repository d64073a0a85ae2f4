"""What the tests of recordings, replay, conversion and the pool share."""

import subprocess
import sys
from pathlib import Path

from blender_scenes.spec import SPP
from simulator.randomization.settings import SampleSettings
from simulator.randomization.variety import CALM, Variety
from simulator.recordings.recorder import record
from simulator.recordings.recording import Description, Recording, describe
from simulator.recordings.replay import rendering_here

SMALL = SampleSettings(width=64, height=48, variety=CALM)
STICK = rendering_here("stick", SPP, SMALL)


def description(
    samples: int = 12,
    held_out: int = 3,
    shard_samples: int = 5,
    settings: SampleSettings = SMALL,
    **more: object,
) -> Description:
    """Of a small recording of sticks."""
    return describe(settings, STICK, samples, held_out, shard_samples, **more)  # type: ignore[arg-type]


def recorded(folder: Path, about: Description, workers: int = 1) -> Recording:
    """A recording, made."""
    recording = Recording.create(folder, about)
    record(recording, workers, say=lambda line: None)
    return recording


def shard_bytes(recording: Recording) -> dict[str, bytes]:
    """All files of a recording."""
    return {path.name: path.read_bytes() for path in sorted(recording.folder.iterdir())}


def jointloop(
    *arguments: str | Path, timeout_s: float = 240.0
) -> "subprocess.CompletedProcess[str]":
    """The command line, as a user calls it."""
    command = [sys.executable, "-m", "jointloop", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)


FULL_OF_STICKS = Variety()
"""Distractors and sensor on, no further robots."""
