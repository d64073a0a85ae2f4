"""Pictures and videos that a user points at: which there are, and their images in RGB.

A picture is turned as its EXIF orientation says; videos are read by `video`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from blender_scenes.pictures import SUFFIXES as PICTURES
from blender_scenes.pictures import read_picture
from jointloop.common.errors import JointloopError
from jointloop.common.files import shown

VIDEOS = (
    *(".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mts", ".m2ts", ".mpg", ".mpeg", ".wmv"),
    *(".flv", ".3gp", ".3g2", ".ogv", ".vob", ".asf", ".mxf", ".gif"),
)
"""Suffixes of files that are taken for videos, in any case."""
STRANGERS = (
    *(".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2", ".pef", ".srw", ".x3f"),
    *(".psd", ".svg", ".jxl", ".exr", ".hdr", ".tga", ".pcx", ".ico", ".xcf", ".eps", ".ai"),
    *(".insv", ".braw", ".r3d", ".rm", ".swf", ".h264", ".h265", ".hevc", ".264", ".265"),
)
"""Suffixes of pictures and videos that are not read, and said."""

Image = NDArray[np.uint8]

BELIEFS = ".beliefs"
"""What the name of a picture of belief maps adds to its key."""
LONGEST = 200
"""Bytes of a key: file systems take names of 255, and something is added to it."""


class MediaError(JointloopError):
    """A picture or a video cannot be found or read."""


@dataclass(frozen=True)
class Medium:
    """One picture or video."""

    path: Path
    is_video: bool
    name: str
    """Its path as text, unlike that of any other file."""
    key: str
    """Its name without suffix, unlike any other's: results are named after it."""
    given: Path
    """What the user pointed at: the file itself, or its folder."""


def find(inputs: Sequence[Path], say: Callable[[str], None] = print) -> list[Medium]:
    """The pictures and videos that are meant by files and folders, in their order.

    Args:
        inputs: files, or folders whose pictures and videos are meant, by name; sub-folders are not
            looked into.
        say: takes one line for each picture or video in a folder that is not read, and for each
            sub-folder that holds some.

    Raises:
        MediaError: there is no such file, it is neither, or a folder has none.
    """
    paths: list[tuple[Path, Path]] = []
    for given in inputs:
        if given.is_dir():
            inside = [path for path in _inside(given) if _kind(path)]
            for line in _passed(given):
                say(line)
            if not inside:
                raise MediaError(f"{shown(given)} holds no picture or video; {_wanted()}")
            paths += [(path, given) for path in inside]
        elif not given.exists():
            raise MediaError(f"{shown(given)}: there is no such file or folder")
        elif not _kind(given):
            raise MediaError(f"{shown(given)} is no picture or video; {_wanted()}")
        else:
            paths.append((given, given))
    if not paths:
        raise MediaError(f"no picture, video or folder is given; {_wanted()}")
    return _named(paths)


def picture(path: Path) -> Image:
    """A picture as RGB (H, W, 3).

    Raises:
        PhotoError: it cannot be read.
    """
    return np.ascontiguousarray(read_picture(path)[..., ::-1])


def _inside(folder: Path) -> list[Path]:
    """What a folder holds, by name.

    Raises:
        MediaError: it cannot be looked into.
    """
    try:
        return sorted(p for p in folder.iterdir() if not p.name.startswith("._"))  # macOS's notes
    except OSError as error:
        raise MediaError(f"{shown(folder)}: {error.strerror}") from None


def _kind(path: Path) -> str:
    """`picture` or `video`, by its suffix, else by its content; empty if it is neither."""
    suffix = path.suffix.lower()
    if path.is_symlink() and not path.exists():  # so that it is named when it cannot be read
        return "picture" if suffix in PICTURES else "video" if suffix in VIDEOS else ""
    if not path.is_file() or suffix in STRANGERS:
        return ""
    if suffix in PICTURES:
        return "picture"
    return "video" if suffix in VIDEOS else _kind_of_content(path)


def _kind_of_content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(400)
    except OSError:
        return ""
    brand = head[8:12] if head[4:8] == b"ftyp" else b""
    if head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) or head[8:12] == b"WEBP":
        return "picture"
    if brand in (b"heic", b"heix", b"mif1", b"avif"):
        return "picture"
    if brand in (b"isom", b"iso2", b"mp41", b"mp42", b"avc1", b"qt  ", b"M4V ", b"3gp4", b"3gp5"):
        return "video"
    if head.startswith((b"\x1a\x45\xdf\xa3", b"GIF8")) or head[8:12] == b"AVI ":
        return "video"
    return "video" if head[:1] == head[188:189] == head[376:377] == b"\x47" else ""  # MPEG-TS


def _passed(folder: Path) -> list[str]:
    """A line for each picture, video and folder of pictures or videos in it that is not read."""
    lines = []
    for path in _inside(folder):
        if path.is_dir():
            if not path.name.startswith(".") and _holds_any(path.rglob("*")):
                lines.append(
                    f"{shown(path)} is a folder in a folder and is not looked into; wanted: its "
                    "own name among what to look at"
                )
        elif path.suffix.lower() in STRANGERS:
            lines.append(f"{shown(path)} is not read; {_wanted()}")
    return lines


def _holds_any(paths: Iterable[Path]) -> bool:
    return any(path.suffix.lower() in (*PICTURES, *VIDEOS) and path.is_file() for path in paths)


def _wanted() -> str:
    return f"wanted {', '.join(PICTURES)}, or {', '.join(VIDEOS)}"


def _named(paths: Sequence[tuple[Path, Path]]) -> list[Medium]:
    """Names and keys of their own for files, each with what it was given by."""
    names = {path: shown(path) for path, _ in paths if shown(path) == str(path)}
    for path, _ in paths:
        if path not in names:  # no file's own name is given to another
            names[path] = _unlike(shown(path), set(names.values()).__contains__)
    keys: set[str] = set()
    media = []
    for path, given in paths:
        key = _unlike(_cut(shown(path.stem)), lambda key: not keys.isdisjoint(_results(key)))
        keys.update(_results(key))
        media.append(Medium(path, _kind(path) == "video", names[path], key, given))
    return media


def _results(key: str) -> set[str]:
    """What results are called, as a file system sees it that knows no upper case."""
    return {key.casefold(), (key + BELIEFS).casefold()}


def _cut(stem: str) -> str:
    return stem.encode()[:LONGEST].decode(errors="ignore")


def _unlike(text: str, taken: Callable[[str], bool]) -> str:
    """The text, with a number where it is taken."""
    number, unlike = 1, text
    while taken(unlike):
        number += 1
        unlike = f"{text}-{number}"
    return unlike
