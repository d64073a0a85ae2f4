"""One person's marks, saved after every change: beside the file first, then renamed.

The file lists the pictures that the person began with or is through with; others would count as
ones in which nothing is to be found. What it holds of pictures that are not before us stays in it.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jointloop.annotate.errors import AnnotateError
from jointloop.annotate.photos import Photo
from jointloop.common.files import shown, write_json
from simulator.labels import OUTSIDE, VISIBLE
from simulator.robot import Robot
from trainer.evaluation.coco_file import Box, CocoFile, read_file
from trainer.evaluation.coco_out import Marked, around, as_coco
from trainer.evaluation.labelled import Match

FARTHEST = 1e4
"""A mark that lies farther out is a mistake [px]."""


@dataclass
class Page:
    """What is marked in one picture."""

    pixels: list[tuple[float, float] | None]
    """J places [px]; None where there is no mark."""
    flags: list[int]
    """J: 0 outside or not marked, 1 hidden, 2 visible."""
    done: bool = False
    """Whether the person is through with it."""
    box: Box | None = None
    """Of the robot [px], where the file has another one than around its marks."""

    @property
    def begun(self) -> bool:
        """Whether anything is said of the picture."""
        return self.done or any(self.flags)

    def as_json(self) -> dict[str, Any]:
        """As the page has it."""
        return {"pixels": self.pixels, "flags": self.flags, "done": self.done}

    @classmethod
    def of(cls, said: Any, joints: int) -> "Page":
        """What a browser says.

        Raises:
            AnnotateError: it makes no sense.
        """
        wanted = f"expected pixels, flags and done for {joints} keypoints"
        if not isinstance(said, dict):
            raise AnnotateError(f"marks are no mapping; {wanted}")
        pixels, flags, done = said.get("pixels"), said.get("flags"), said.get("done")
        if not (isinstance(pixels, list) and isinstance(flags, list) and isinstance(done, bool)):
            raise AnnotateError(f"marks lack something; {wanted}")
        if len(pixels) != joints or len(flags) != joints:
            raise AnnotateError(f"marks of {len(pixels)} keypoints; {wanted}")
        if any(type(flag) is not int or not OUTSIDE <= flag <= VISIBLE for flag in flags):
            raise AnnotateError(f"flags are {flags}; expected 0, 1 or 2")
        places = [None if at is None else _place(at) for at in pixels]
        for at, flag in zip(places, flags, strict=True):
            if at is None and flag != OUTSIDE:
                raise AnnotateError(f"flag {flag} has no place; expected one, or flag 0")
        return cls(places, flags, done)


def places(pixels: Sequence[tuple[float, float] | None]) -> NDArray[np.float64]:
    """(J, 2) [px]; NaN where there is no mark."""
    return np.array([at or (np.nan, np.nan) for at in pixels], np.float64).reshape(-1, 2)


def _place(said: Any) -> tuple[float, float]:
    numbers = said if isinstance(said, list) and len(said) == 2 else []
    if len(numbers) != 2 or not all(
        isinstance(v, int | float) and math.isfinite(v) and abs(v) < FARTHEST for v in numbers
    ):
        raise AnnotateError(f"a mark lies at {said!r}; expected x and y in pixels")
    return float(numbers[0]), float(numbers[1])


@dataclass
class Book:
    """One person's pages, picture by picture."""

    robot: Robot
    photos: Sequence[Photo]
    path: Path
    pages: list[Page]
    kept: dict[str, Any] = field(default_factory=dict)
    """What the file has of pictures that are not before us: images and annotations."""
    _lock: Lock = field(default_factory=Lock)

    @classmethod
    def open(cls, robot: Robot, photos: Sequence[Photo], path: Path) -> "Book":
        """The marks of a file, or none where it is not there yet.

        Raises:
            JointloopError: the file is no COCO keypoints file, or of another robot.
        """
        joints = len(robot.keypoints)
        pages = [Page([None] * joints, [OUTSIDE] * joints) for _ in photos]
        if not path.exists():
            return cls(robot, photos, path, pages)
        return cls(robot, photos, path, pages, _read(robot, photos, path, pages))

    def turn(self, number: int, page: Page) -> None:
        """Take a page in place of the one before, and save all.

        Raises:
            FileError: it cannot be written; the page is kept, and saved with the next one.
        """
        with self._lock:
            page.box = self.pages[number].box
            self.pages[number] = page
            write_json(self.path, self.as_coco())

    def as_coco(self) -> dict[str, Any]:
        """All pages as a COCO file."""
        begun = [p for p in zip(self.photos, self.pages, strict=True) if p[1].begun]
        marked = [
            Marked(
                photo.name,
                (photo.width, photo.height),
                places(page.pixels),
                np.array(page.flags, np.uint8),
                page.box,
            )
            for photo, page in begun
        ]
        said = as_coco(self.robot, marked)
        for image, (_, page) in zip(said["images"], begun, strict=True):
            image["done"] = page.done
        first = len(marked) + 1
        images, annotations = self.kept.get("images", []), self.kept.get("annotations", [])
        fresh = {image["id"]: first + i for i, image in enumerate(images)}
        said["images"] += [image | {"id": fresh[image["id"]]} for image in images]
        said["annotations"] += [
            one | {"id": first + i, "image_id": fresh[one["image_id"]], "category_id": 1}
            for i, one in enumerate(annotations)
        ]
        return said

    @property
    def done(self) -> int:
        """Pictures that the person is through with."""
        return sum(page.done for page in self.pages)


