"""One place in a fleet and the process that takes it."""

import math
import os
import subprocess
import sys
import tempfile
import uuid
from collections import deque
from dataclasses import dataclass, field, replace
from typing import IO

import msgspec

from simulator.fleet.ends import End, Reason, end_of
from simulator.fleet.process import ProcessOptions, Status
from simulator.fleet.words import Word, plain

TAIL = 20
"""Lines of a worker's output kept for error messages."""


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
    starts: int = 0
    """Processes that took it so far."""
    alone: bool = False
    """Its process has no trainer."""
    joined: bool = False
    """Its process was let in by a trainer."""
    delivered: bool = False
    """Its process made something."""
    vain: int = 0
    """Processes in a row that ended before they delivered, for whatever reason."""
    failures: int = 0
    """Those among them that died."""
    restart_at: float = 0.0
    """When to start it, [s] of a monotonic clock; infinite for never again."""
    silent_s: float = 0.0
    """Watched for so long without a sign of life."""
    touched: int = 0
    """When the last sign of life came [ns]."""
    by_fleet: Reason | None = None
    """Why its process was ended by its fleet, if it was."""
    status: Status | None = None
    """What its process told last of itself."""
    before: int = 0
    """Samples that processes made which have ended."""
    code: int | None = None
    """Of its last process."""
    last_error: End | None = None
    """Of the last process that ended otherwise than it should."""
    retired: str = ""
    """Why it is given up."""

    def start(self, options: ProcessOptions) -> None:
        """Start its process.

        Raises:
            OSError: the system does not.
        """
        options = replace(
            options,
            worker=self.number,
            slot=self.slot,
            restarts=self.starts,
            last_error=str(self.last_error or ""),
        )
        command = [sys.executable, "-m", options.module, options.to_json()]
        single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        # A file rather than a pipe: it never fills up while nobody reads.
        self.output, self.read = tempfile.TemporaryFile(), 0  # noqa: SIM115
        self.joined = self.delivered = self.alone = False
        self.silent_s, self.by_fleet = 0.0, None
        self.starts += 1
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=subprocess.STDOUT,
            env=os.environ | single,
        )

    def lines(self) -> list[str]:
        """The whole lines that its process wrote since."""
        if self.output is None:
            return []
        new = os.pread(self.output.fileno(), 1 << 20, self.read)
        whole = new[: new.rfind(b"\n") + 1]
        self.read += len(whole)
        lines = []
        for line in whole.decode(errors="replace").splitlines():
            if line.startswith(Word.STATUS):
                self.status = msgspec.json.decode(plain(line), type=Status)
            else:
                lines.append(line)
        self.tail.extend(lines)
        return lines

    def watch(self, seconds: float) -> None:
        """Count that time as silent unless its process showed life since."""
        assert self.output is not None
        touched = os.fstat(self.output.fileno()).st_mtime_ns
        self.silent_s = 0.0 if touched != self.touched else self.silent_s + seconds
        self.touched = touched

    def release(self, code: int, starved: bool = False) -> End:
        """Its process has ended with that code.

        Args:
            code: the exit code; -N for signal N.
            starved: whether the kernel has just ended one for its memory.
        """
        last = next((plain(line) for line in reversed(self.tail) if line.strip()), "")
        end = end_of(self.number, code, last, by_fleet=self.by_fleet, starved=starved)
        if end.trouble:
            self.last_error = end
        self.before, self.status = self.made, None
        self.process, self.code, self.restart_at = None, code, math.inf
        self.vain = 0 if self.delivered else self.vain + 1
        if self.delivered:
            self.failures = 0
        if self.output:
            self.output.close()
            self.output = None
        return end

    @property
    def ended(self) -> bool:
        """Whether no process takes it, nor will again."""
        return self.process is None and self.restart_at == math.inf

    @property
    def made(self) -> int:
        """Samples that its processes told of."""
        return self.before + (self.status.made if self.status else 0)

    @property
    def last_words(self) -> str:
        """The end of what its processes wrote."""
        return " | ".join(plain(line) for line in self.tail if line.strip()) or "it said nothing"
