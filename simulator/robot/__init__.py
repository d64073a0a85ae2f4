"""A robot: its kinematics and keypoints, from a URDF and a small TOML file.

robot         what every other package sees of it
description   the TOML file, and the parts that it makes of a URDF
describe      a first description, from a URDF alone
tree          which joints move, over which ranges, and where the others stay
urdf          the URDF file: links and joints; visuals reads what is seen of them
collisions    whether a pose passes through floor or robot: capsules about the links' surfaces
angles        joint angles from CSV or JSON lines
parts         joints, keypoints and ranges, in plain numbers
known/        the robots that come with Jointloop
"""

from simulator.robot.errors import AnglesError, RobotError
from simulator.robot.parts import MAX_JOINTS, MAX_KEYPOINTS, MAX_NAME, Joint, Keypoint
from simulator.robot.robot import Robot

__all__ = [
    "MAX_JOINTS",
    "MAX_KEYPOINTS",
    "MAX_NAME",
    "AnglesError",
    "Joint",
    "Keypoint",
    "Robot",
    "RobotError",
]
