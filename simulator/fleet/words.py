"""What the processes of a fleet say, and how much of it is passed on."""

from collections.abc import Callable
from enum import StrEnum


class Word(StrEnum):
    """How lines begin that a fleet understands; others are passed on with the worker's number."""

    NOTE = "note: "
    """Of what all share: passed on once, whoever says it."""
    TRAINER = "trainer: "
    """There is none to work for, or no longer: passed on once until one is found."""
    JOINED = "joined: "
    """A trainer let it in."""
    GOODBYE = "goodbye: "
    """The trainer sent it away for good: passed on once."""
    DELIVERED = "delivered: "
    """The first of what it makes is out of its hands."""
    STATUS = "status: "
    """How it stands, as JSON, once a second at most: for its fleet alone."""

    def of(self, text: str) -> str:
        """The line that says so."""
        return f"{self.value}{text}"


def plain(line: str) -> str:
    """A line without its word."""
    word = next((word for word in Word if line.startswith(word)), "")
    return line.removeprefix(word)


class Herald:
    """Passes on what workers say: what they all say, once.

    Args:
        say: takes a line.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._said: set[str] = set()
        self._joined: set[int] = set()
        self._here: set[int] = set()
        """Those that joined since it was last said that no trainer is there."""
        self._alone = False
        """It was said that no trainer is there."""

    def pass_on(self, worker: int, line: str) -> Word | None:
        """Say what of a worker's line is new; gives its word, if it has one."""
        word = next((word for word in Word if line.startswith(word)), None)
        text = line.removeprefix(word or "")
        if word is None:
            self._say(f"worker {worker}: {line}")
        elif word is Word.NOTE:
            self._once(line)
        elif word is Word.GOODBYE:
            self._once(text)
        elif word is Word.JOINED:
            self._join(worker, text)
        elif word is Word.TRAINER:
            self._lose(worker, text)
        return word

    def forget(self, worker: int) -> None:
        """A worker is started anew for a reason of its own: that it joins is news again."""
        self._joined.discard(worker)

    def _lose(self, worker: int, text: str) -> None:
        # One that notices late, when others are back already, tells nothing new.
        news = worker in self._here or not self._joined
        if news and not self._alone:
            self._alone = True
            self._here.clear()
            self._say(text)

    def _join(self, worker: int, text: str) -> None:
        if self._alone and self._joined:
            self._say(f"the trainer is back: worker {worker} {text}")
        elif worker not in self._joined:
            self._say(f"worker {worker}: {text}")
        self._alone = False
        self._joined.add(worker)
        self._here.add(worker)

    def _once(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._say(line)
