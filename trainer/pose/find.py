"""Poses of many images, written into a folder: poses.json, and pictures.

shots --arrange--> tasks --solve--> answers --report--> poses.json, KEY.png
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jointloop.common.files import write_json
from simulator.drawing.drawing import write_png
from simulator.robot import Robot
from trainer.pose.accuracy import Found, accuracy
from trainer.pose.arrange import Task
from trainer.pose.report import DEFINITIONS, Overlays, told
from trainer.pose.shots import Shot, loaded
from trainer.pose.solve import Answer, solve
from trainer.pose.start import LEAST

SCHEMA = 1
"""Version of poses.json."""


class Poses:
    """What was found in images, growing task by task."""

    def __init__(self, robot: Robot, shots: Sequence[Shot]) -> None:
        self.robot, self._shots = robot, shots
        self._told: dict[int, dict[str, Any]] = {}
        self._found: dict[int, Found] = {}

    @property
    def posed(self) -> int:
        """Images with a pose."""
        return sum("why" not in one for one in self._told.values())

    @property
    def whys(self) -> dict[str, int]:
        """Why images have none, each with how many."""
        whys = [one["why"] for one in self._told.values() if "why" in one]
        return {why: whys.count(why) for why in dict.fromkeys(whys)}

    @property
    def untold(self) -> dict[str, int]:
        """Joints whose angles the keypoints cannot tell, each with in how many images."""
        names = [name for one in self._told.values() for name in one["untold"]]
        return {name: names.count(name) for name in self.robot.angle_names if name in names}

    def add(self, task: Task) -> Answer:
        """Solve one task; returns what came of it."""
        answer = solve(task.problem, task.q)
        for place, (i, view) in enumerate(zip(task.shots, task.problem.views, strict=True)):
            shot = self._shots[i]
            untold = [
                n
                for n, u in zip(self.robot.angle_names, answer.untold[view.instant], strict=True)
                if u
            ]
            said: dict[str, Any] = {"image": shot.name, "keypoints": len(view.used)}
            if answer.solutions:
                best, *others = (told(self.robot, answer, s, view, place) for s in answer.solutions)
                said |= {**best, "untold": untold, "alternatives": others}
            else:
                said |= {"T_camera_base": None, "why": answer.why, "untold": untold}
            self._told[i] = said
            if shot.truth is not None:
                found = Found(shot.truth, len(view.used) >= LEAST)
                if answer.solutions:
                    state = answer.solutions[0].state
                    free = task.problem.free[view.instant] & ~answer.untold[view.instant]
                    T, q = state.T_camera_base[view.camera], state.q[view.instant]
                    found = replace(found, T_camera_base=T, q=q, told=free)
                self._found[i] = found
        return answer

    def name_picture(self, i: int, name: str) -> None:
        """Note the picture that an image was drawn into."""
        self._told[i]["picture"] = name

    def accuracy(self, seed: int) -> dict[str, Any] | None:
        """How far they are off; None where nobody knows."""
        found = [self._found[i] for i in sorted(self._found)]
        return accuracy(self.robot, found, seed) if found else None

    def as_json(self, seed: int) -> dict[str, Any]:
        """All of it, ready for JSON."""
        known = self.accuracy(seed)
        return {
            "schema": SCHEMA,
            "robot": self.robot.name,
            "images": len(self._told),
            "posed": self.posed,
            "poses": [self._told[i] for i in sorted(self._told)],
            **({} if known is None else {"accuracy": known}),
            "definitions": DEFINITIONS,
        }


def find_poses(
    robot: Robot,
    shots: Sequence[Shot],
    tasks: Sequence[Task],
    folder: Path,
    pictures: int,
    seed: int,
    update: Callable[[str], None] = lambda line: None,
) -> Poses:
    """Find the poses of all tasks and write them into a folder.

    Args:
        robot: that is seen.
        shots: the images.
        tasks: made of them.
        folder: is there, and is written to.
        pictures: how many are drawn at most.
        seed: of the bootstrap.
        update: takes lines that the next one replaces.

    Raises:
        JointloopError: a task is too large, or the folder cannot be written.
    """
    poses, overlays, drawn = Poses(robot, shots), None, 0
    for number, task in enumerate(tasks, 1):
        answer = poses.add(task)
        update(f"{number} of {len(tasks)}")
        for place, i in enumerate(task.shots):
            if not answer.solutions or drawn >= pictures:
                break
            image = loaded(shots[i])
            if image is None:
                continue
            overlays = overlays or Overlays(robot)
            view, best = task.problem.views[place], answer.solutions[0]
            lens = replace(task.problem.lenses[view.camera], K=best.state.K[view.camera])
            picture = overlays.draw(image, best, view, place, lens)
            write_png(picture, folder / f"{i:06d}.png")
            poses.name_picture(i, f"{i:06d}.png")
            drawn += 1
    write_json(folder / "poses.json", poses.as_json(seed))
    return poses
