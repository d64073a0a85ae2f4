"""The user's own pictures as backgrounds: a folder, its readable names, and parts of a picture.

folder -> names;  name -> picture (decoded when asked for, some kept);  picture -> part

A part is shrunk from all that the file holds and never magnified where that can be helped: what
stands behind a robot is to be as sharp as the robot.
"""

import math
import os
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from blender_scenes.pictures import REDUCED, SUFFIXES, PhotoError, read_picture, size_said
from blender_scenes.spec import MAX_PATH, Background
from jointloop.common.files import shown

KEPT = 128 << 20
"""Decoded pictures held in memory [bytes]; the last one is held whatever its size."""
SPARE = 2
"""A picture is reduced while it is decoded to no less than so many times what is asked of it."""


class Photos:
    """The pictures of a folder and of the folders in it.

    Every file is decoded once to see that it can be, at an eighth of its size. What begins with a
    dot is passed over, links are followed.

    Args:
        folder: holds picture files.
        say: takes one line for each file that cannot be read; it is left out.

    Raises:
        PhotoError: there is no such folder, or no readable picture in it.
    """

    def __init__(self, folder: Path, say: Callable[[str], None] = print) -> None:
        self.folder = folder
        if not folder.is_dir():
            what = (
                "it is a file; wanted a folder" if folder.is_file() else "there is no such folder"
            )
            raise PhotoError(f"backgrounds {folder}: {what}")
        found = sorted(_below(folder, say))
        self._sizes: dict[str, tuple[int, int]] = {}
        for name in found:
            try:
                self._sizes[name] = self._size(name)
            except PhotoError as error:
                say(f"{error}; it is left out")
        if not self._sizes:
            what = f"none of its {len(found)} picture files can be read"
            raise PhotoError(
                f"backgrounds {folder}: {what if found else 'it holds no picture'}; "
                f"wanted at least one of {', '.join(SUFFIXES)}"
            )
        self._kept: OrderedDict[tuple[str, int], NDArray[np.uint8]] = OrderedDict()

    @property
    def names(self) -> tuple[str, ...]:
        """Paths of the readable pictures below the folder, with slashes, sorted."""
        return tuple(self._sizes)

    def too_small(self, width: int, height: int) -> str | None:
        """A line on pictures that are all smaller than images of this size [px], else None."""
        if any(w >= width and h >= height for w, h in self._sizes.values()):
            return None
        w, h = max(self._sizes.values(), key=math.prod)
        return (
            f"backgrounds {self.folder}: its largest picture is {w}x{h}, so all are magnified and "
            f"blurred; wanted some of at least {width}x{height}, the images' size"
        )

    def part(self, background: Background, width: int, height: int) -> NDArray[np.uint8]:
        """The part of a picture that fills a frame.

        Args:
            background: which picture, and which part of it; brightness is left to the caller.
            width: of the frame [px].
            height: of the frame [px].

        Returns:
            (height, width, 3) sRGB, C-contiguous.

        Raises:
            PhotoError: the folder has no such picture any more, or it can no longer be read.
        """
        if background.image not in self._sizes:
            raise PhotoError(f"backgrounds {self.folder} has no readable {background.image!r}")
        room = _scale(self._sizes[background.image], width, height)
        zoom = min(background.zoom, max(room, 1.0))
        picture = self._picture(background.image, _factor(room / zoom))
        part = crop(picture, zoom, background.place, width / height)
        return filled(part, width, height, background.mirrored)

    def covering(self, name: str, width: int, height: int) -> NDArray[np.uint8]:
        """A whole picture, shrunk until it just covers a frame; a smaller one as it is.

        Args:
            name: one of `names`.
            width: of the frame [px].
            height: of the frame [px].

        Returns:
            (h, w, 3) sRGB, C-contiguous.

        Raises:
            PhotoError: it can no longer be read.
        """
        picture = self._read(name, _factor(_scale(self._sizes[name], width, height)))
        h, w = picture.shape[:2]
        room = _scale((w, h), width, height)
        if room <= 1:
            return picture
        return _resized(picture, max(round(w / room), width), max(round(h / room), height))

    def _size(self, name: str) -> tuple[int, int]:
        """Width and height [px] of a picture that can be read; to 8 px where only decoding says."""
        h, w = self._read(name, 8).shape[:2]
        said = size_said(self.folder / name)
        if said is None or (said[0] > said[1]) != (w > h):
            return 8 * w, 8 * h
        return said

    def _picture(self, name: str, factor: int) -> NDArray[np.uint8]:
        """(h, w, 3) of a picture that is so many times smaller, kept for the next time."""
        kept = self._kept
        key = name, factor
        if key not in kept:
            kept[key] = self._read(name, factor)
        kept.move_to_end(key)
        while len(kept) > 1 and sum(one.nbytes for one in kept.values()) > KEPT:
            kept.popitem(last=False)
        return kept[key]

    def _read(self, name: str, factor: int) -> NDArray[np.uint8]:
        """(h, w, 3) RGB, C-contiguous."""
        try:
            picture = read_picture(self.folder / name, factor)
        except PhotoError as error:
            raise PhotoError(f"background {error}") from error
        return np.ascontiguousarray(picture[..., ::-1])


