"""Processes that a benchmark measures against, which do one job after the other."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from typing import Generic, TypeVar

PATIENCE_S = 120
"""Of waiting for the other side."""

Job = TypeVar("Job")
Work = Callable[[Job, Event], None]


class Crew(Generic[Job]):
    """Processes that are started once, as their imports take longer than any measurement.

    Args:
        count: of them.
        work: what each does of a job, until the event is set.
    """

    def __init__(self, count: int, work: Work[Job]) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._stop = spawn.Event()
        self._ends: list[Connection] = []
        self._processes: list[BaseProcess] = []
        for _ in range(count):
            ours, theirs = spawn.Pipe()
            self._ends.append(ours)
            self._processes.append(spawn.Process(target=_serve, args=(theirs, self._stop, work)))
            self._processes[-1].start()
            theirs.close()
        self._busy = set(self._ends)
        while self.busy():
            pass

    def start(self, count: int, job: Job) -> None:
        """Have so many of them do a job."""
        self._stop.clear()
        self._busy = set(self._ends[:count])
        for end in self._busy:
            end.send(job)

    def stop(self) -> None:
        """Have them end it."""
        self._stop.set()

    def busy(self) -> bool:
        """Whether one is still at it."""
        for end in wait(list(self._busy), 0.01):
            assert isinstance(end, Connection)
            end.recv()
            self._busy.remove(end)
        return bool(self._busy)

    def close(self) -> None:
        """Send them home."""
        for end in self._ends:
            end.send(None)
        for process in self._processes:
            process.join(PATIENCE_S)


def _serve(jobs: Connection, stop: Event, work: Work[Job]) -> None:
    """Do one job after the other until there is none."""
    jobs.send(None)  # it is there
    while job := jobs.recv():
        work(job, stop)
        jobs.send(None)
