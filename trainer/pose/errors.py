"""The error of this package."""

from jointloop.common.errors import JointloopError


class PoseError(JointloopError):
    """What poses are to be found from cannot be read, or does not fit the robot."""
