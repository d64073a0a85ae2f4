"""The same images in several people's files of labels."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jointloop.common.files import shown
from simulator.labels import OUTSIDE
from simulator.robot import Robot
from trainer.evaluation.coco import read_coco
from trainer.evaluation.coco_file import read_file
from trainer.evaluation.labelled import LabelledError, LabelledImage, LabelledSet


@dataclass(frozen=True, eq=False)
class Marks:
    """What A people marked in N images."""

    robot: Robot
    people: tuple[str, ...]
    """What each is called: a file's name."""
    images: tuple[LabelledImage, ...]
    """One person's of each image, to read it by."""
    pixels: NDArray[np.float64]
    """(A, N, J, 2) [px]; NaN where there is no mark."""
    visibility: NDArray[np.uint8]
    """(A, N, J) 0 where there is no mark."""
    boxes: NDArray[np.float64]
    """(A, N, 4) x, y, width, height of the robot [px]; zeros where a person says none."""
    seen: NDArray[np.bool_]
    """(A, N) whether a person's file has the image."""
    notes: tuple[str, ...]
    """What was left out or assumed, a line each."""


def robot_of(paths: Sequence[Path]) -> str:
    """The robot that the first file names.

    Raises:
        LabelledError: it cannot be read, or names none or several.
    """
    names = {c.name for c in read_file(paths[0]).categories if c.keypoints}
    if len(names) != 1:
        listed = ", ".join(sorted(names)) or "none"
        raise LabelledError(
            f"{shown(paths[0])} has keypoints of {listed}; expected one robot, or --robot"
        )
    return names.pop()


def read_marks(paths: Sequence[Path], robot: Robot, images: Path | None) -> Marks:
    """What several files say of the images that at least two of them have.

    Args:
        paths: COCO keypoints files, one of each person.
        robot: that is marked.
        images: folder that their images' names begin from.

    Raises:
        LabelledError: there are fewer than two, one of them does not fit the robot, or no two have
            an image in common.
    """
    if len(paths) < 2:
        raise LabelledError(f"{len(paths)} file of labels is given; expected at least two people's")
    sets = [read_coco(path, robot.keypoint_names, robot.name, images) for path in paths]
    named = [_by_name(one) for one in sets]
    counts = Counter(name for one in named for name in one)
    common = [name for name, count in counts.items() if count > 1]
    if not common:
        first = next(iter(named[1]))
        raise LabelledError(
            f"{shown(paths[0])} has no image of another file's, such as {first}; expected files of "
            "the same images"
        )
    notes = [note for one in sets for note in one.notes]
    if alone := len(counts) - len(common):
        notes.append(f"{alone} images are in one file only and are left out")
    shape = (len(sets), len(common), len(robot.keypoints))
    pixels, visibility = np.full((*shape, 2), np.nan), np.zeros(shape, np.uint8)
    boxes, seen = np.zeros((*shape[:2], 4)), np.zeros(shape[:2], bool)
    for a, (data, own) in enumerate(zip(sets, named, strict=True)):
        places = [robot.keypoint_names.index(name) for name in data.keypoints]
        for n, name in enumerate(common):
            if (image := own.get(name)) is not None:
                seen[a, n], boxes[a, n] = True, image.box
                marked = image.visibility > OUTSIDE
                pixels[a, n, places] = np.where(marked[:, None], image.pixels, np.nan)
                visibility[a, n, places] = image.visibility
    readers = tuple(next(one[name] for one in named if name in one) for name in common)
    return Marks(robot, _people(paths), readers, pixels, visibility, boxes, seen, tuple(notes))


def _by_name(data: LabelledSet) -> dict[str, LabelledImage]:
    """Images by the last part of their names where that tells them apart, else by the whole."""
    last = [re.split(r"[/\\]", image.name)[-1] for image in data.images]
    whole = [image.name for image in data.images]
    return dict(zip(last if len(set(last)) == len(last) else whole, data.images, strict=True))


def _people(paths: Sequence[Path]) -> tuple[str, ...]:
    """Names of the files as far as these tell them apart, else their paths."""
    stems = [path.stem for path in paths]
    return tuple(stems if len(set(stems)) == len(stems) else map(shown, paths))
