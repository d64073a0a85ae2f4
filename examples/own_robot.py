"""A robot of one's own: a URDF and a TOML file that names its keypoints.

python examples/own_robot.py [FOLDER]

Both files lie in examples/own_robot. Everything else takes the TOML file in a robot's place:
`jointloop train tiny --robot examples/own_robot/crane.toml ...`.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

import jointloop

out = Path(sys.argv[1] if len(sys.argv) > 1 else "out/own_robot")
out.mkdir(parents=True, exist_ok=True)

description = str(Path(__file__).with_name("own_robot") / "crane.toml")
robot = jointloop.Robot.named(description)
print(f"{robot.name}: joint angles {robot.angle_names}, keypoints {robot.keypoint_names}")
print(f"ranges from {robot.lower} to {robot.upper} [rad], [m] where a joint slides")

# Forward kinematics in numpy: where the keypoints are in the world [m], in any pose.
T_world_link = robot.forward(np.array([0.0, 0.5, 0.3]))
for name, point in zip(robot.keypoint_names, robot.keypoints_world(T_world_link), strict=True):
    print(f"{name:6} at {point.round(3)}")

# Four random poses; drawn as sticks here, `engine="cycles"` renders boxes and cylinders.
settings = jointloop.SampleSettings(description, width=160, height=120)
images = [s.image for s in jointloop.samples(settings, range(4), engine="stick")]
cv2.imwrite(str(out / "crane.png"), np.hstack(images)[..., ::-1])
print(f"wrote {out}/crane.png")
