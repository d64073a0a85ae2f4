"""What a user sees while training runs: a live line on a terminal, plain lines elsewhere."""

import time
from types import TracebackType

from rich.console import Console
from rich.status import Status
from rich.text import Text

EVERY = 10.0
"""Seconds between plain progress lines within an epoch."""


class Progress:
    """Says where the work stands."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)
        self._status: Status | None = None
        self._said = time.monotonic()

    def __enter__(self) -> "Progress":
        if self.console.is_terminal:
            self._status = self.console.status("starting")
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
            self._status.update(Text(text))  # its brackets are its own
        elif time.monotonic() - self._said >= EVERY:
            self.say(text)
