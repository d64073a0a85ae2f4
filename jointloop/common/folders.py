"""Folders that nothing may be lost in: free ones, new ones."""

from collections.abc import Container
from itertools import count
from pathlib import Path

from jointloop.common.files import FileError, shown


def is_free(folder: Path, besides: Container[str] = ()) -> bool:
    """Whether there is nothing, or a folder that holds nothing.

    Args:
        folder: that is to be written to.
        besides: names of files in it that do not count.

    Raises:
        OSError: it cannot be looked at.
    """
    if not folder.is_dir():
        return not folder.exists()
    return all(path.name in besides for path in folder.iterdir())


def new_folder(folder: Path) -> Path:
    """A new or empty folder.

    Raises:
        FileError: it holds something, or cannot be made.
    """
    try:
        free = is_free(folder)
    except OSError as error:
        raise FileError(f"cannot read {shown(folder)}: {error.strerror}") from error
    if not free:
        raise FileError(f"{shown(folder)} already holds something; choose another folder")
    return make_folder(folder)


def make_folder(folder: Path) -> Path:
    """A folder, made with those above it where it is not there.

    Raises:
        FileError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot write {shown(folder)}: {error.strerror}") from error
    return folder


def first_free(path: Path) -> Path:
    """PATH-1, or the first after it that is not there."""
    names = (Path(f"{path}-{i}") for i in count(1))
    return next(name for name in names if not name.exists())
