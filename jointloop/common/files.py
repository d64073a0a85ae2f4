"""Files written beside their place and then renamed: a crash leaves the last good one."""

import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np


def shown(path: str | os.PathLike[str]) -> str:
    """A path as text that can be printed and written: what is no UTF-8 in it becomes %E4.

    So do control characters, which would break a line.
    """
    text = os.fsencode(path).decode("utf-8", "surrogateescape")
    escaped = r"[\x00-\x1f\x7f\udc80-\udcff]"
    return re.sub(escaped, lambda found: f"%{ord(found[0]) & 0xFF:02X}", text)


def write_beside(path: Path, save: Callable[[Path], None]) -> None:
    """Let `save` write beside the path, then put the result in its place."""
    beside = path.with_name(path.name + ".part")
    try:
        save(beside)
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write text beside its place, then put it there."""

    def save(beside: Path) -> None:
        beside.write_text(text, encoding="utf-8")

    write_beside(path, save)


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write JSON beside its place, then put it there."""
    write_text(path, json.dumps(data, indent=2, allow_nan=False) + "\n")


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays beside their place, then put them there."""
    write_beside(path, lambda beside: _save_npz(beside, arrays))


def _save_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    with path.open("wb") as file:  # given a name, numpy would add its own suffix
        np.savez(file, allow_pickle=False, **arrays)
