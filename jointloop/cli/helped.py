"""What help shows of options that are no settings: their text in one piece, and no `None`."""

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import tyro

from jointloop.common.hints import docs, marks, plainly

Kind = TypeVar("Kind", bound=type)
METAVARS = {int: "INT", float: "FLOAT", str: "TEXT", Path: "PATH"}


def helped(kind: Kind) -> Kind:
    """Mark a dataclass of options: help shows their docstrings in one piece, and no `None`."""
    said = docs(kind)
    for field in dataclasses.fields(kind):
        hint = _with(left_out(field.type, field.default), help=said[field.name])
        kind.__annotations__[field.name] = hint
    return kind


def left_out(hint: Any, default: Any) -> Any:
    """An annotation whose option does not speak of None where it is left out."""
    inside = typing.get_args(plainly(hint))
    if default is not None or types.NoneType not in inside:
        return hint
    kind = next(one for one in inside if one is not types.NoneType)
    if typing.get_origin(kind) is Literal:
        metavar = "{" + ",".join(map(str, typing.get_args(kind))) + "}"
    else:
        metavar = METAVARS.get(kind, "TEXT")
    about = next((mark for mark in marks(hint) if hasattr(mark, "metavar")), None)
    metavar = (about and about.metavar) or metavar
    return _with(hint, metavar=metavar, help_behavior_hint="")


def text_of(verb: Callable[..., int]) -> str:
    """A verb's docstring, each of its arguments on one line."""
    return re.sub(r"\n {8,}", " ", inspect.getdoc(verb) or "")


def _with(hint: Any, **about: Any) -> Any:
    """An annotation that says more to tyro than it did."""
    own = next((mark for mark in marks(hint) if hasattr(mark, "metavar")), None)
    if own is None:
        return Annotated[hint, tyro.conf.arg(**about)]
    others = tuple(mark for mark in marks(hint) if mark is not own)
    whole = Annotated[plainly(hint), dataclasses.replace(own, **about)]
    for mark in others:
        whole = Annotated[whole, mark]
    return whole
