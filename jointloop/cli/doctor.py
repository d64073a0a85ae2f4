"""doctor: says whether this machine can do the work, and what to do where it cannot."""

import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jointloop.cli.app import out, say
from jointloop.common.versions import NONE, installed

LIBRARIES = {
    "libX11.so.6": "libx11-6",
    "libXrender.so.1": "libxrender1",
    "libXfixes.so.3": "libxfixes3",
    "libXi.so.6": "libxi6",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libSM.so.6": "libsm6",
    "libICE.so.6": "libice6",
    "libGL.so.1": "libgl1",
}
"""Shared libraries that bpy links to, though it opens no window, and their Debian packages."""

RENDER = """
import numpy
from blender_scenes.robot_scene import RobotScene
from simulator.sample_maker import detail_for
from simulator.randomization import assignment, hidden, prior, settings
from simulator.robot import robot
from simulator import sample
r, s = robot.Robot.named("ur10"), settings.SampleSettings()
scene = RobotScene(r.model, spp=2, detail=detail_for(s.height))
p = prior.JointPrior.uniform(r.lower, r.upper, s.bins)
drawn = hidden.draw(r, s, assignment.Assignment.of(p), 0, 0)
made = sample.simulate(scene, r, s, drawn)
print(f"{s.size}, {len(made.labels.pixels)} keypoints, robot of {made.labels.area:.0f} pixels")
"""


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    state: Literal["ok", "note", "fail"]
    name: str
    text: str


def doctor() -> int:
    """Check that this machine has what a run needs, down to rendering one image."""
    styles = {"ok": "green", "note": "yellow", "fail": "bold red"}
    failed = False
    for finding in examine():
        failed |= finding.state == "fail"
        out.print(f"[{styles[finding.state]}]{finding.state:>4}[/]  {finding.name:<10}", end="  ")
        say(finding.text)
    out.print("something is missing" if failed else "ready")
    return 1 if failed else 0


def examine() -> Iterator[Finding]:
    """Look at everything a run needs, one finding at a time."""
    yield _python()
    if importlib.util.find_spec("bpy") is not None:
        yield _libraries()
    for package, side in (("bpy", "simulators need"), ("torch", "the trainer needs")):
        yield _package(package, side)
    yield from _torch_device()
    yield _attempt("robot ur10", _robot)
    yield _space()
    if importlib.util.find_spec("bpy") is None:
        yield Finding("note", "rendering", "not tried: this machine can train, but not render")
    else:
        yield _attempt("rendering", _render)


def _python() -> Finding:
    version = ".".join(str(v) for v in sys.version_info[:3])
    if sys.version_info[:2] == (3, 11):
        return Finding("ok", "python", version)
    return Finding(
        "note", "python", f"{version}: trains, but Blender's module bpy 4.5 needs Python 3.11"
    )


def _libraries() -> Finding:
    missing = [package for library, package in LIBRARIES.items() if not _loads(library)]
    if not missing:
        return Finding("ok", "libraries", f"all {len(LIBRARIES)} that bpy links to")
    return Finding("fail", "libraries", f"missing; run: apt-get install {' '.join(missing)}")


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _package(name: str, side: str) -> Finding:
    if (version := installed(name)) != NONE:
        return Finding("ok", name, version)
    extra = {"bpy": "blender", "torch": "train"}[name]
    return Finding("note", name, f"{NONE}; {side} it: pip install 'jointloop[{extra}]'")


def _torch_device() -> Iterator[Finding]:
    try:
        import torch
    except ImportError:
        return
    if torch.cuda.is_available():
        yield Finding("ok", "gpu", torch.cuda.get_device_name(0))
    else:
        cores = os.cpu_count() or 1
        yield Finding("note", "gpu", f"none; training runs on {cores} CPU cores (preset tiny)")


def _attempt(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding("ok", name, check())
    except Exception as error:  # a doctor reports whatever is wrong
        return Finding("fail", name, " ".join(str(error).split()) or type(error).__name__)


def _robot() -> str:
    from simulator.robot import Robot

    robot = Robot.named("ur10")
    missing = [str(v.mesh) for v in robot.model.visuals if v.mesh and not v.mesh.is_file()]
    if missing:
        raise RuntimeError(f"meshes are missing: {', '.join(missing)}")
    notes = "".join(f"; {note}" for note in robot.notes)
    return f"{len(robot.model.links)} links, {len(robot.model.visuals)} meshes{notes}"


def _space() -> Finding:
    folder = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())
    free = shutil.disk_usage(folder).free / 2**20
    text = f"{free:.0f} MB free in {folder}, where images leave Blender"
    return Finding("ok" if free > 64 else "fail", "scratch", text)


def _render() -> str:
    """Render one image in a process of its own: a library can bring Python down with it."""
    done = subprocess.run(
        [sys.executable, "-c", RENDER], capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"ended with status {done.returncode}"]
        raise RuntimeError(lines[-1])
    return f"one image of the UR10: {done.stdout.strip().splitlines()[-1]}"
