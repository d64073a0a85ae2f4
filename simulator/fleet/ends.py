"""Why a process of a fleet ended; this is the one place that decides."""

import signal
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from pathlib import Path

FRESH_S = 10.0
"""A process that the kernel ends for its memory is gone within so long."""
CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)
"""By which native code ends itself."""
CGROUPS = Path("/sys/fs/cgroup")


class Exit(IntEnum):
    """What a process says by its exit code."""

    DONE = 0
    """Its work is done, the trainer said goodbye, or it was asked to stop."""
    FAILED = 20
    """An input or the environment does not allow it; the last line says which."""
    REFUSED = 21
    """The trainer did not let it in."""
    TRAINER_GONE = 22
    """The trainer went away or does not know it any longer; a fresh one would be welcome."""
    RECYCLE = 23
    """It has rendered enough or grown too large, and wants to be replaced."""
    NO_BLENDER = 24
    """bpy is not installed here."""
    NO_MEMORY = 25
    """It was denied memory."""
    UNCONNECTED = 26
    """No trainer answered, or none that it can work for by these words or keys."""


class Reason(StrEnum):
    """Why a process ended."""

    DONE = "done"
    """Its work is done, or it was asked to stop."""
    RECYCLED = "recycled"
    """It had rendered enough or grown too large."""
    OUT_OF_MEMORY = "out of memory"
    """The kernel ended it for its memory, or denied it some."""
    CRASH = "crash"
    """Native code, such as Blender's, ended it by SIGSEGV, SIGABRT, SIGBUS, SIGILL or SIGFPE."""
    BAD_SCENE = "bad scene"
    """A robot, scene, setting or file does not allow it; its last line says which."""
    CONNECTION = "connection"
    """The trainer is gone, did not answer, or did not let it in."""
    HUNG = "hung"
    """It showed no life, and its fleet ended it."""
    KILLED = "killed"
    """Another signal ended it."""
    FAULT = "fault"
    """An error that nobody foresaw."""


@dataclass(frozen=True)
class End:
    """How one process of a fleet ended."""

    worker: int
    """Its number in the fleet."""
    reason: Reason
    detail: str
    """The signal's name, the exit code, or the line that says more; may be empty."""

    @property
    def trouble(self) -> bool:
        """Whether it ended otherwise than it should."""
        return self.reason not in (Reason.DONE, Reason.RECYCLED)

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else str(self.reason)


REASONS = {
    Exit.DONE: Reason.DONE,
    Exit.FAILED: Reason.BAD_SCENE,
    Exit.REFUSED: Reason.CONNECTION,
    Exit.TRAINER_GONE: Reason.CONNECTION,
    Exit.RECYCLE: Reason.RECYCLED,
    Exit.NO_BLENDER: Reason.BAD_SCENE,
    Exit.NO_MEMORY: Reason.OUT_OF_MEMORY,
    Exit.UNCONNECTED: Reason.CONNECTION,
}


def end_of(
    worker: int,
    code: int,
    last_line: str = "",
    *,
    by_fleet: Reason | None = None,
    starved: bool = False,
) -> End:
    """How a process ended.

    Args:
        worker: its number.
        code: its exit code; -N for signal N.
        last_line: that it wrote.
        by_fleet: why its own fleet ended it, if it did.
        starved: whether the kernel has just ended one for its memory.
    """
    if code < 0:
        name = _signal_name(-code)
        if by_fleet:
            return End(worker, by_fleet, "")
        if -code == signal.SIGKILL and starved:
            return End(worker, Reason.OUT_OF_MEMORY, "ended by the kernel")
        return End(worker, Reason.CRASH if -code in CRASHES else Reason.KILLED, name)
    if code not in REASONS:
        return End(worker, Reason.FAULT, f"exit code {code}")
    end = End(worker, REASONS[Exit(code)], "")
    return replace(end, detail=last_line) if end.trouble else end


def told(troubles: Mapping[str, int]) -> str:
    """How many processes ended otherwise than they should, by reason, in a line; or nothing."""
    each = ", ".join(f"{count} {reason}" for reason, count in troubles.items())
    return f"processes that ended early: {each}" if each else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # of the real-time ones most have no name
        return f"signal {number}"


class Starved:
    """Notices that the kernel ends processes for their memory, in this process's control group.

    Args:
        file: lines, one of which is `oom_kill N`; None finds the one of this process.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file or _oom_file()
        self._count = 0
        self._count = self._read()
        self._fresh: deque[float] = deque()

    def look(self) -> None:
        """Notice what happened since."""
        now, count = time.monotonic(), self._read()
        self._fresh.extend([now] * (count - self._count))
        self._count = count
        while self._fresh and now - self._fresh[0] > FRESH_S:
            self._fresh.popleft()

    def claim(self) -> bool:
        """Whether it has just ended a process that nobody claimed yet."""
        self.look()
        return bool(self._fresh and self._fresh.popleft())

    def _read(self) -> int:
        try:
            lines = self._file.read_text().splitlines()
        except OSError:  # a group that is gone, or a system without
            return self._count
        counts = (line.split() for line in lines)
        return next((int(words[1]) for words in counts if words[:1] == ["oom_kill"]), 0)


def _oom_file() -> Path:
    """Where the kernel counts: for the control group, of either version, or for the machine."""
    try:
        groups = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    except OSError:
        groups = []
    for _, controllers, path in groups:
        if "memory" in controllers.split(","):
            root, name = CGROUPS / "memory", "memory.oom_control"
        elif not controllers:
            root, name = CGROUPS, "memory.events"
        else:
            continue
        for folder in (root / path.lstrip("/"), root):  # a container may see its own alone
            if (folder / name).is_file():
                return folder / name
    return Path("/proc/vmstat")
