"""Time in tests: a clock that stands still, and how long to wait for what has to come."""

PATIENCE_S = 120.0
"""Longest wait for what other processes and threads do. Nothing takes that long: it ends a hang."""


class Clock:
    """Takes the place of the module `time` in a module under test; moves only when it is told."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now
