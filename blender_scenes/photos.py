"""The user's own pictures as backgrounds: a folder, its readable names, and parts of a picture.

folder -> names;  name -> picture (decoded when asked for, a few kept);  picture -> part

What a file holds is told by its content, whatever its suffix. OpenCV decodes it, Pillow what
OpenCV lacks: GIF, AVIF, and HEIF with `pillow-heif`, an extra, since its wheels bring x265 (GPL).
"""

import io
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from blender_scenes.spec import Background
from jointloop.common.errors import SceneError
from jointloop.common.files import pointer, shown

if TYPE_CHECKING:
    from PIL import Image

HEIF = (".heic", ".heif", ".hif")
"""Suffixes of what telephones write by default."""
SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".png", ".bmp", ".dib", ".tif", ".tiff"),
    *(".webp", ".jp2", ".ppm", ".pgm", ".pbm", ".avif", *HEIF),
)
"""Of files that are taken for pictures, in any case."""
SIDE = 1024
"""Pictures are reduced until their shorter side is near this, if they were larger [px]."""
KEPT = 24
"""Decoded pictures held in memory; about 4 MB each."""
REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
"""OpenCV's flags by the factor that a picture shrinks by while it is decoded."""
TIFF = (b"II*\0", b"MM\0*")
"""How such a file begins."""
ORIENTATION = 0x0112
"""EXIF's tag."""
TURNS: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.swapaxes(0, 1),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: p[::-1, ::-1].swapaxes(0, 1),
    8: lambda p: np.rot90(p),
}
"""What shows a picture (h, w, 3) upright, by its EXIF orientation."""


class PhotoError(SceneError):
    """A folder of pictures, or one of them, cannot be used."""


class Photos:
    """The pictures of a folder.

    Every file is decoded once to see that it can be, at an eighth of its size.

    Args:
        folder: holds picture files; its sub-folders are not looked into.
        say: takes one line for each file that cannot be read; it is left out.

    Raises:
        PhotoError: there is no such folder, or no readable picture in it.
    """

    def __init__(self, folder: Path, say: Callable[[str], None] = print) -> None:
        self.folder = folder
        if not folder.is_dir():
            raise PhotoError(f"backgrounds {folder}: there is no such folder")
        try:
            found = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
        except OSError as error:
            raise PhotoError(f"backgrounds {folder}: {error.strerror}") from error
        self._factors: dict[str, int] = {}
        for name in found:
            try:
                self._factors[name] = self._factor(name)
            except PhotoError as error:
                say(f"{error}; it is left out")
        if not self._factors:
            raise PhotoError(
                f"backgrounds {folder}: none of its {len(found)} picture files can be read; "
                f"wanted at least one of {', '.join(SUFFIXES)}"
            )
        self._picture = lru_cache(KEPT)(self._decode)

    @property
    def names(self) -> tuple[str, ...]:
        """File names of the readable pictures, sorted."""
        return tuple(self._factors)

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
        if background.image not in self._factors:
            raise PhotoError(f"backgrounds {self.folder} has no readable {background.image!r}")
        picture = self._picture(background.image)
        part = crop(picture, background.zoom, background.place, width / height)
        shrinks = part.shape[1] > width
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        filled = cv2.resize(part, (width, height), interpolation=how)
        if background.mirrored:
            filled = filled[:, ::-1]
        return np.ascontiguousarray(filled).astype(np.uint8, copy=False)

    def _factor(self, name: str) -> int:
        """How far to reduce a picture while decoding it, a power of two."""
        small = self._read(name, 8)
        side = 8 * min(small.shape[:2])
        return max(f for f in REDUCED if f == 1 or side >= f * SIDE)

    def _decode(self, name: str) -> NDArray[np.uint8]:
        picture = self._read(name, self._factors[name])
        shrink = SIDE / min(picture.shape[:2])
        if shrink < 1:
            picture = cv2.resize(picture, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(picture[..., ::-1]).astype(np.uint8, copy=False)

    def _read(self, name: str, factor: int) -> NDArray[np.uint8]:
        """(h, w, 3) BGR."""
        try:
            return read_picture(self.folder / name, factor)
        except PhotoError as error:
            raise PhotoError(f"background {error}") from error


def read_picture(path: Path, factor: int = 1, turned: bool = True) -> NDArray[np.uint8]:
    """A picture file as BGR (h, w, 3).

    Args:
        path: the file.
        factor: of `REDUCED`; the picture is that many times smaller.
        turned: as its EXIF orientation says; or as its pixels lie in the file.

    Raises:
        PhotoError: it cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PhotoError(f"{shown(path)}: {error.strerror}") from error
    if hint := pointer(data):
        raise PhotoError(f"{shown(path)} is no picture{hint}")
    boxed = data[4:8] == b"ftyp"  # how HEIF and AVIF begin
    if path.suffix.lower() in HEIF and not boxed:
        raise PhotoError(
            f"{shown(path)} is no HEIF picture, as its name says; wanted one (pip install "
            "pillow-heif), or a name that says what it holds"
        )
    if boxed or data.startswith(b"GIF8"):  # as from the web, under any name
        return _shrunk(_by_pillow(path, data, turned), factor)
    if data[:4] in TIFF:  # which OpenCV turns whatever it is told, and reduces before it turns
        return _shrunk(_by_opencv(path, data, 1), factor)
    picture = _by_opencv(path, data, factor)
    return np.ascontiguousarray(TURNS[_orientation(data) if turned else 1](picture))


def _by_opencv(path: Path, data: bytes, factor: int) -> NDArray[np.uint8]:
    """As its pixels lie in the file."""
    how = REDUCED[factor] | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), how) if data else None
    except cv2.error as error:
        raise PhotoError(f"{shown(path)} is no picture: {error.err}") from error
    if picture is None:
        raise PhotoError(f"{shown(path)} is no picture that can be read")
    return picture.astype(np.uint8, copy=False)


def _by_pillow(path: Path, data: bytes, turned: bool) -> NDArray[np.uint8]:
    from PIL import ImageOps, UnidentifiedImageError

    lacks = "" if _knows_heif() else "; a HEIF picture needs pillow-heif: pip install pillow-heif"
    try:
        with _opened(data) as file:
            upright = ImageOps.exif_transpose(file) if turned else file
            return np.ascontiguousarray(np.asarray(upright.convert("RGB"))[..., ::-1])
    except UnidentifiedImageError:
        raise PhotoError(f"{shown(path)} is no picture that can be read{lacks}") from None
    except (OSError, ValueError, RuntimeError, SyntaxError) as error:
        raise PhotoError(f"{shown(path)} is no picture that can be read: {error}") from error


def _opened(data: bytes) -> "Image.Image":
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # its guard against strangers' pictures; these are the user's
    return Image.open(io.BytesIO(data))


def _knows_heif() -> bool:
    """Teach Pillow HEIF, where that is installed; whether it is."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


def _orientation(data: bytes) -> int:
    """1 to 8, as EXIF has it; 1, upright, where the file does not say.

    OpenCV turns some formats by it and not others, and which ones differs between its versions.
    """
    try:
        with _opened(data) as file:
            said = file.getexif().get(ORIENTATION, 1)
    except Exception:  # whatever ails what is said about a picture, the picture was read
        return 1
    return said if said in TURNS else 1


def _shrunk(picture: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    if factor == 1:
        return picture
    size = (max(1, picture.shape[1] // factor), max(1, picture.shape[0] // factor))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


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
