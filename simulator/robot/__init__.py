"""A robot: its kinematics and keypoints, from a URDF and a small TOML file.

robot         what every other package sees of it
description   the TOML file, and the robot it makes of a URDF
urdf          the URDF file
known/        the robots that come with Jointloop
"""

from simulator.robot.robot import (
    MAX_JOINTS,
    MAX_KEYPOINTS,
    MAX_NAME,
    Joint,
    Keypoint,
    Robot,
    RobotError,
)

__all__ = [
    "MAX_JOINTS",
    "MAX_KEYPOINTS",
    "MAX_NAME",
    "Joint",
    "Keypoint",
    "Robot",
    "RobotError",
]
