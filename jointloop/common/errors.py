"""The errors that a user's input or environment can cause; all have one base."""

import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class JointloopError(Exception):
    """Base of every error that a user's input or environment can cause.

    The message names the thing, its value, and what would have been right. It is one line whatever
    it quotes: who sent a message or wrote a file shall not write into logs or to terminals.
    """

    def __str__(self) -> str:
        """The message, with control characters as escapes."""
        return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], super().__str__())


def first_line(error: Exception) -> str:
    """The first line of an error's message: libraries append pages of advice."""
    return str(error).strip().split("\n")[0] or type(error).__name__


class SceneError(JointloopError):
    """A scene cannot be built or rendered."""


class NoBlenderError(SceneError):
    """bpy is not installed."""
