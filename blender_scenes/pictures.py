"""Picture files of any kind that a user may have, read as they are meant to be seen.

What a file holds is told by its content, whatever its suffix. OpenCV decodes it, Pillow what
OpenCV lacks: GIF, AVIF, and HEIF with `pillow-heif`, an extra, since its wheels bring x265 (GPL).
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

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
REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
"""OpenCV's flags by the factor that a picture shrinks by while it is decoded."""
TIFF = (b"II*\0", b"MM\0*")
"""How such a file begins."""
JPEG = b"\xff\xd8"
"""Likewise."""
MOST_PIXELS = 250_000_000
"""Of a picture: beyond what cameras take."""
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
    _check_size(path, data)
    boxed = data[4:8] == b"ftyp"  # how HEIF and AVIF begin
    if path.suffix.lower() in HEIF and not boxed:
        raise PhotoError(
            f"{shown(path)} is no HEIF picture, as its name says; wanted one (pip install "
            "pillow-heif), or a name that says what it holds"
        )
    if boxed or data.startswith(b"GIF8"):  # as from the web, under any name
        return _shrunk(_by_pillow(path, data, turned), factor)
    if data[:4] in TIFF:  # which OpenCV turns whatever it is told
        return _shrunk(_by_opencv(path, data, 1), factor)
    if data.startswith(JPEG):  # the one that is cheaper to decode so; of others, pixels are skipped
        picture = _by_opencv(path, data, factor)
    else:
        picture = _shrunk(_by_opencv(path, data, 1), factor)
    return np.ascontiguousarray(TURNS[_orientation(data) if turned else 1](picture))


def size_said(path: Path) -> tuple[int, int] | None:
    """Upright width and height [px] of a picture as its header has them; None if Pillow is lost."""
    try:
        data = path.read_bytes()
        with _opened(data) as file:
            width, height = file.size
    except Exception:  # whatever ails the header, the picture was read
        return None
    return (height, width) if _orientation(data) > 4 else (width, height)


def _check_size(path: Path, data: bytes) -> None:
    """Refuse what would take gigabytes, before anything of it is decoded.

    Raises:
        PhotoError: the header says so.
    """
    try:
        with _opened(data) as file:
            width, height = file.size
    except Exception:  # what is decoded next says what ails it
        return
    if width * height > MOST_PIXELS:
        raise PhotoError(
            f"{shown(path)} is {width}x{height}; expected at most {MOST_PIXELS // 10**6} megapixels"
        )


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
