"""A COCO keypoints file as a set of annotated images: our own, or photos marked by hand.

file --`coco_file`--> pictures, annotations --`coco_images`--> their files --here--> LabelledSet

Keypoints are taken as they stand, with pixel centres at integers: COCO's convention, and that of
`jointloop convert`. A detector finds one robot, so an image with several annotated ones (or a
crowd) is left out; so is one whose robot has no list of keypoints. An image without any annotation
counts as one in which nothing is to be found. What is left out or assumed is counted and said.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from blender_scenes.pictures import read_picture, size_said
from simulator.labels import OUTSIDE
from trainer.evaluation.coco_file import Annotation, Box, Category, CocoFile, Picture, read_file
from trainer.evaluation.coco_images import Located, locate
from trainer.evaluation.coco_out import around
from trainer.evaluation.labelled import (
    Image,
    LabelledError,
    LabelledImage,
    LabelledSet,
    Match,
    folded,
)

NOTES = {
    "several": "images that show several robots are left out",
    "unmarked": "images whose robot has no keypoints marked are left out",
    "missing": "images are not there and are left out",
    "renamed": "images are found by the last part of their names",
    "unlisted": "annotations of images that are not listed are left out",
    "empty": "images have no annotation: nothing is to be found there",
    "unboxed": "annotations have no bbox with an area: OKS takes the box around their keypoints",
    "vague": "keypoints have no place or no visibility (null or NaN): they count as unlabelled",
}
"""What may be said of a file, each with a count before it."""


@dataclass(frozen=True, eq=False)
class _Robot:
    """What one annotation says of a robot."""

    points: NDArray[np.float64] | None
    """(J, 3) x, y and v, in the category's order."""
    box: Box | None
    crowd: bool


@dataclass
class _Said:
    """What is counted for the user."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)
    """What shows it best: a name."""

    def add(self, what: str, example: str = "") -> None:
        self.counts[what] += 1
        self.first.setdefault(what, example)

    def lines(self, path: Path) -> list[str]:
        shown = {what: f", the first is {name}" for what, name in self.first.items() if name}
        return [
            f"{path}: {self.counts[what]} {text}{shown.get(what, '')}"
            for what, text in NOTES.items()
            if self.counts[what]
        ]


def read_coco(
    path: Path, keypoints: Sequence[str], robot: str, images: Path | None = None
) -> LabelledSet:
    """The images that a COCO keypoints file labels.

    Args:
        path: the JSON file.
        keypoints: names that the detector knows.
        robot: that it finds; of several categories with keypoints, the one of this name counts, or
            else those that have the detector's keypoints.
        images: folder that file names begin from; by default the JSON's own, or `images` in it or
            beside it.

    Raises:
        LabelledError: the file is no such JSON, contradicts itself, does not fit the detector, or
            no image is there that shows one robot.
    """
    file, said = read_file(path), _Said()
    categories = _categories(file, path, keypoints, robot)
    name = " and ".join(repr(c.name) for c in categories)
    match = Match.of(categories[0].keypoints, keypoints, f"{path}, category {name},")
    robots = _robots(file, path, categories, said)
    located = _located(file, path, images, said)
    taken = []
    for picture, found in zip(file.pictures, located, strict=True):
        if found.path is None:
            continue
        shown = _shown(robots[picture.id], said)
        if shown is not None:
            load = partial(_load, found.path, picture)
            taken.append(_annotated(picture, shown, match, load, said))
    if not taken:
        reasons = "; ".join(line.removeprefix(f"{path}: ") for line in said.lines(path))
        raise LabelledError(f"{path}: no image shows exactly one {name}; {reasons}")
    notes = [*match.notes, *said.lines(path)]
    if len(categories) > 1:
        notes.append(f"{path}: {name} have the same keypoints and count as one")
    return LabelledSet(path, match.names, tuple(taken), tuple(notes))


def _categories(file: CocoFile, path: Path, keypoints: Sequence[str], robot: str) -> list[Category]:
    """Those that are the detector's robot, all of the same keypoints."""
    marked = [c for c in file.categories if c.keypoints]
    known = {folded(name) for name in keypoints}
    fitting = [c for c in marked if known.issuperset(map(folded, c.keypoints))]
    used = {annotation.category for annotation in file.annotations}
    choices = (
        marked if len(marked) == 1 else [],
        [c for c in marked if folded(c.name) == folded(robot)],
        [c for c in fitting if c.id in used],
        fitting,
    )
    chosen = next((choice for choice in choices if choice), [])
    if chosen and len({c.keypoints for c in chosen}) == 1:
        return chosen
    names = ", ".join(repr(c.name) for c in marked) or "none"
    raise LabelledError(
        f"{path}: categories with keypoints are {names}; expected one, or one named {robot!r}"
    )


