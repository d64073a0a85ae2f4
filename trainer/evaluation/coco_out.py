"""Marked images as a COCO keypoints file, which `coco` and other people's tools read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.labels import OUTSIDE
from simulator.robot import Robot

INFO = "Robot keypoints. Pixel centres at integers; v 0 outside or not marked, 1 hidden, 2 visible."


@dataclass(frozen=True, eq=False)
class Marked:
    """One image and what is marked in it."""

    name: str
    """Of its file."""
    size: tuple[int, int]
    """Width and height [px]."""
    pixels: NDArray[np.float64]
    """(J, 2) [px]; not looked at where the flag is 0."""
    visibility: NDArray[np.uint8]
    """(J,) 0, 1 or 2."""
    box: tuple[float, float, float, float] | None = None
    """x, y, width, height of the robot [px]; the one around its marks where nobody says another."""
    frame: int | None = None
    """Of a video."""


def as_coco(robot: Robot, images: Sequence[Marked]) -> dict[str, Any]:
    """The file's content; an image without a mark has no annotation.

    Args:
        robot: whose keypoints they are.
        images: in their order, counted from 1.
    """
    category = {
        "id": 1,
        "name": robot.name,
        "supercategory": "robot",
        "keypoints": list(robot.keypoint_names),
        "skeleton": [[a + 1, b + 1] for a, b in robot.skeleton],  # COCO counts from 1
        "sigmas": [keypoint.sigma for keypoint in robot.keypoints],
    }
    return {
        "info": {"description": INFO},
        "licenses": [],
        "categories": [category],
        "images": [_image(i, one) for i, one in enumerate(images, 1)],
        "annotations": [
            _annotation(i, one) for i, one in enumerate(images, 1) if one.visibility.any()
        ],
    }


def _image(number: int, one: Marked) -> dict[str, Any]:
    width, height = one.size
    said = {"id": number, "file_name": one.name, "width": width, "height": height}
    return said if one.frame is None else said | {"frame": one.frame}


def _annotation(number: int, one: Marked) -> dict[str, Any]:
    marked = one.visibility > OUTSIDE
    points = np.where(marked[:, None], one.pixels, 0.0)
    keypoints = [
        number
        for (x, y), v in zip(points.round(3).tolist(), one.visibility.tolist(), strict=True)
        for number in (x, y, v)
    ]
    box = one.box if one.box is not None and one.box[2] * one.box[3] > 0 else around(points[marked])
    return {
        "id": number,
        "image_id": number,
        "category_id": 1,
        "keypoints": keypoints,
        "num_keypoints": int(marked.sum()),
        "bbox": [round(side, 3) for side in box],
        "area": round(box[2] * box[3], 3),
        "iscrowd": 0,
    }


def around(points: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """x, y, width, height of the box around points (M, 2); zeros around none."""
    if not len(points):
        return 0.0, 0.0, 0.0, 0.0
    (x, y), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return x, y, right - x, bottom - y
