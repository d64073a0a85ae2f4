"""Flags that contradict the robot: marked as visible where its own meshes stand before it.

That something else may hide a keypoint is not known here, so one that is marked as hidden may be.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from blender_scenes.spec import Camera
from simulator import labels
from simulator.robot import Robot
from simulator.robot.rays import first_hits
from simulator.robot.surfaces import Surface, surfaces
from trainer.pose.marks.explain import Explained
from trainer.pose.marks.many import Guesses

WIDEST = 0.5
"""That a pose is turned or a joint bent to see whether a surface still hides a keypoint [rad]."""


class Sight:
    """Tells which keypoints a robot's own surfaces hide."""

    def __init__(self, robot: Robot) -> None:
        """Read the robot's surfaces.

        Raises:
            RobotError: a mesh file cannot be read.
        """
        self._robot = robot
        self._surfaces: dict[int, Surface] = surfaces(robot.model)

    def hidden(self, found: Explained, asked: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(J,) keypoints that the robot hides in every pose that its marks leave open.

        Args:
            found: the robot's pose, and what its marks leave open.
            asked: (J,) the keypoints that are asked for.
        """
        hidden = asked & self._at(found, found.guess, asked)
        if not hidden.any():
            return hidden
        for pose in _nearby(found):
            hidden &= self._at(found, pose, hidden)
            if not hidden.any():
                break
        return hidden

    def _at(self, found: Explained, guess: Guesses, asked: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(J,) keypoints that are hidden at one pose; those that are not asked for are not."""
        robot, chosen = self._robot, np.flatnonzero(asked)
        T_world_link = robot.forward(guess.q[0])
        T_base_world = np.eye(4)
        T_base_world[2, 3] = -robot.height
        T_world_camera = np.linalg.inv(guess.T_camera_base[0] @ T_base_world)
        points = robot.keypoints_world(T_world_link)
        distance, link = np.full(len(points), np.inf), np.full(len(points), -1)
        distance[chosen], link[chosen] = first_hits(
            self._surfaces, T_world_link, T_world_camera[:3, 3], points[chosen]
        )
        # Whatever size: whether a keypoint lies in the picture is not what is asked.
        camera = Camera(2, 2, np.eye(3), T_world_camera)
        middle = np.zeros((len(points), 2))
        seen = labels.visibility(robot, camera, points, middle, (distance, link))
        return asked & (seen == labels.HIDDEN)


def _nearby(found: Explained) -> list[Guesses]:
    """The pose, moved along everything that the marks leave open by what they leave open."""
    weights = found.weights
    A = (found.fit.jacobian(found.guess)[0] * weights[:, None, None]).reshape(2 * len(weights), -1)
    _, values, V = np.linalg.svd(A, full_matrices=True)
    spread = np.full(len(V), np.inf)
    spread[: len(values)] = 1 / np.maximum(values, 1e-12)
    poses = []
    for way, std in zip(V, spread, strict=True):
        most = float(np.abs(way).max())
        step = way * min(2 * std, WIDEST / most)
        for sign in (1.0, -1.0):
            moved = found.fit.moved(found.guess, (sign * step)[None])
            poses.append(replace(moved, squares=found.guess.squares))
    return poses
