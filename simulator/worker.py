"""One simulator process: joins a trainer's run, then draws, renders and publishes for credits.

`python -m simulator.worker JSON` runs `WorkerOptions` given as JSON; the exit code is an `Exit`.
"""

import contextlib
import ctypes
import faulthandler
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import cv2
import msgspec
import psutil

from blender_scenes.spec import Engine, JointloopError, Scene, SceneError
from simulator.control import SCHEMA, Bye, Hello, Welcome
from simulator.hidden import draw
from simulator.robot import Robot
from simulator.sample import simulate
from simulator.settings import Settings
from simulator.transport import Link, RefusedError, Security, TrainerGoneError

ALIVE_S = 1.0
"""Between signs of life."""
IDLE_S = 0.25
"""Longest wait before looking whether to stop."""
WARM_UP = 20
"""Frames before memory growth is measured."""
PR_SET_PDEATHSIG = 1


class Exit(IntEnum):
    """Why a worker process ended."""

    DONE = 0
    """The trainer said goodbye, or the worker was asked to stop."""
    FAILED = 20
    """An input or the environment does not allow it; the last line says which."""
    REFUSED = 21
    """The trainer did not let it in."""
    TRAINER_GONE = 22
    """The trainer went away without a goodbye."""
    RECYCLE = 23
    """It has rendered enough or grown too large, and wants to be replaced."""
    NO_BLENDER = 24
    """bpy is not installed here."""


@dataclass(frozen=True)
class WorkerOptions:
    """What one worker is to do."""

    address: str
    """Of the trainer."""
    engine: Engine = "cycles"
    """What makes the images."""
    samples: int = 4
    """Cycles' samples per pixel."""
    worker: int | None = None
    """Wanted worker id."""
    slot: str | None = None
    """32 hexadecimal digits naming the place it takes in its fleet."""
    robot: str | None = None
    """Refuse runs with another robot; likewise size (WIDTHxHEIGHT) and seed."""
    size: str | None = None
    seed: int | None = None
    wait_s: float = 600.0
    """For a trainer to answer."""
    recycle_frames: int = 20_000
    """End for a replacement after so many frames."""
    recycle_mb: float = 1024.0
    """End for a replacement after growing by so much [MB]."""
    nice: int = 0
    """Added to the process's niceness."""
    insecure: bool = False
    """See `Security`, likewise keys."""
    keys: Path | None = None
    parent: int | None = None
    """Process that this one must not outlive."""

    @property
    def security(self) -> Security:
        """How the connection is kept safe."""
        return Security(self.insecure, self.keys)


def run_worker(options: WorkerOptions) -> Exit:
    """Work for the trainer until either side is done.

    Takes over the process: its signal handlers, its niceness, its ties to its parent.

    Raises:
        JointloopError: an input or the environment does not allow it.
    """
    if options.parent is not None and not _tie_to(options.parent):
        return Exit.DONE
    os.nice(options.nice)
    cv2.setNumThreads(1)
    stop = _Stop()
    instance = uuid.uuid4().bytes
    hello = Hello(
        schema=SCHEMA,
        instance=instance,
        slot=bytes.fromhex(options.slot) if options.slot else instance,
        worker=options.worker,
        robot=options.robot,
        size=options.size,
        seed=options.seed,
    )
    with Link(options.address, options.security) as link:
        try:
            welcome = link.join(hello, options.wait_s, stop.not_asked, _say)
            if welcome is None:
                return Exit.DONE
            return _work(link, welcome, instance, options, stop)
        except RefusedError as error:
            _say(str(error))
            return Exit.REFUSED
        except TrainerGoneError as error:
            _say(str(error))
            return Exit.TRAINER_GONE