def _read(robot: Robot, photos: Sequence[Photo], path: Path, pages: list[Page]) -> dict[str, Any]:
    """Fill pages from a file; gives what it has of other pictures, as it stands there."""
    file, raw = read_file(path), json.loads(path.read_bytes())
    marked = [category for category in file.categories if category.keypoints]
    if len(marked) != 1:
        raise AnnotateError(
            f"{shown(path)} has {len(marked)} kinds of keypoints; expected one robot"
        )
    match = Match.of(marked[0].keypoints, robot.keypoint_names, shown(path))
    joints = [robot.keypoint_names.index(name) for name in match.names]
    numbers = {photo.name: i for i, photo in enumerate(photos)}
    ours = {one.id: numbers[one.file_name] for one in file.pictures if one.file_name in numbers}
    for entry, one in zip(raw["images"], file.pictures, strict=True):
        if one.id in ours:
            pages[ours[one.id]].done = bool(entry.get("done", False))
    seen: set[str] = set()
    for annotation in file.annotations:
        if annotation.category != marked[0].id or annotation.image in seen:
            raise AnnotateError(
                f"{annotation.where} is a second one of its image or of another kind than "
                f"{marked[0].name}; expected one robot in each image"
            )
        seen.add(annotation.image)
        points = annotation.points(marked[0].keypoints)
        if annotation.image in ours and points is not None:
            page = pages[ours[annotation.image]]
            _fill(page, joints, points[list(match.places)], annotation.box())
    return _others(raw, file, ours)


def _fill(page: Page, joints: list[int], points: NDArray[np.float64], box: Box | None) -> None:
    for j, (x, y, v) in zip(joints, points.tolist(), strict=True):
        if v > OUTSIDE and math.isfinite(x + y):
            page.pixels[j], page.flags[j] = (x, y), int(v)
    marks = places(page.pixels)
    own = around(marks[np.isfinite(marks[:, 0])])
    page.box = None if box is None or np.allclose(box, own, atol=0.01) else box


def _others(raw: dict[str, Any], file: CocoFile, ours: dict[str, int]) -> dict[str, Any]:
    images = [e for e, one in zip(raw["images"], file.pictures, strict=True) if one.id not in ours]
    ids = {image["id"] for image in images}
    annotations = raw.get("annotations") or []
    return {"images": images, "annotations": [a for a in annotations if a["image_id"] in ids]}