def _below(folder: Path, say: Callable[[str], None]) -> Iterator[str]:
    """Paths below a folder, with slashes, of what its suffix says is a picture."""

    def refuse(error: OSError) -> None:
        line = f"backgrounds {shown(error.filename)}: {error.strerror}"
        if Path(error.filename) == folder:
            raise PhotoError(line) from error
        say(f"{line}; it is left out")

    seen: set[tuple[int, int]] = set()
    for inside, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        about = os.stat(inside)
        if (about.st_dev, about.st_ino) in seen:  # a link leads back here, or to it twice
            folders.clear()
            continue
        seen.add((about.st_dev, about.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in files:
            if file.startswith(".") or Path(file).suffix.lower() not in SUFFIXES:
                continue
            name = (Path(inside) / file).relative_to(folder).as_posix()
            if why := _unfit(name):
                say(f"background {shown(folder / name)}: {why}; it is left out")
            else:
                yield name


def _unfit(name: str) -> str | None:
    """Why a path cannot be a picture's name; samples carry it as text."""
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        return "its path is no UTF-8"
    return f"its path has {length} bytes, more than {MAX_PATH}" if length > MAX_PATH else None


def _scale(size: tuple[int, int], width: int, height: int) -> float:
    """How many times larger a picture of this size is than the smallest that fills a frame."""
    return min(size[0] / width, size[1] / height)


def _factor(room: float) -> int:
    """How far to reduce, while decoding, a picture that is `room` times larger than is needed."""
    return max(f for f in REDUCED if f == 1 or room >= f * SPARE)


def filled(part: NDArray[np.uint8], width: int, height: int, mirrored: bool) -> NDArray[np.uint8]:
    """A part of a picture (h, w, 3) at a frame's size (height, width, 3), C-contiguous."""
    resized = _resized(part, width, height)
    return np.ascontiguousarray(resized[:, ::-1] if mirrored else resized)


def _resized(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    shrinks = picture.shape[1] > width
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(picture, (width, height), interpolation=how).astype(np.uint8, copy=False)


def crop(
    picture: NDArray[np.uint8], zoom: float, place: tuple[float, float], aspect: float
) -> NDArray[np.uint8]:
    """A part of a picture.

    Args:
        picture: (h, w, 3).
        zoom: 1 gives the largest part of that shape, 2 one of half its width and height.
        place: of the part, (0, 0) at the picture's upper left corner, (1, 1) at its lower right.
        aspect: width over height of the part.
    """
    height, width = picture.shape[:2]
    across = min(width, height * aspect) / zoom
    w, h = max(round(across), 1), max(round(across / aspect), 1)
    x, y = round(place[0] * (width - w)), round(place[1] * (height - h))
    return picture[y : y + h, x : x + w]
