"""Where pictures come from: a folder of photos, with labels or a detector, and renderings."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from blender_scenes.pictures import PhotoError
from jointloop.common.errors import JointloopError
from jointloop.common.files import shown
from simulator.labels import OUTSIDE
from simulator.randomization.assignment import Assignment
from simulator.randomization.prior import JointPrior
from simulator.robot import Robot
from simulator.sample_maker import SampleMaker
from trainer.evaluation.coco import read_coco
from trainer.gap.statistics import Image, statistics
from trainer.inference.closer import WHOLE
from trainer.inference.detector import Detector
from trainer.inference.media import find, picture

Say = Callable[[str], None]
Points = NDArray[np.float64]


EXTENT = 0.05
"""Of the keypoints that a detector finds, as a share of the photo's diagonal: in less, nothing of a
robot can be measured, and it is often none."""


class GapError(JointloopError):
    """Photos cannot be compared with renderings."""


def of_labelled(
    folder: Path, labels: Path, robot: Robot, width: int, say: Say
) -> list[dict[str, float]]:
    """Statistics of the photos in a folder that a COCO keypoints file labels.

    Raises:
        LabelledError: the file cannot be used.
        GapError: none of the photos is wide enough.
    """
    data = read_coco(labels, robot.keypoint_names, robot.name, folder)
    for note in data.notes:
        say(f"note: {note}")
    bones = _bones(robot, data.keypoints)

    def photos() -> Iterator[tuple[str, Image, Points]]:
        for one in data.images:
            seen = (one.visibility > OUTSIDE)[:, None]
            yield one.name, one.load(), np.where(seen, one.pixels, np.nan)

    kept = [
        statistics(image, width, points, bones)
        for name, image, points in photos()
        if _wide(name, image, width, say)
    ]
    return _some(kept, folder, width)


def of_unlabelled(
    folder: Path, detector: Detector, robot: Robot, width: int, threshold: float, say: Say
) -> list[dict[str, float]]:
    """Statistics of the photos in a folder, with keypoints as the detector finds them.

    Raises:
        MediaError: there is no picture.
        GapError: the detector finds its robot in none, is another robot's, or no photo is wide
            enough.
    """
    if detector.info.robot != robot.name:
        raise GapError(
            f"the detector finds robot {detector.info.robot}, renderings show {robot.name}; give "
            f"--labels, --weights of a detector of {robot.name}, or --robot {detector.info.robot}"
        )
    found = find([folder], say)
    media = [one for one in found if not one.is_video]
    if media and len(found) > len(media):
        say(f"note: {len(found) - len(media)} videos are left out: pictures are compared")
    if not media:
        raise GapError(f"{shown(folder)} holds no picture, videos alone; expected photos")
    bones, kept = _bones(robot, detector.info.keypoints), []
    for one in media:
        try:
            image = picture(one.path)
        except PhotoError as error:
            say(f"note: {error}; it is left out")
            continue
        if not _wide(one.name, image, width, say):
            continue
        peaks = detector.detect([image])
        there = peaks.found[0] & (peaks.scores[0] >= threshold)
        points = np.where(there[:, None], peaks.pixels[0], np.nan)
        why = _no_robot(points, image)
        if why:
            say(f"note: {one.name}: {why}; it counts without one")
        kept.append(statistics(image, width, None if why else points, bones))
    _check_shown(kept, folder, robot)
    return _some(kept, folder, width)


def _no_robot(points: Points, image: Image) -> str:
    """Why keypoints (J, 2), NaN where not found, are no robot; empty where they are."""
    found = points[~np.isnan(points[:, 0])]
    if len(found) < max(WHOLE * len(points), 1):
        return "no robot is found in it"
    sides = found.max(axis=0) - found.min(axis=0)
    extent = math.hypot(*sides) / math.hypot(*image.shape[:2])
    if extent < EXTENT:
        return f"what is found in it spans {100 * extent:.1f} % of its diagonal, too little"
    return ""


def _check_shown(kept: list[dict[str, float]], folder: Path, robot: Robot) -> None:
    """Refuse photos that show no robot.

    Raises:
        GapError: none of some does, or less than half of them.
    """
    seen = sum("box of the robot" in one for one in kept)
    if kept and 2 * seen < len(kept):
        raise GapError(
            f"{shown(folder)}: the detector finds {robot.name} in {seen or 'none'} of {len(kept)} "
            "photos; give --labels, --weights of one that does, or photos that show the robot"
        )


def of_renderings(
    maker: SampleMaker, count: int, update: Callable[[str], None]
) -> list[dict[str, float]]:
    """Statistics of renderings as training sees them, at their own width."""
    robot, settings = maker.robot, maker.settings
    prior = JointPrior.uniform(robot.lower, robot.upper, settings.bins)
    assignment, kept = Assignment.of(prior), []
    for i in range(count):
        update(f"rendering {i + 1} of {count}")
        sample = maker.sample(0, i, assignment)
        seen = (sample.labels.visibility > OUTSIDE)[:, None]
        points = np.where(seen, sample.labels.pixels, np.nan)
        kept.append(statistics(sample.image, settings.width, points, robot.skeleton))
    return kept


def _bones(robot: Robot, keypoints: tuple[str, ...]) -> list[tuple[int, int]]:
    """Pairs of these keypoints, of the robot's, that bones join."""
    place = {name: i for i, name in enumerate(keypoints)}
    names = robot.keypoint_names
    pairs = [(names[a], names[b]) for a, b in robot.skeleton]
    return [(place[a], place[b]) for a, b in pairs if a in place and b in place]


def _wide(name: str, image: Image, width: int, say: Say) -> bool:
    if image.shape[1] >= width:
        return True
    say(f"note: {name} is {image.shape[1]} px wide, renderings {width}; it is left out")
    return False


def _some(kept: list[dict[str, float]], folder: Path, width: int) -> list[dict[str, float]]:
    if not kept:
        raise GapError(
            f"{shown(folder)}: no photo can be read and is at least {width} px wide, as renderings "
            "are; give larger photos, or --size"
        )
    return kept
