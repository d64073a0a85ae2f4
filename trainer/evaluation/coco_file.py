"""A COCO keypoints file as the tools write it that people mark photos with.

CVAT, Label Studio, Roboflow, X-AnyLabeling and labelme's converters differ in what they leave out,
and in how they write what they leave in: a byte order mark, NaN, null, ids as text, 160.0 for 160,
false for 0, empty lists. None of that changes what is meant, so none of it matters here. What other
categories say of themselves is not looked at.
"""

import json
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from jointloop.common.files import shown
from simulator.labels import OUTSIDE, VISIBLE
from trainer.evaluation.labelled import LabelledError

FARTHEST = 1e5
"""No picture is as wide or high [px]; a keypoint that lies farther out is a mistake."""

Box = tuple[float, float, float, float]
Id = str | int | float


class _Picture(msgspec.Struct):
    id: Id
    file_name: str
    width: Any = None
    height: Any = None


class _Annotation(msgspec.Struct):
    image_id: Id
    category_id: Id
    id: Id | None = None
    keypoints: Any = None
    bbox: Any = None
    iscrowd: Any = None


class _Category(msgspec.Struct):
    id: Id
    name: Id
    keypoints: Any = None


class _File(msgspec.Struct):
    images: list[_Picture]
    annotations: list[_Annotation] | None
    categories: list[_Category]


@dataclass(frozen=True)
class Picture:
    """An image that a file lists."""

    id: str
    file_name: str
    """As the file has it: any path, of any system."""
    width: int | None
    """[px]; None where the file does not say."""
    height: int | None


@dataclass(frozen=True, eq=False)
class Annotation:
    """One object in an image; what it says is checked when it is asked for."""

    where: str
    """What errors call it."""
    image: str
    """The image's id."""
    category: str
    """The category's id."""
    crowd: bool
    _keypoints: Any
    _box: Any

    def points(self, names: tuple[str, ...]) -> NDArray[np.float64] | None:
        """(J, 3) x, y [px] and v of J keypoints, NaN where there is none; None if it has no list.

        Raises:
            LabelledError: they are not 3 J numbers, or one is impossible.
        """
        if self._keypoints is None or self._keypoints == []:
            return None
        if not isinstance(self._keypoints, list) or len(self._keypoints) != 3 * len(names):
            count = len(self._keypoints) if isinstance(self._keypoints, list) else "no"
            raise LabelledError(
                f"{self.where} has {count} numbers in keypoints; expected {3 * len(names)}, "
                f"x, y and v of {len(names)} keypoints"
            )
        numbers = [_number(value, f"{self.where} has keypoints with") for value in self._keypoints]
        points = np.array(numbers).reshape(-1, 3)
        if np.isnan(points).all():
            return None
        for name, (x, y, v) in zip(names, points.tolist(), strict=True):
            if not math.isnan(v) and v not in range(OUTSIDE, VISIBLE + 1):
                raise LabelledError(f"{self.where} has visibility {v:g}; expected 0, 1 or 2")
            if v > OUTSIDE and max(abs(x), abs(y)) > FARTHEST:
                raise LabelledError(
                    f"{self.where} has {name} at x {x:g}, y {y:g}; expected pixels of its image"
                )
        marked = points[points[:, 2] > OUTSIDE, :2]
        if len(np.unique(marked, axis=0)) > 1 and marked.min() >= 0 and marked.max() <= 1:
            raise LabelledError(
                f"{self.where} has all keypoints between 0 and 1, as parts of the image; expected "
                "pixels: x times its width, y times its height"
            )
        return points

    def box(self) -> Box | None:
        """x, y, width, height [px]; None where it says none, or one without an area.

        Raises:
            LabelledError: it is no box.
        """
        if self._box is None or self._box == []:
            return None
        wanted = "expected x, y, width and height, the last two above 0"
        if not isinstance(self._box, list) or len(self._box) != 4:
            raise LabelledError(f"{self.where} has bbox {self._box!r}; {wanted}")
        x, y, width, height = (_number(v, f"{self.where} has a bbox with") for v in self._box)
        if min(width, height) < 0 or math.inf in map(abs, (x, y, width, height)):
            raise LabelledError(f"{self.where} has bbox {self._box!r}; {wanted}")
        return (x, y, width, height) if width * height > 0 and not math.isnan(x + y) else None


@dataclass(frozen=True)
class Category:
    """One kind of object."""

    id: str
    name: str
    keypoints: tuple[str, ...]
    """Their names; empty if it has none."""


@dataclass(frozen=True, eq=False)
class CocoFile:
    """What a file says."""

    pictures: tuple[Picture, ...]
    """At least one, each with an id of its own."""
    annotations: tuple[Annotation, ...]
    categories: tuple[Category, ...]


def read_file(path: Path) -> CocoFile:
    """Read a COCO keypoints file.

    Raises:
        LabelledError: it is none, names no images, or gives several images or several categories
            with keypoints the same id.
    """
    try:
        # Its own NaN and byte order marks, of any UTF, are what Python's reader takes.
        file = msgspec.convert(json.loads(path.read_bytes()), _File)
    except OSError as error:
        raise LabelledError(f"cannot read {shown(path)}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # msgspec's and json's own are ValueErrors
        raise LabelledError(f"{path} is no COCO keypoints JSON: {error}") from None
    if not file.images:
        raise LabelledError(f"{path} names no images")
    pictures = tuple(
        Picture(_id(p.id), p.file_name, _side(p.width), _side(p.height)) for p in file.images
    )
    _check_ids(path, "image", "images", [picture.id for picture in pictures])
    annotations = tuple(
        Annotation(
            f"{path}: annotation {i if a.id is None else _id(a.id)}",
            _id(a.image_id),
            _id(a.category_id),
            _is_true(a.iscrowd),
            a.keypoints,
            a.bbox,
        )
        for i, a in enumerate(file.annotations or [])
    )
    categories = tuple(
        Category(_id(c.id), str(c.name), _names(c.keypoints)) for c in file.categories
    )
    marked = [category.id for category in categories if category.keypoints]
    _check_ids(path, "category", "categories with keypoints", marked)
    return CocoFile(pictures, annotations, categories)


def _check_ids(path: Path, one: str, many: str, ids: list[str]) -> None:
    for id, times in Counter(ids).most_common(1):
        if times > 1:
            raise LabelledError(f"{path}: {one} id {id} stands for {times} {many}")


def _id(value: Id) -> str:
    """So that 1, 1.0 and "1" are one."""
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value).strip()


def _side(value: Any) -> int | None:
    """Of an image; unknown if it is missing, 0 or no number."""
    number = _or(lambda: float(value), 0.0)
    return round(number) if 0 < number < math.inf else None


def _is_true(value: Any) -> bool:
    return _or(lambda: float(value), 0.0) > 0


def _or(number: Callable[[], float], otherwise: float) -> float:
    try:
        return number()
    except (TypeError, ValueError, OverflowError):
        return otherwise


def _names(value: Any) -> tuple[str, ...]:
    names = value if isinstance(value, list) else []
    return tuple(names) if all(isinstance(name, str) for name in names) else ()


def _number(value: Any, where: str) -> float:
    """NaN for null.

    Raises:
        LabelledError: it is no number.
    """
    if value is None or value == "":
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf
    except (TypeError, ValueError):
        raise LabelledError(f"{where} {value!r}; expected numbers") from None
