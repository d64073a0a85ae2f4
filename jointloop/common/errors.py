"""The errors that a user's input or environment can cause; all have one base."""


class JointloopError(Exception):
    """Base of every error that a user's input or environment can cause.

    The message names the thing, its value, and what would have been right.
    """


class SceneError(JointloopError):
    """A scene cannot be built or rendered."""


class NoBlenderError(SceneError):
    """bpy is not installed."""
