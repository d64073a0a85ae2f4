"""Poses of an arm at its work, as the log that `--expect` takes where there is none yet.

python examples/work_poses.py [FOLDER]

Photos of arms seldom show the poses of uniform joint angles: at work the tool points down or ahead,
the elbow is up, nothing touches. One uniform pose in a hundred is such a one. To record them:
`jointloop record --expect FOLDER/work.csv --expect-unit radians --expect-mode poses ...`.
"""

import csv
import sys
from pathlib import Path

import numpy as np

import jointloop

POSES, TRIED, TILT = 4000, 100_000, np.deg2rad(30)
out = Path(sys.argv[1] if len(sys.argv) > 1 else "out/work_poses")
out.mkdir(parents=True, exist_ok=True)

robot = jointloop.Robot.named("ur10")
turn = np.minimum(robot.upper, np.pi)  # a full turn shows all there is to see
free, names = jointloop.collisions(robot), robot.keypoint_names
rng, found, tried = np.random.default_rng(0), np.empty((0, turn.size)), 0
while len(found) < POSES:
    q = rng.uniform(-turn, turn, (TRIED, turn.size))
    points = np.moveaxis(robot.keypoints_world(robot.forward(q)), 1, 0)
    point = dict(zip(names, points, strict=True))
    tool = point["tool_flange"] - point["wrist_3"]
    up = np.arcsin(tool[:, 2] / np.linalg.norm(tool, axis=1))  # of the tool [rad]
    aim = point["tool_flange"][:, :2] - point["shoulder_lift"][:, :2]
    away = (tool[:, :2] * aim).sum(axis=1) > 0
    works = (up < TILT - np.pi / 2) | ((np.abs(up) < TILT) & away & (rng.random(TRIED) < 0.2))
    works &= point["elbow"][:, 2] > np.maximum(point["shoulder_lift"], point["wrist_1"])[:, 2]
    works &= (point["tool_flange"][:, 2] > 0.05) & (np.linalg.norm(aim, axis=1) > 0.3)
    q = q[works]
    found, tried = np.concatenate([found, q[free.free(q)]])[:POSES], tried + TRIED

with (out / "work.csv").open("w", newline="") as file:
    rows = csv.writer(file)
    rows.writerows([robot.angle_names, *found.round(4).tolist()])
print(f"wrote {out}/work.csv: {POSES} poses, about one in {tried / POSES:.0f} of the uniform ones")
