"""The error of this package."""

from jointloop.common.errors import JointloopError


class AnnotateError(JointloopError):
    """Photos cannot be marked, or marks make no sense."""
