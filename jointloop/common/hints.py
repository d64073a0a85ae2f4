"""What the annotations and docstrings of a dataclass's fields say, for programs and for people."""

import ast
import dataclasses
import functools
import inspect
import math
import types
import typing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from msgspec import Meta


@dataclass(frozen=True)
class Within:
    """Mark of a range: lowest and highest end that make sense, the lower first."""

    low: float
    high: float


@dataclass(frozen=True)
class _Angle:
    """See `ANGLE`."""


ANGLE = _Angle()
"""Mark of an angle: radians [rad] in programs and what they store, degrees [deg] for people."""


@dataclass(frozen=True)
class Part:
    """A field that holds settings of its own."""

    kind: Any
    optional: bool
    """Whether it can be switched off, which is None."""


@functools.cache
def hints(kind: type) -> dict[str, Any]:
    """Annotations of a dataclass's fields, by name."""
    found = typing.get_type_hints(kind, include_extras=True)
    return {field.name: found[field.name] for field in dataclasses.fields(kind)}


@functools.cache
def docs(kind: type) -> dict[str, str]:
    """Docstrings of a dataclass's fields, by name, each on one line."""
    found: dict[str, str] = {}
    body = _classes(inspect.getsourcefile(kind) or "")[kind.__name__].body
    for field, after in pairwise(body):
        if not (isinstance(field, ast.AnnAssign) and isinstance(after, ast.Expr)):
            continue
        if isinstance(field.target, ast.Name) and isinstance(after.value, ast.Constant):
            found[field.target.id] = " ".join(str(after.value.value).split())
    return found


@functools.cache
def _classes(path: str) -> dict[str, ast.ClassDef]:
    """Classes of a module by name; each file is parsed once."""
    body = ast.parse(Path(path).read_text()).body
    return {node.name: node for node in body if isinstance(node, ast.ClassDef)}


def doc_of(kind: type, name: str) -> str:
    """A field's docstring for people, who give angles in degrees."""
    text = docs(kind).get(name, "")
    return text.replace("[rad]", "[deg]") if ANGLE in marks(hints(kind)[name]) else text


def summary(kind: type) -> str:
    """The first line of a class's docstring."""
    return (inspect.getdoc(kind) or "").split("\n")[0]


def part_of(hint: Any) -> Part | None:
    """The part that a field holds; None for a value."""
    kinds = typing.get_args(hint) if _is_union(hint) else (hint,)
    found = [kind for kind in kinds if dataclasses.is_dataclass(kind)]
    return Part(found[0], len(kinds) > 1) if found else None


def marks(hint: Any) -> tuple[Any, ...]:
    """What an annotation says beside the type."""
    return getattr(hint, "__metadata__", ())


def plainly(hint: Any) -> Any:
    """An annotation without its marks."""
    return hint.__origin__ if marks(hint) else hint


def words(hint: Any, degrees: bool = False) -> str:
    """What would be right for a field, such as "a number of 0 to 1".

    Args:
        hint: its annotation.
        degrees: whether angles are given in degrees.
    """
    if part := part_of(hint):
        return "a table" + (", or false" if part.optional else "")
    kind = plainly(hint)
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if _is_union(kind):
        some = [words(one, degrees) for one in inside if one is not types.NoneType]
        return " or ".join(some) + ", or none"
    if origin is Literal:
        return f"one of {', '.join(map(str, inside))}"
    if origin is tuple:
        return _row(hint, inside, degrees)
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    return names.get(kind, getattr(kind, "__name__", str(kind)).lower()) + _bounds(hint)


def _row(hint: Any, inside: tuple[Any, ...], degrees: bool) -> str:
    kind = plainly(inside[0])
    each = {int: "whole numbers", float: "numbers", str: "names"}.get(kind, "values")
    if inside[-1] is ...:
        return f"a list of {each}"
    text = f"{len(inside)} {each}{_bounds(inside[0])}"
    for within in (mark for mark in marks(hint) if isinstance(mark, Within)):
        ends = (within.low, within.high)
        if degrees and ANGLE in marks(hint):
            ends = tuple(math.degrees(end) for end in ends)
        text += f", the lower first, of {ends[0]:.6g} to {ends[1]:.6g}"
    return f"{text} [deg]" if degrees and ANGLE in marks(hint) else text


def _bounds(hint: Any) -> str:
    """Such as " of 0 to 1"; nothing where there are none."""
    meta = next((mark for mark in marks(hint) if isinstance(mark, Meta)), None)
    if meta is None:
        return ""
    low, high = meta.ge, meta.le
    if low is not None and high is not None:
        return f" of {_number(low)} to {_number(high)}"
    if low is not None:
        return f" of at least {_number(low)}"
    return f" above {_number(meta.gt)}" if meta.gt is not None else ""


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)
