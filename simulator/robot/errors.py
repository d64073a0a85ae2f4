"""The error of whatever a robot is made from."""

from jointloop.common.errors import JointloopError


class RobotError(JointloopError):
    """A robot's description cannot be used."""
