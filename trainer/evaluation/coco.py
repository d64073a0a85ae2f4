"""A COCO keypoints file as a set of annotated images: our own, or photos marked by hand.

Keypoints are taken as they stand, with pixel centres at integers: COCO's convention, and that of
`jointloop convert`. A detector finds one robot, so an image with several annotated ones (or a
crowd) is left out; an image without any counts as one in which nothing is to be found.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from simulator.labels import OUTSIDE, VISIBLE
from simulator.recordings.sample_files import decode_image
from trainer.evaluation.labelled import Annotated, AnnotatedError, AnnotatedSet, Image, Match


class _Picture(msgspec.Struct):
    id: int
    file_name: str
    width: int | None = None
    height: int | None = None


class _Annotation(msgspec.Struct):
    image_id: int
    category_id: int
    id: int | None = None
    keypoints: list[float] = []
    bbox: tuple[float, float, float, float] | None = None
    iscrowd: int = 0


class _Category(msgspec.Struct):
    id: int
    name: str
    keypoints: list[str] = []


class _File(msgspec.Struct):
    images: list[_Picture]
    annotations: list[_Annotation]
    categories: list[_Category]


def read_coco(
    path: Path, keypoints: Sequence[str], robot: str, images: Path | None = None
) -> AnnotatedSet:
    """The images that a COCO keypoints file labels.

    Args:
        path: the JSON file.
        keypoints: names that the detector knows.
        robot: that it finds; of several categories with keypoints, the one of this name counts.
        images: folder that file names begin from; by default the JSON's own, one named `images`
            in it or beside it, whichever holds the first image.

    Raises:
        AnnotatedError: the file is no such JSON, contradicts itself, does not fit the detector, or
            an image is missing.
    """
    file = _read(path)
    category = _category(file, path, robot)
    match = Match.of(category.keypoints, keypoints, f"{path}, category {category.name!r},")
    folder = _folder(file, path, images)
    labels = _labels(file, path, category)
    taken, unboxed = [], 0
    for picture in file.images:
        found = labels[picture.id]
        if len(found) > 1 or any(a.iscrowd for a in found):
            continue
        load = partial(_load, folder / picture.file_name, picture)
        unboxed += any(a.bbox is None for a in found)
        taken.append(_annotated(picture, found, match, load))
    if not taken:
        raise AnnotatedError(f"{path}: no image shows exactly one {category.name}")
    notes = [*match.notes]
    if left := len(file.images) - len(taken):
        notes.append(f"{path}: {left} images that show several robots are left out")
    if empty := sum(not labels[p.id] for p in file.images):
        notes.append(f"{path}: {empty} images have no annotation: nothing is to be found there")
    if unboxed:
        notes.append(
            f"{path}: {unboxed} annotations have no bbox: OKS takes the box around their keypoints"
        )
    return AnnotatedSet(path, match.names, tuple(taken), tuple(notes))


def _read(path: Path) -> _File:
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
    except OSError as error:
        raise AnnotatedError(f"cannot read {path}: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise AnnotatedError(f"{path} is no COCO keypoints JSON: {error}") from None
    if not file.images:
        raise AnnotatedError(f"{path} names no images")
    (id, times), *_ = Counter(picture.id for picture in file.images).most_common(1)
    if times > 1:
        raise AnnotatedError(f"{path}: image id {id} stands for {times} images")
    return file


def _category(file: _File, path: Path, robot: str) -> _Category:
    """The one that the detector's robot is."""
    marked = [c for c in file.categories if c.keypoints]
    named = [c for c in marked if c.name == robot]
    chosen = named if len(marked) > 1 else marked
    if len(chosen) == 1:
        return chosen[0]
    names = ", ".join(repr(c.name) for c in marked) or "none"
    raise AnnotatedError(
        f"{path}: categories with keypoints are {names}; expected one, or one named {robot!r}"
    )


def _folder(file: _File, path: Path, images: Path | None) -> Path:
    """Where the images lie, all of them."""
    beside = (path.parent, path.parent / "images", path.parent.parent / "images")
    choices = (images,) if images else beside
    first = file.images[0].file_name
    folder = next((c for c in choices if (c / first).is_file()), choices[0])
    missing = [p.file_name for p in file.images if not (folder / p.file_name).is_file()]
    if missing:
        hint = "" if images else "; give --images DIR if they lie elsewhere"
        raise AnnotatedError(
            f"{path}: {len(missing)} of its {len(file.images)} images are missing, the first is "
            f"{folder / missing[0]}{hint}"
        )
    return folder


def _labels(file: _File, path: Path, category: _Category) -> dict[int, list[_Annotation]]:
    """Annotations of that category by the id of their image, checked."""
    known = {picture.id for picture in file.images}
    categories = {c.id for c in file.categories}
    by_image: dict[int, list[_Annotation]] = defaultdict(list)
    count = 3 * len(category.keypoints)
    for i, annotation in enumerate(file.annotations):
        where = f"{path}: annotation {i if annotation.id is None else annotation.id}"
        if annotation.category_id not in categories:
            raise AnnotatedError(
                f"{where} is of category {annotation.category_id}, which is not listed"
            )
        if annotation.category_id != category.id:
            continue
        if annotation.image_id not in known:
            raise AnnotatedError(f"{where} is of image {annotation.image_id}, which is not listed")
        if len(annotation.keypoints) != count:
            raise AnnotatedError(
                f"{where} has {len(annotation.keypoints)} numbers in keypoints; expected {count}, "
                f"x, y and v of {category.name}'s {len(category.keypoints)}"
            )
        for v in annotation.keypoints[2::3]:
            if v not in range(OUTSIDE, VISIBLE + 1):
                raise AnnotatedError(f"{where} has visibility {v:g}; expected 0, 1 or 2")
        labelled = any(v > OUTSIDE for v in annotation.keypoints[2::3])
        if labelled and (box := annotation.bbox) and not min(box[2:]) > 0:
            raise AnnotatedError(
                f"{where} has bbox {list(box)}; expected x, y, width and height, the last two "
                "above 0"
            )
        by_image[annotation.image_id].append(annotation)
    return by_image


def _annotated(
    picture: _Picture, found: Sequence[_Annotation], match: Match, load: "partial[Image]"
) -> Annotated:
    if not found:
        joints = len(match.names)
        nowhere, unseen = np.full((joints, 2), np.nan), np.zeros(joints, np.uint8)
        return Annotated(picture.file_name, load, nowhere, unseen, (0.0, 0.0, 0.0, 0.0))
    points = np.array(found[0].keypoints).reshape(-1, 3)[list(match.places)]
    pixels, visibility = points[:, :2], points[:, 2].astype(np.uint8)
    box = found[0].bbox or _around(pixels[visibility > OUTSIDE])
    return Annotated(picture.file_name, load, pixels, visibility, box)


def _around(points: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """The box around points (M, 2)."""
    if not len(points):
        return 0.0, 0.0, 0.0, 0.0
    (x, y), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return x, y, right - x, bottom - y


def _load(path: Path, picture: _Picture) -> Image:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AnnotatedError(f"cannot read {path}: {error.strerror}") from None
    image = decode_image(data, str(path))
    height, width = image.shape[:2]
    if (picture.width or width, picture.height or height) != (width, height):
        raise AnnotatedError(
            f"{path} is {width}x{height}, but its labels are for {picture.width}x{picture.height}"
        )
    return image
