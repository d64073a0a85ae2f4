"""A real run under faults: a trainer, a fleet elsewhere, and a link between them that is harmed."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from proxy_parts import FAR, NEAR
from relay import Relay

HERE = Path(__file__).parent
MODULE = "simulator.fleet.worker"
LOOK_S = 0.05
END_S = 300.0
"""Longest wait for the run to end."""


@dataclass
class Event:
    """A line of the trace."""

    event: str
    time: float
    about: dict[str, Any]


@dataclass
class Rig:
    """What faults are done to.

    Args:
        folder: for the run and all that is written of it.
        workers: simulators.
        silence: after so long a simulator counts as hung [s].
        seed: of the relay.
    """

    folder: Path
    workers: int
    silence: float
    seed: int
    events: list[Event] = field(default_factory=list)
    _read: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.run, self.trace = self.folder / "run", self.folder / "trace.jsonl"
        self.trace.touch()
        self.ports = _ports()
        self.relay = Relay(*self.ports, self.seed)
        self.trainer = self.start_trainer()
        connect = f"--connect tcp://{FAR}:{self.ports[0]} --workers {self.workers}"
        words = f"-m jointloop simulate {connect} --engine stick --silence {self.silence:g}"
        self.fleet = self._start("fleet.log", *words.split(), "--insecure")

    def start_trainer(self) -> "subprocess.Popen[bytes]":
        """A sitting of the run, its first or the next."""
        address = f"tcp://{NEAR}:{self.ports[0]}"
        words = (str(self.run), address, str(self.trace), f"{self.silence:g}")
        return self._start("trainer.log", str(HERE / "sitting.py"), *words)

    def _start(self, log: str, *words: str) -> "subprocess.Popen[bytes]":
        paths = [str(HERE.parent.parent), str(HERE.parent), os.environ.get("PYTHONPATH", "")]
        with (self.folder / log).open("ab") as file:
            return subprocess.Popen(
                [sys.executable, *words],
                stdout=file,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
            )

    def look(self) -> list[Event]:
        """Events since the last look."""
        with self.trace.open() as file:
            file.seek(self._read)
            text = file.read()
        whole = text[: text.rfind("\n") + 1]
        self._read += len(whole)
        new = [json.loads(line) for line in whole.splitlines()]
        self.events += (found := [Event(e.pop("event"), e.pop("time"), e) for e in new])
        return found

    def wait(self, seen: Callable[[Event], bool], seconds: float) -> bool:
        """Look until an event completes what is waited for, or the time is up."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if any([seen(event) for event in self.look()]):  # each is looked at
                return True
            if self.fleet.poll() is not None or self.trainer.poll() is not None:
                raise RuntimeError(f"the rig ended by itself; see {self.folder}")
            time.sleep(LOOK_S)
        return False

    def worker(self, id: int) -> psutil.Process | None:
        """The process that holds a place in the fleet now."""
        for child in psutil.Process(self.fleet.pid).children():
            words = child.cmdline()
            if MODULE in words and json.loads(words[-1])["worker"] == id:
                return child
        return None

    def instance(self, id: int) -> str:
        """Of the process whose sample arrived last from a worker id."""
        made = [e for e in self.events if e.event == "arrived" and e.about["maker"] == id]
        return made[-1].about["instance"] if made else ""

    def finish(self) -> dict[str, Any]:
        """End the run well; its summary."""
        self.run.with_suffix(".enough").touch()
        self.trainer.wait(END_S)
        self.fleet.wait(END_S)
        self.look()
        return json.loads((self.run / "summary.json").read_text())

    def close(self) -> None:
        """End what still runs."""
        for process in (self.trainer, self.fleet):
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()
        self.relay.cut()


@contextmanager
def rig(folder: Path, workers: int, silence: float, seed: int) -> Iterator[Rig]:
    """A rig, closed at the end."""
    opened = Rig(folder, workers, silence, seed)
    try:
        yield opened
    finally:
        opened.close()


def _ports() -> tuple[int, int]:
    """Two free ports in a row, on both ends of the link."""
    while True:
        port = random.randrange(20_000, 30_000)
        try:
            for host in (NEAR, FAR):
                for each in (port, port + 1):
                    socket.create_server((host, each)).close()
        except OSError:
            continue
        return port, port + 1
