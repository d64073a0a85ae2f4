"""The robot as readers of a recording's labels see it."""

import msgspec

from simulator.robot import Robot


class Skeleton(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The robot as readers of labels see it."""

    name: str
    keypoints: tuple[str, ...]
    """J names."""
    bones: tuple[tuple[int, int], ...]
    """Pairs of keypoints, counted from 0."""
    sigmas: tuple[float, ...]
    """(J,) OKS fall-off, relative to the square root of the robot's area."""
    angles: tuple[str, ...]
    """D names."""

    @classmethod
    def of(cls, robot: Robot) -> "Skeleton":
        """The skeleton of a robot."""
        return cls(
            robot.name,
            robot.keypoint_names,
            robot.skeleton,
            tuple(keypoint.sigma for keypoint in robot.keypoints),
            robot.angle_names,
        )