class _Stop:
    """Turns SIGTERM and SIGINT into a wish, granted between two frames."""

    def __init__(self) -> None:
        self.asked = False
        self.listen()

    def listen(self) -> None:
        """Take the signals, from whoever had them."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def not_asked(self) -> bool:
        """Whether to go on."""
        return not self.asked

    def _ask(self, *_: object) -> None:
        self.asked = True


def _work(
    link: Link, welcome: Welcome, instance: bytes, options: WorkerOptions, stop: _Stop
) -> Exit:
    settings = welcome.settings
    robot = Robot.named(settings.robot)
    link.attach(welcome, robot, instance, options.wait_s, stop.not_asked)
    if link.farewell is not None:
        return _part(link.farewell)
    if stop.asked:
        link.bye("asked to stop")
        return Exit.DONE
    manner = "adaptive" if welcome.adaptive else "uniform"
    _say(f"connected to run {welcome.run} as worker {welcome.worker}, {manner}")
    with contextlib.closing(_scene(robot, settings, options)) as scene:
        stop.listen()  # Blender may have taken the signals
        limits = _Limits(options)
        index = welcome.next_index
        while not (stop.asked or limits.reached):
            link.pump(0 if link.credits else IDLE_S)
            if link.farewell is not None:
                return _part(link.farewell)
            if link.credits:
                hidden = draw(robot, settings, link.assignment, welcome.worker, index)
                link.publish(simulate(scene, robot, settings, hidden))
                index += 1
            limits.count(index - welcome.next_index, link.alive)
        link.bye("recycle" if limits.reached else "asked to stop")
    return Exit.RECYCLE if limits.reached else Exit.DONE


def _part(farewell: Bye) -> Exit:
    _say(f"the trainer said goodbye: {farewell.reason}")
    return Exit.RECYCLE if farewell.again else Exit.DONE


class _Limits:
    """Watches how much a worker has rendered and grown, and tells the trainer."""

    def __init__(self, options: WorkerOptions) -> None:
        self._options = options
        self._process = psutil.Process()
        self._base: int | None = None
        self._next = 0.0
        self.reached = False

    def count(self, rendered: int, tell: Callable[[int, int], None]) -> None:
        """Look at the process, at most once a second, and report `rendered` frames."""
        self.reached |= rendered >= self._options.recycle_frames
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + ALIVE_S
        rss = self._process.memory_info().rss
        if self._base is None and rendered >= WARM_UP:
            self._base = rss
        grown = rss - (rss if self._base is None else self._base)
        self.reached |= grown > self._options.recycle_mb * 1e6
        tell(rendered, rss)


class _NoBlenderError(SceneError):
    """bpy is not installed."""


def _scene(robot: Robot, settings: Settings, options: WorkerOptions) -> Scene:
    if options.engine == "stick":
        from blender_scenes.stick_scene import StickScene

        return StickScene(robot.model)
    try:
        from blender_scenes.robot_scene import RobotScene, detail_for
    except ModuleNotFoundError as error:
        if error.name != "bpy":
            raise
        raise _NoBlenderError(
            "engine 'cycles' needs Blender as a Python module: pip install 'bpy==4.5.*' (Python "
            "3.11), or choose engine 'stick'"
        ) from None
    detail = detail_for(settings.height)
    return RobotScene(robot.model, samples=options.samples, detail=detail, threads=1)


def _tie_to(parent: int) -> bool:
    """Have the kernel end this process with its parent; false if that is gone already."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise JointloopError(f"prctl(PR_SET_PDEATHSIG): {os.strerror(ctypes.get_errno())}")
    return os.getppid() == parent


def _say(line: str) -> None:
    print(line, flush=True)


def _silence_libraries() -> None:
    """Drop what C code prints, Blender's importers above all; Python and crashes still speak."""
    sys.stdout = sys.stderr = os.fdopen(os.dup(1), "w", buffering=1)
    faulthandler.enable(sys.stderr)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)


def main(argv: list[str]) -> Exit:
    """Run the options given as one JSON argument; errors end as one line."""
    try:
        options = msgspec.json.decode(argv[0], type=WorkerOptions)
        return run_worker(options)
    except _NoBlenderError as error:
        _say(str(error))
        return Exit.NO_BLENDER
    except JointloopError as error:
        _say(str(error))
        return Exit.FAILED


if __name__ == "__main__":
    _silence_libraries()
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # everything is closed; Blender's own end is noisy and may crash
