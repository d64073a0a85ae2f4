"""Dataclasses from JSON objects, every key and every value checked against the annotations."""

import dataclasses
import types
import typing
from typing import Any, Literal, TypeVar

from jointloop.common.errors import JointloopError

T = TypeVar("T")


class ConfigError(JointloopError):
    """A configuration cannot be read or makes no sense."""


def read(kind: type[T], data: Any, where: str) -> T:
    """A dataclass from a JSON object that has exactly its keys."""
    if not isinstance(data, dict):
        raise ConfigError(f"{where} is {data!r}, expected an object")
    hints = typing.get_type_hints(kind)
    names = [f.name for f in dataclasses.fields(kind)]  # type: ignore[arg-type]
    unknown = sorted(set(data) - set(names))
    missing = sorted(set(names) - set(data))
    if unknown or missing:
        raise ConfigError(f"{where} has unknown keys {unknown} and lacks keys {missing}")
    return kind(**{name: _value(hints[name], data[name], f"{where}.{name}") for name in names})


def _value(hint: Any, value: Any, where: str) -> Any:
    """A field's value from JSON, checked against its annotation."""
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return read(typing.cast(type, hint), value, where)
    if origin is Literal:
        fits = value in options
    elif origin is tuple:
        item = options[0]
        fits = isinstance(value, list) and (options[-1] is ... or len(value) == len(options))
        value = tuple(_value(item, v, where) for v in value) if fits else value
    elif origin in (typing.Union, types.UnionType):
        return None if value is None else _value(options[0], value, where)
    elif hint is float:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        value = float(value) if fits else value
    else:
        fits = type(value) is hint
    if not fits:
        wanted = getattr(hint, "__name__", None) if origin is None else hint
        raise ConfigError(f"{where} is {value!r}, expected {wanted}")
    return value
