"""Several simulator processes, kept alive."""

import math
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import IO, Self

from jointloop.common.errors import JointloopError
from simulator.fleet.process import NOTE, Exit, ProcessOptions

STOP_S = 5.0
"""Between asking workers to stop and ending them."""
QUICK_S = 30.0
"""A worker that lived shorter died quickly."""
TAIL = 20
"""Lines of a worker's output kept for error messages."""
HOPELESS = (Exit.FAILED, Exit.REFUSED, Exit.NO_BLENDER)
"""Ends that would only repeat themselves."""


class FleetError(JointloopError):
    """Workers cannot be started or kept running."""


@dataclass
class Member:
    """One place in the fleet and the process that takes it."""

    number: int
    slot: str = field(default_factory=lambda: uuid.uuid4().hex)
    process: subprocess.Popen[bytes] | None = None
    output: IO[bytes] | None = None
    read: int = 0
    """Bytes of the output that were passed on."""
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL))
    started: float = 0.0
    restart_at: float = 0.0
    """When to start it, [s] of a monotonic clock; infinite for never again."""
    quick_deaths: int = 0
    """In a row."""
    code: int | None = None
    """Of its last process."""


class Fleet:
    """N worker processes; those that die are started again.

    A worker ends with the process that made the fleet, even if that is killed; make the fleet in a
    thread that lives as long as it.

    Args:
        workers: how many.
        options: of each; ids, slots and parent are filled in.
        say: takes a line of progress.
        pause_s: before the first restart of a worker that died; doubles with every quick death.
        max_quick_deaths: of one worker in a row, before giving up.

    Raises:
        FleetError: the number is out of its range.
    """

    def __init__(
        self,
        workers: int,
        options: ProcessOptions,
        *,
        say: Callable[[str], None] = print,
        pause_s: float = 1.0,
        max_quick_deaths: int = 5,
    ) -> None:
        if not 1 <= workers <= 1024:
            raise FleetError(f"workers is {workers}; expected 1 to 1024")
        self._options = replace(options, parent=os.getpid())
        self._say = say
        self._pause_s = pause_s
        self._max_quick_deaths = max_quick_deaths
        self._follows_trainer = False
        self._noted: set[str] = set()
        first = options.worker or 0
        self.members = [Member(first + i) for i in range(workers)]

    def __enter__(self) -> Self:
        self.poll()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def running(self) -> int:
        """Processes there are now."""
        return sum(member.process is not None for member in self.members)

    @property
    def ended(self) -> bool:
        """Whether no worker runs nor will be started again."""
        return not self.running and all(m.restart_at == math.inf for m in self.members)

    def poll(self) -> None:
        """Start who is due, pass on what workers say, and see who ended. Never blocks.

        Raises:
            FleetError: a worker cannot work here, or keeps dying; says why.
        """
        for member in self.members:
            self._listen(member)
            if member.process is None:
                if time.monotonic() >= member.restart_at:
                    self._start(member)
            elif (code := member.process.poll()) is not None:
                self._listen(member)
                self._release(member, code)
                self._decide(member, code)

    def run(self) -> int:
        """Work until the trainer is done or gone, or Ctrl-C or SIGTERM; gives an exit code.

        Raises:
            FleetError: as in `poll`.
        """
        self._follows_trainer = True
        previous = signal.signal(signal.SIGTERM, _interrupt)
        try:
            with self:
                while not self.ended:
                    self.poll()
                    time.sleep(0.1)
        except KeyboardInterrupt:
            self._say("stopped")
            return 0
        finally:
            signal.signal(signal.SIGTERM, previous)
        self._say("all workers ended")
        return next((member.code for member in self.members if member.code), 0)

    def stop(self) -> None:
        """End all workers: ask, wait a while, then kill."""
        deadline = time.monotonic() + STOP_S
        for member in self.members:
            member.restart_at = math.inf
            if member.process:
                member.process.terminate()
        for member in self.members:
            if member.process is None:
                continue
            try:
                code = member.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                member.process.kill()
                code = member.process.wait()
            self._listen(member)
            self._release(member, code)

    def _start(self, member: Member) -> None:
        options = replace(self._options, worker=member.number, slot=member.slot)
        command = [sys.executable, "-m", options.module, options.to_json()]
        single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        # A file rather than a pipe: it never fills up while nobody reads.
        member.output, member.read = tempfile.TemporaryFile(), 0  # noqa: SIM115
        try:
            member.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=member.output,
                stderr=subprocess.STDOUT,
                env=os.environ | single,
            )
        except OSError as error:
            raise FleetError(f"worker {member.number} cannot be started: {error}") from error
        member.started = time.monotonic()

    def _listen(self, member: Member) -> None:
        """Pass on the whole lines that a worker wrote since."""
        if member.output is None:
            return
        new = os.pread(member.output.fileno(), 1 << 20, member.read)
        whole = new[: new.rfind(b"\n") + 1]
        member.read += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            member.tail.append(line)
            if not line.startswith(NOTE):
                self._say(f"worker {member.number}: {line}")
            elif line not in self._noted:
                self._noted.add(line)
                self._say(line)

    def _release(self, member: Member, code: int) -> None:
        member.process, member.code, member.restart_at = None, code, math.inf
        if member.output:
            member.output.close()
            member.output = None

    def _decide(self, member: Member, code: int) -> None:
        """What follows from a worker's end."""
        name = f"worker {member.number}"
        if code in HOPELESS:
            self._raise(f"{name} cannot work", member)
        if code == Exit.DONE or (code == Exit.TRAINER_GONE and self._follows_trainer):
            return
        if code in (Exit.RECYCLE, Exit.TRAINER_GONE):  # a new one waits for the trainer
            self._say(f"{name} is replaced by a fresh one")
            member.quick_deaths, member.restart_at = 0, time.monotonic()
            return
        quick = time.monotonic() - member.started < QUICK_S
        member.quick_deaths = member.quick_deaths + 1 if quick else 1
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        if member.quick_deaths > self._max_quick_deaths:
            self._raise(f"{name} died {member.quick_deaths} times in a row ({how})", member)
        pause = self._pause_s * 2 ** (member.quick_deaths - 1)
        self._say(f"{name} died ({how}); starting again in {pause:g} s")
        member.restart_at = time.monotonic() + pause

    def _raise(self, what: str, member: Member) -> None:
        self.stop()
        last = " | ".join(line for line in member.tail if line.strip()) or "it said nothing"
        raise FleetError(f"{what}; its last words: {last}")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
