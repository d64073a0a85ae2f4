"""Shows how a fleet stands: a live table on a terminal, lines of JSON, metrics to be scraped."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from rich.console import Console

from jointloop.common.progress import Progress
from simulator.fleet.ends import End
from simulator.fleet.rows import Pace, Row
from simulator.fleet.table import table

LOOK_S = 1.0
"""Between looks at the workers."""


class Screen(Protocol):
    """Shows what happens somewhere else than on the console."""

    def said(self, text: str) -> None:
        """A line for the user."""
        ...

    def ended(self, end: End) -> None:
        """A process ended."""
        ...

    def rows(self, rows: Sequence[Row]) -> None:
        """How the workers stand, once a second."""
        ...


class Watch(Progress):
    """Progress of work that several processes share.

    Args:
        console: where it is shown.
        text: passing line to begin with.
        screens: that show it as well.
    """

    def __init__(
        self,
        console: Console | None = None,
        text: str = "starting",
        screens: Sequence[Screen] = (),
    ) -> None:
        super().__init__(console, text)
        self._screens = screens
        self._pace = Pace()
        self._looked = -LOOK_S

    def say(self, text: str) -> None:
        """A line that stays."""
        super().say(text)
        for screen in self._screens:
            screen.said(text)

    def ended(self, end: End) -> None:
        """A process ended, for a reason."""
        for screen in self._screens:
            screen.ended(end)

    def look(self, rows: Callable[[], list[Row]]) -> None:
        """Show how the workers stand, if it is time to.

        Args:
            rows: gives them.
        """
        now = time.monotonic()
        if now - self._looked < LOOK_S:
            return
        self._looked = now
        timed = self._pace.timed(rows())
        if timed:
            self.show_below(table(timed))
        for screen in self._screens:
            screen.rows(timed)
