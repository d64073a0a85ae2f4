"""What every process of ours that renders needs: an exit code that says why, limits, manners."""

import ctypes
import faulthandler
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self

import cv2
import msgspec
import psutil

from jointloop.common.errors import JointloopError, NoBlenderError
from simulator.fleet.ends import Exit
from simulator.fleet.words import Word

ALIVE_S = 1.0
"""Between looks at the process's memory."""
WARM_UP = 20
"""Frames before memory growth is measured."""
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, kw_only=True)
class ProcessOptions:
    """What a fleet tells each of its processes, whatever their work."""

    module: ClassVar[str]
    """That runs these options, given as JSON."""
    worker: int | None = None
    """Its number; for a simulator the worker id it wants."""
    slot: str | None = None
    """32 hexadecimal digits naming the place it takes in its fleet."""
    parent: int | None = None
    """Process that this one must not outlive."""
    restarts: int = 0
    """Processes that took its place before."""
    last_error: str = ""
    """Why the last of them ended that should not have."""
    nice: int = 0
    """Added to the process's niceness."""
    recycle_frames: int = 20_000
    """End for a replacement after so many frames."""
    recycle_mb: float = 1024.0
    """End for a replacement after growing by so much [MB]."""

    def to_json(self) -> str:
        """As text; `from_json` reads it back."""
        return msgspec.json.encode(self, enc_hook=str).decode()  # paths alone need the hook

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` wrote."""
        return msgspec.json.decode(text, type=cls, dec_hook=lambda kind, value: kind(value))


class Status(msgspec.Struct, frozen=True):
    """What a process tells its fleet of itself, after `Word.STATUS`."""

    made: int
    """Samples so far."""
    rss: int
    """Resident memory [bytes]."""
    prior: int | None = None
    """Version of the prior that it draws from, where priors change."""

    def say(self) -> None:
        """Tell it."""
        say(Word.STATUS.of(msgspec.json.encode(self).decode()))


class Stop:
    """Turns SIGTERM and SIGINT into a wish, granted between two frames."""

    def __init__(self) -> None:
        self.asked = False
        self.listen()

    def listen(self) -> None:
        """Take the signals, from whoever had them."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def not_asked(self) -> bool:
        """Whether to go on; asking shows life."""
        show_life()
        return not self.asked

    def _ask(self, *_: object) -> None:
        self.asked = True


class Limits:
    """Watches how much a process has rendered and grown.

    Args:
        frames: after so many it wants to be replaced.
        megabytes: after growing by so much it wants to be replaced.
    """

    def __init__(self, frames: int, megabytes: float) -> None:
        self._frames, self._megabytes = frames, megabytes
        self._process = psutil.Process()
        self._base: int | None = None
        self._next = 0.0
        self.reached = False

    def count(self, rendered: int, tell: Callable[[int, int], None] | None = None) -> None:
        """Look at the process, at most once a second.

        Args:
            rendered: frames so far.
            tell: takes the frames and the resident memory [bytes] at every look.
        """
        self.reached |= rendered >= self._frames
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + ALIVE_S
        show_life()
        rss = self.tell(rendered, tell)
        if self._base is None and rendered >= WARM_UP:
            self._base = rss
        grown = rss - (rss if self._base is None else self._base)
        self.reached |= grown > self._megabytes * 1e6

    def tell(self, rendered: int, tell: Callable[[int, int], None] | None) -> int:
        """Look and tell at once; gives the resident memory [bytes]."""
        rss = self._process.memory_info().rss
        if tell:
            tell(rendered, rss)
        return rss


def settle(parent: int | None, nice: int) -> bool:
    """Make this process one worker among several; false if its parent is gone already.

    Args:
        parent: process that it must not outlive.
        nice: added to its niceness.
    """
    if parent is not None and not _tie_to(parent):
        return False
    os.nice(nice)
    cv2.setNumThreads(1)
    return True


def _tie_to(parent: int) -> bool:
    """Have the kernel end this process with its parent; false if that is gone already."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise JointloopError(f"prctl(PR_SET_PDEATHSIG): {os.strerror(ctypes.get_errno())}")
    return os.getppid() == parent


def show_life() -> None:
    """Show the fleet that this process does not hang: it looks at when its output was touched."""
    os.utime(sys.stdout.fileno())


def say(line: str) -> None:
    """One line for whoever started this process."""
    print(line, flush=True)


def ending(work: Callable[[], Exit]) -> Exit:
    """Do the work; errors end as one line."""
    try:
        return work()
    except NoBlenderError as error:
        say(str(error))
        return Exit.NO_BLENDER
    except JointloopError as error:
        say(str(error))
        return Exit.FAILED
    except MemoryError as error:
        say(str(error) or "memory was denied")
        return Exit.NO_MEMORY


def run_as_process(main: Callable[[list[str]], Exit]) -> None:
    """Run `main` with the arguments and end this process with its exit code."""
    _silence_libraries()
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # everything is closed; Blender's own end is noisy and may crash


def _silence_libraries() -> None:
    """Drop what C code prints, Blender's importers above all; Python and crashes still speak."""
    sys.stdout = sys.stderr = os.fdopen(os.dup(1), "w", buffering=1)
    faulthandler.enable(sys.stderr)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
