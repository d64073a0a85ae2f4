"""What is told of poses: JSON with units and frames in its names, and pictures."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from blender_scenes import outline
from blender_scenes.lens import bend, distorts
from blender_scenes.spec import Camera
from simulator.drawing.drawing import PREDICTED_COLOUR, TRUE_COLOUR, draw_skeleton
from simulator.robot import Robot
from simulator.robot.surfaces import surfaces
from trainer.pose.problem import Array, Lens, View
from trainer.pose.solve import Answer, Solution

Image = NDArray[np.uint8]
SHADE = 0.25
"""Of the silhouette over the picture."""
CLOSE = 0.05
"""What is nearer to the camera is cut off from the silhouette [m]."""
DEFINITIONS = {
    "T_camera_base": "pose of the robot's root link before the camera, 4 x 4 [m]; OpenCV axes: x "
    "right, y down, z forward. null where it cannot be told",
    "T_camera_base_if": "the same where the joints named under `if` stand at these angles, which "
    "the keypoints cannot tell",
    "q_rad": "joint angles; null where they were not given and cannot be told; slides in m under "
    "q_m",
    "q_std_deg": "standard deviation of angles found, from the noise or, where residuals are "
    "larger, from these",
    "reprojection_px": "distance of the robot's keypoints from those found",
    "alternatives": "further answers whose sum of squared residuals, in standard deviations, is "
    "less than 9 larger",
}


def told(
    robot: Robot, answer: Answer, solution: Solution, view: View, place: int
) -> dict[str, Any]:
    """One solution in one view, ready for JSON.

    Args:
        robot: whose pose it is.
        answer: that the solution is of.
        solution: one of its.
        view: one of the problem's.
        place: the view's number.
    """
    c, t = view.camera, view.instant
    state, off = solution.state, solution.off[place]
    T = state.T_camera_base[c].round(9).tolist()
    untold, names = answer.untold[t], robot.angle_names
    held = {n: v for n, v, u in zip(names, state.q[t].tolist(), untold, strict=True) if u}
    conditional = {"T_camera_base": None, "T_camera_base_if": {"if": held, "T_camera_base": T}}
    numbers = {n: None if u else v for n, v, u in zip(names, state.q[t], untold, strict=True)}
    return {
        **(conditional if answer.base_untold else {"T_camera_base": T}),
        "base_std_deg": _plain(np.degrees(solution.turn_std[c])),
        "base_std_mm": _plain(1e3 * solution.shift_std[c]),
        **_angles(robot, numbers, solution.q_std[t]),
        "reprojection_px": {
            "rms": _plain(np.sqrt(np.nanmean(off**2))),
            "max": _plain(np.nanmax(off)),
            "keypoints": {k: _plain(d) for k, d in zip(robot.keypoint_names, off, strict=True)},
        },
        "squared_residuals": _plain(solution.squares),
        "K": [[_plain(x) for x in row] for row in state.K[c].tolist()],
    }


def _angles(robot: Robot, q: dict[str, float | None], std: Array) -> dict[str, Any]:
    """Angles in both units, lengths apart, with their standard deviations where found."""
    slide = dict(zip(robot.angle_names, robot.slides, strict=True))
    spread = {n: s for n, s in zip(robot.angle_names, std.tolist(), strict=True) if s > 0}
    turned = {n: v for n, v in q.items() if not slide[n]}
    lengths = {n: _plain(v) for n, v in q.items() if slide[n]}
    return {
        "q_rad": {n: _plain(v) for n, v in turned.items()},
        "q_deg": {n: None if v is None else _plain(np.degrees(v)) for n, v in turned.items()},
        "q_std_deg": {n: _plain(np.degrees(s)) for n, s in spread.items() if not slide[n]},
        **({"q_m": lengths} if lengths else {}),
        **({"q_std_m": {n: _plain(s) for n, s in spread.items() if slide[n]}} if lengths else {}),
    }


def _plain(number: float | np.floating | None) -> float | None:
    if number is None or not np.isfinite(number):
        return None
    return round(float(number), 9)


class Overlays:
    """Draws what was found over pictures: the robot's silhouette, its bones, the keypoints seen."""

    def __init__(self, robot: Robot) -> None:
        """Read the robot's surfaces.

        Raises:
            RobotError: a mesh file cannot be read.
        """
        self._robot = robot
        self._surfaces = surfaces(robot.model)
        triangles, first = [], 0
        for surface in self._surfaces.values():
            triangles.append(surface.triangles + first)
            first += len(surface.vertices)
        self._faces = outline.Faces.of(np.concatenate(triangles)) if triangles else None

    def draw(self, image: Image, solution: Solution, view: View, place: int, lens: Lens) -> Image:
        """A copy of the image (H, W, 3); magenta is the robot as found, green what was seen."""
        T = solution.state.T_camera_base[view.camera]
        q = solution.state.q[view.instant]
        drawn = self._shaded(image, self.silhouette(image.shape[:2], T, q, lens))
        found, seen = solution.pixels[place], np.where(view.weights > 0, 1, 0)
        bones, shown = self._robot.skeleton, np.full(len(found), 2)
        drawn = draw_skeleton(drawn, found, shown, bones, PREDICTED_COLOUR)
        return draw_skeleton(drawn, view.pixels, seen, (), TRUE_COLOUR, dot=4.0)

    def silhouette(
        self, size: tuple[int, ...], T_camera_base: Array, q: Array, lens: Lens
    ) -> NDArray[np.bool_] | None:
        """(H, W) pixels that the robot covers; None where its meshes or the lens do not tell.

        Args:
            size: H and W.
            T_camera_base: (4, 4).
            q: (D,).
            lens: of the camera; one of more coefficients than k3 tells nothing here.
        """
        if self._faces is None or len(lens.distortion) > 5:
            return None
        k = np.zeros(5)
        k[: len(lens.distortion)] = lens.distortion
        camera = Camera(size[1], size[0], lens.K, np.eye(4), tuple(k.tolist()))  # type: ignore[arg-type]
        bent = bend(camera) if distorts(camera) else None
        T_base_world = np.eye(4)
        T_base_world[2, 3] = -self._robot.height
        T = T_camera_base @ T_base_world @ self._robot.forward(q)
        points = np.concatenate(
            [s.vertices @ T[i, :3, :3].T + T[i, :3, 3] for i, s in self._surfaces.items()]
        )
        mask = outline.covered(bent.pinhole if bent else camera, points, self._faces, CLOSE)
        return bent.picture(mask.astype(np.float32)) >= 0.5 if bent else mask

    @staticmethod
    def _shaded(image: Image, mask: NDArray[np.bool_] | None) -> Image:
        drawn = np.ascontiguousarray(image).copy()
        if mask is None:
            return drawn
        colour = np.array(PREDICTED_COLOUR, float)
        drawn[mask] = np.rint((1 - SHADE) * drawn[mask] + SHADE * colour).astype(np.uint8)
        lines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, lines, -1, PREDICTED_COLOUR, 1, cv2.LINE_AA)
        return drawn
