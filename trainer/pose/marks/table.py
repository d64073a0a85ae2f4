"""What was found in a set of labels, as JSON and in pictures."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from simulator.drawing.drawing import PREDICTED_COLOUR, TRUE_COLOUR, Image, draw_skeleton
from simulator.robot import Robot
from trainer.pose.marks.explain import RARE
from trainer.pose.marks.faults import Looked

SCHEMA = 1
"""Version of check-labels.json."""
TILE = (400, 300)
"""Width and height of a picture in the sheet [px]."""
FAULT_COLOUR = (255, 60, 60)
"""RGB of marks that are at fault."""
DEFINITIONS = {
    "residual": "distance of a mark from where the others put it, in standard deviations of that "
    "distance; null where they leave its place open",
    "checked": "pictures whose marks tell more than the robot's pose",
    "off": "no pose of the robot has all marks, but one has all without this one",
    "swapped": "likewise with these two in each other's place",
    "unexplained": "no pose has all marks, with any one left out or any two swapped",
    "outside": "a mark outside of the picture",
    "flag": "marked as visible, but the robot's own surface stands before it in every pose that "
    "the marks leave open",
    "jump": "farther from its place in the picture before than the speed limit",
    "chance": f"a picture of true marks is called faulty with a chance of at most {2 * RARE:.1%}",
    "proposed": "keypoints that are not marked, where the pose has them: x, y and standard "
    "deviation [px]",
}


def as_json(robot: Robot, looked: Sequence[Looked]) -> dict[str, Any]:
    """All that was found."""
    counts = Counter(fault.kind for one in looked for fault in one.faults)
    residuals = np.array([one.found.residuals for one in looked]).reshape(-1, len(robot.keypoints))
    return {
        "schema": SCHEMA,
        "robot": robot.name,
        "images": len(looked),
        "checked": sum(one.checked for one in looked),
        "faulty": sum(bool(one.faults) for one in looked),
        "faults": dict(counts),
        "keypoints": {
            name: _of_keypoint(own)
            for name, own in zip(robot.keypoint_names, residuals.T, strict=True)
        },
        "pictures": [_of_picture(robot, one) for one in looked],
        "definitions": DEFINITIONS,
    }


def _of_keypoint(residuals: np.ndarray) -> dict[str, Any]:
    own = residuals[np.isfinite(residuals)]
    figures = {
        f"{n}_sigmas": _plain(np.quantile(own, q)) if len(own) else None
        for n, q in (("median", 0.5), ("p95", 0.95))
    }
    return {"n": len(own), **figures}


def _of_picture(robot: Robot, one: Looked) -> dict[str, Any]:
    residuals = zip(robot.keypoint_names, one.found.residuals.tolist(), strict=True)
    return {
        "image": one.shot.name,
        "checked": one.checked,
        "residual_sigmas": {name: _plain(value) for name, value in residuals},
        "faults": [
            {
                "kind": f.kind,
                "keypoints": list(f.keypoints),
                "text": f.text,
                "sigmas": _plain(f.sigmas),
            }
            for f in one.faults
        ],
        "proposed": {name: [_plain(v) for v in at] for name, at in one.proposed.items()},
    }


def _plain(number: float | np.floating | None) -> float | None:
    return None if number is None or not np.isfinite(number) else round(float(number), 3)


def picture(robot: Robot, one: Looked) -> Image:
    """A faulty picture in a tile: marks in green, those at fault in red, the pose in magenta."""
    image = one.shot.load()
    scale = min(TILE[0] / image.shape[1], TILE[1] / image.shape[0])
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    large = np.asarray(cv2.resize(image, size, interpolation=how), np.uint8)
    blamed = {name for fault in one.faults for name in fault.keypoints}
    bad = np.array([name in blamed for name in robot.keypoint_names])
    seen = one.shot.weights > 0
    pose, marks = ((p + 0.5) * scale - 0.5 for p in (one.found.pixels, one.shot.pixels))
    drawn = draw_skeleton(
        large, pose, np.ones(len(seen)), robot.skeleton, PREDICTED_COLOUR, bone=0.8, dot=1.5
    )
    for shown, colour in ((seen & ~bad, TRUE_COLOUR), (seen & bad, FAULT_COLOUR)):
        drawn = draw_skeleton(drawn, marks, np.where(shown, 2, 0), (), colour)
    tile = np.zeros((TILE[1], TILE[0], 3), np.uint8)
    tile[: size[1], : size[0]] = drawn
    return tile
