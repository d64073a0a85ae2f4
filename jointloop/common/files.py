"""Files written beside their place and then renamed: a crash leaves the last good one."""

import contextlib
import io
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jointloop.common.errors import JointloopError


def shown(path: str | os.PathLike[str]) -> str:
    """A path as text that can be printed and written: what is no UTF-8 in it becomes %E4.

    So do control characters, which would break a line.
    """
    text = os.fsencode(path).decode("utf-8", "surrogateescape")
    escaped = r"[\x00-\x1f\x7f\udc80-\udcff]"
    return re.sub(escaped, lambda found: f"%{ord(found[0]) & 0xFF:02X}", text)


def pointer(data: bytes) -> str:
    """What to add to an error about a file that Git left a pointer to; nothing if it is none."""
    stands_for = data.startswith(b"version https://git-lfs.github.com/")
    return "; it is a pointer of Git LFS, fetch what it stands for: git lfs pull" * stands_for


class FileError(JointloopError):
    """A file or a folder cannot be written."""


def part_of(path: Path) -> Path:
    """Where a file grows until it is whole."""
    return path.with_name(path.name + ".part")


def put_in_place(path: Path, durable: bool = True) -> None:
    """Give what grew at `part_of(path)` its name.

    Args:
        path: its place.
        durable: bring it to the disk first; without, a power cut may lose what is there now and
            what is new, so only for what can be made again.
    """
    if durable:
        _to_disk(part_of(path))
    os.replace(part_of(path), path)
    if durable:
        with contextlib.suppress(OSError):  # some file systems bring no folder to the disk
            _to_disk(path.parent)


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def pour(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of it to an open file: all that is kept goes through here.

    Raises:
        OSError: it cannot be written, or not to its end.
    """
    left = memoryview(data).cast("B")
    while left:
        left = left[os.write(descriptor, left) :]


def fill(path: Path, data: bytes | memoryview) -> None:
    """Make a file of bytes, in its place at once.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("wb", buffering=0) as file:
        pour(file.fileno(), data)


def write_beside(path: Path, save: Callable[[Path], None], durable: bool = True) -> None:
    """Let `save` write beside the path, then put the result in its place.

    Args:
        path: the place.
        save: takes where to write.
        durable: see `put_in_place`.

    Raises:
        FileError: it cannot be written; what was there stays.
    """
    try:
        save(part_of(path))
        put_in_place(path, durable)
    except OSError as error:
        raise FileError(f"cannot write {shown(path)}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            part_of(path).unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes | memoryview, durable: bool = True) -> None:
    """Write bytes as `write_beside` does."""
    write_beside(path, lambda part: fill(part, data), durable)


def write_text(path: Path, text: str) -> None:
    """Write text as `write_beside` does."""
    write_bytes(path, text.encode())


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write JSON as `write_beside` does."""
    write_text(path, json.dumps(data, indent=2, allow_nan=False) + "\n")


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays of plain numbers or text as `write_beside` does."""
    if objects := [name for name, array in arrays.items() if array.dtype.hasobject]:
        raise TypeError(f"arrays {objects} hold objects; expected plain numbers or text")
    held = io.BytesIO()
    np.savez(held, **arrays)
    write_bytes(path, held.getbuffer())