def _robots(
    file: CocoFile, path: Path, categories: Sequence[Category], said: _Said
) -> dict[str, list[_Robot]]:
    """What is said of robots by the id of their image, checked."""
    listed = {picture.id for picture in file.pictures}
    known, ours = {c.id for c in file.categories}, {c.id for c in categories}
    robots: dict[str, list[_Robot]] = defaultdict(list)
    strays: list[Annotation] = []
    for annotation in file.annotations:
        if annotation.category not in known:
            raise LabelledError(
                f"{annotation.where} is of category {annotation.category}, which is not listed"
            )
        if annotation.category not in ours:
            continue
        if annotation.image not in listed:
            strays.append(annotation)
            said.add("unlisted")
            continue
        points = annotation.points(categories[0].keypoints)
        robots[annotation.image].append(_Robot(points, annotation.box(), annotation.crowd))
    if strays and not robots:
        first = strays[0]
        raise LabelledError(f"{first.where} is of image {first.image}, which is not listed")
    return robots


def _located(file: CocoFile, path: Path, images: Path | None, said: _Said) -> list[Located]:
    """Where the images lie; at least one is there."""
    names = [picture.file_name for picture in file.pictures]
    located = locate(names, path, images)
    missing = [name for name, one in zip(names, located, strict=True) if one.path is None]
    first = images or path.parent
    if len(missing) == len(names):
        hint = "" if images else "; give --images DIR if they lie elsewhere"
        raise LabelledError(
            f"{path}: {len(missing)} of its {len(names)} images are missing, the first is "
            f"{first / missing[0]}{hint}"
        )
    for name in missing:
        said.add("missing", name)
    for name, one in zip(names, located, strict=True):
        if one.path and not one.whole:
            said.add("renamed", f"{one.path} for {name}")
    return located


def _shown(robots: Sequence[_Robot], said: _Said) -> list[_Robot] | None:
    """The robot to be found in an image, if any; None where that is unclear."""
    # Tools leave empty annotations behind, of tracks that are elsewhere.
    meant = [one for one in robots if one.points is not None or one.box]
    if len(meant) > 1 or any(one.crowd for one in meant):
        said.add("several")
        return None
    if robots and (not meant or meant[0].points is None):
        said.add("unmarked")
        return None
    if not robots:
        said.add("empty")
    return meant


def _annotated(
    picture: Picture,
    shown: Sequence[_Robot],
    match: Match,
    load: "partial[Image]",
    said: _Said,
) -> LabelledImage:
    if not shown or shown[0].points is None:
        joints = len(match.names)
        nowhere, unseen = np.full((joints, 2), np.nan), np.zeros(joints, np.uint8)
        return LabelledImage(picture.file_name, load, nowhere, unseen, (0.0, 0.0, 0.0, 0.0))
    points = shown[0].points[list(match.places)]
    known = np.isfinite(points).all(axis=1)
    for v in points[~known, 2]:
        if v != OUTSIDE:
            said.add("vague")
    pixels = np.where(np.isfinite(points[:, :2]), points[:, :2], np.nan)
    visibility = np.where(known, points[:, 2], OUTSIDE).astype(np.uint8)
    box = shown[0].box
    if box is None:
        box = around(pixels[visibility > OUTSIDE])
        if box[2] * box[3] > 0:
            said.add("unboxed")
    return LabelledImage(picture.file_name, load, pixels, visibility, box)


def _load(path: Path, picture: Picture) -> Image:
    """Upright, or as its pixels lie where that is what its labels are for."""
    labelled, said = {picture.width, picture.height}, size_said(path)
    if said and None not in labelled and labelled != {*said}:  # before it costs memory
        raise _unlike_labels(path, said, picture)
    for turned in (True, False):
        image = np.ascontiguousarray(read_picture(path, turned=turned)[..., ::-1])
        height, width = image.shape[:2]
        if (picture.width or width, picture.height or height) == (width, height):
            return image
    height, width = read_picture(path).shape[:2]
    raise _unlike_labels(path, (width, height), picture)


def _unlike_labels(path: Path, size: tuple[int, int], picture: Picture) -> LabelledError:
    return LabelledError(
        f"{path} is {size[0]}x{size[1]}, but its labels are for {picture.width}x{picture.height}"
    )
