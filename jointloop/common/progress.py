"""What a user sees while work goes on: a live line on a terminal, plain lines elsewhere."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.status import Status
from rich.text import Text

EVERY = 10.0
"""Seconds between plain progress lines within an epoch."""


class Progress:
    """Says where the work stands."""

    def __init__(self, console: Console | None = None, text: str = "starting") -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)
        self._status: Status | None = None
        self._text = Text(text)
        self._below: RenderableType | None = None
        self._said = time.monotonic()

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._status = self.console.status(self._text)
            self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._status:
            self._status.stop()

    def say(self, text: str) -> None:
        """A line that stays."""
        self._said = time.monotonic()
        self.console.print(text, markup=False)

    def update(self, text: str) -> None:
        """A line that the next one replaces; where nothing can be replaced, one in ten seconds."""
        if self._status:
            self._text = Text(text)  # its brackets are its own
            self._draw(self._status)
        elif time.monotonic() - self._said >= EVERY:
            self.say(text)

    def show_below(self, shown: RenderableType) -> None:
        """What stands below the passing line, on a terminal alone."""
        if self._status:
            self._below = shown
            self._draw(self._status)

    def _draw(self, status: Status) -> None:
        status.update(self._text if self._below is None else Group(self._text, self._below))
