"""Files of JSON lines, one object each, that are only ever appended to.

A process that dies while it writes leaves at most a half-written last line: reading leaves it out,
the next append cuts it off.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from io import FileIO
from pathlib import Path
from typing import Any, TypeVar

from jointloop.common.errors import JointloopError
from jointloop.common.files import FileError, pour, shown

T = TypeVar("T")


class LinesError(JointloopError):
    """A file of JSON lines cannot be read."""


def read_lines(path: Path, kind: str, parse: Callable[[dict[str, Any]], T] = dict) -> list[T]:
    """What the whole lines of a file say, but for blank ones; nothing where there is no file.

    Args:
        path: the file.
        kind: what a line is, for errors.
        parse: makes of a line's object what is wanted; raises where it is none.

    Raises:
        LinesError: a line other than a half-written last one is no such thing, or the file cannot
            be read.
    """
    try:
        lines = path.read_bytes().split(b"\n")[:-1]  # what follows the last newline is half-written
    except FileNotFoundError:
        return []
    except OSError as error:
        raise LinesError(f"cannot read {shown(path)}: {error.strerror}") from error
    name = shown(path)
    numbered = enumerate(lines, 1)
    return [_parsed(line, f"{name} line {i}", kind, parse) for i, line in numbered if line.strip()]


def _parsed(line: bytes, where: str, kind: str, parse: Callable[[dict[str, Any]], T]) -> T:
    try:
        row = json.loads(line)
        if not isinstance(row, dict):
            raise TypeError("no JSON object")
        return parse(row)
    except (ValueError, KeyError, TypeError, JointloopError) as error:
        raise LinesError(f"{where} is no {kind}: {type(error).__name__}: {error}") from error


def append_line(path: Path, row: Mapping[str, Any]) -> None:
    """Add an object as one line, through to the disk; a half-written line before it is cut off.

    Raises:
        FileError: it cannot be written.
    """
    line = json.dumps(row, allow_nan=False).encode() + b"\n"
    with _changing(path), path.open("ab+", buffering=0) as file:
        file.truncate(_end(file))
        pour(file.fileno(), line)
        os.fsync(file.fileno())


def keep_lines(path: Path, count: int) -> None:
    """Cut a file off after so many lines that are not blank, or after its last whole one.

    Raises:
        FileError: there is none, or it cannot be written.
    """
    with _changing(path), path.open("rb+") as file:
        lines = file.read().split(b"\n")[:-1]
        told = [i for i, line in enumerate(lines, 1) if line.strip()]
        kept = lines[: told[count] - 1] if count < len(told) else lines
        file.truncate(sum(len(line) + 1 for line in kept))
        os.fsync(file.fileno())


@contextlib.contextmanager
def _changing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FileError(f"cannot write {shown(path)}: {error.strerror}") from error


def _end(file: FileIO) -> int:
    """Where the last whole line of an open file ends."""
    size = file.seek(0, os.SEEK_END)
    if not size:
        return 0
    file.seek(size - 1)
    if file.read(1) == b"\n":
        return size
    file.seek(0)
    return file.read().rfind(b"\n") + 1
