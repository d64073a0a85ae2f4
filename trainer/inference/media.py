"""Pictures and videos that a user points at: which there are, and their images in RGB.

A picture is turned as its EXIF orientation says, a video as its container says.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from blender_scenes.photos import SUFFIXES as PICTURES
from blender_scenes.photos import read_picture
from jointloop.common.errors import JointloopError

VIDEOS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v")
"""Suffixes of files that are taken for videos, in any case."""

Image = NDArray[np.uint8]

# FFmpeg would tell the terminal what ails a video; here an error names the file.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

BELIEFS = ".beliefs"
"""What the name of a picture of belief maps adds to its key."""


class MediaError(JointloopError):
    """A picture or a video cannot be found or read."""


@dataclass(frozen=True)
class Medium:
    """One picture or video."""

    path: Path
    key: str
    """Its name without suffix, unlike any other's: results are named after it."""
    given: Path
    """What the user pointed at: the file itself, or its folder."""

    @property
    def is_video(self) -> bool:
        """Whether it is a video."""
        return self.path.suffix.lower() in VIDEOS


def find(inputs: Sequence[Path]) -> list[Medium]:
    """The pictures and videos that are meant by files and folders, in their order.

    Args:
        inputs: files, or folders whose pictures and videos are meant, by name; sub-folders are not
            looked into.

    Raises:
        MediaError: there is no such file, it is neither, or a folder has none.
    """
    paths: list[tuple[Path, Path]] = []
    for given in inputs:
        if given.is_dir():
            inside = [p for p in sorted(given.iterdir()) if _known(p)]
            if not inside:
                raise MediaError(f"{given} holds no picture or video; {_wanted()}")
            paths += [(path, given) for path in inside]
        elif not given.exists():
            raise MediaError(f"{given}: there is no such file or folder")
        elif not _known(given):
            raise MediaError(f"{given} is no picture or video; {_wanted()}")
        else:
            paths.append((given, given))
    if not paths:
        raise MediaError(f"no picture, video or folder is given; {_wanted()}")
    keys: set[str] = set()
    return [Medium(path, _unlike(path.stem, keys), given) for path, given in paths]


def picture(path: Path) -> Image:
    """A picture as RGB (H, W, 3).

    Raises:
        PhotoError: it cannot be read.
    """
    return np.ascontiguousarray(read_picture(path)[..., ::-1])


class Video:
    """A video file that is open for reading."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            MediaError: it cannot be read.
        """
        self._capture = cv2.VideoCapture(str(path))
        if not self._capture.isOpened():
            raise MediaError(f"{path} is no video that can be read")
        self.rate = self._capture.get(cv2.CAP_PROP_FPS)
        """Frames per second; 0 where the file does not say."""
        self.frames = max(int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
        """How many there are, as far as the file says."""

    def __enter__(self) -> "Video":
        return self

    def __exit__(self, *error: object) -> None:
        self._capture.release()

    def batches(self, size: int) -> Iterator[list[Image]]:
        """All frames as RGB (H, W, 3), that many at once."""
        batch: list[Image] = []
        while True:
            there, frame = self._capture.read()
            if there:
                batch.append(np.ascontiguousarray(frame[..., ::-1]).astype(np.uint8, copy=False))
            if batch and (not there or len(batch) == size):
                yield batch
                batch = []
            if not there:
                return


class VideoFile:
    """A video that is being written, beside its place; it gets its name when all went well."""

    def __init__(self, path: Path, rate: float) -> None:
        self.path, self._rate = path, rate
        self._beside = path.with_name(f".part-{path.name}")  # its suffix chooses the format
        self._writer: cv2.VideoWriter | None = None

    def __enter__(self) -> "VideoFile":
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if self._writer:
            self._writer.release()
        if kind is None and self._writer:
            self._beside.replace(self.path)
        else:
            self._beside.unlink(missing_ok=True)

    def add(self, image: Image) -> None:
        """Append a frame, RGB (H, W, 3).

        Raises:
            MediaError: this machine's OpenCV cannot write videos there.
        """
        if self._writer is None:
            size = (image.shape[1], image.shape[0])
            code = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self._beside), code, self._rate, size)
            if not self._writer.isOpened():
                raise MediaError(f"{self.path} cannot be written as a video of {size} at 'mp4v'")
        self._writer.write(np.ascontiguousarray(image[..., ::-1]))


def _known(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in (*PICTURES, *VIDEOS)


def _wanted() -> str:
    return f"wanted {', '.join(PICTURES)}, or {', '.join(VIDEOS)}"


def _unlike(stem: str, keys: set[str]) -> str:
    """A key that no other has, nor its belief maps; both go among them."""
    number, key = 1, stem
    while {key, key + BELIEFS} & keys:
        number += 1
        key = f"{stem}-{number}"
    keys |= {key, key + BELIEFS}
    return key
