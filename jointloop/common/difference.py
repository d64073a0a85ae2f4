"""The one field in which two dataclasses differ, for errors that name it."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any


def difference(a: Any, b: Any, names: Sequence[str] | None = None) -> tuple[str, Any, Any] | None:
    """The first field that differs between two dataclasses of one kind, however deep it lies.

    Args:
        a: one.
        b: the other.
        names: of the fields to compare; all of them by default.

    Returns:
        Its path, such as `camera.lens`, and its values; None where nothing differs.
    """
    for name in names or [field.name for field in fields(a)]:
        mine, theirs = getattr(a, name), getattr(b, name)
        if mine == theirs:
            continue
        inner = difference(mine, theirs) if is_dataclass(mine) and is_dataclass(theirs) else None
        return (f"{name}.{inner[0]}", *inner[1:]) if inner else (name, mine, theirs)
    return None
