"""The errors of whatever a robot is made from, and of files of its joint angles."""

from jointloop.common.errors import JointloopError


class RobotError(JointloopError):
    """A robot's description cannot be used."""


class AnglesError(JointloopError):
    """A file of joint angles cannot be read, or is of other joints."""
