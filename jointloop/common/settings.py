"""Typed settings: dataclasses whose annotations say what is allowed, and one reader for them all.

    command line, TOML, JSON --typed--> tree --merged--> tree --built--> dataclass

A tree is a nested dict with typed values at its leaves, for as much of the dataclass as was given.
Values set from Python are checked like those that are read: see `Checked`.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import msgspec

from jointloop.common.errors import JointloopError
from jointloop.common.hints import ANGLE, Part, Within, hints, marks, part_of, plainly, words
from jointloop.common.nearest import nearest

T = TypeVar("T")
Form = Literal["stored", "toml", "words"]
"""Where values come from: JSON that a program wrote, a TOML file, or words of a command line. In
the last two, people give angles in degrees."""
Tree = dict[str, Any]
SWITCH = {"on": True, "off": False}
"""Words for parts that can be switched off."""

Range = tuple[float, float]
"""Lowest and highest value of a uniform draw."""
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]


class ConfigError(JointloopError):
    """A setting is unknown, of another type, or makes no sense."""


class Checked:
    """Base of dataclasses of settings: their fields are checked against the annotations.

    Args:
        where: path of the dataclass among all settings, for errors.
        later: fields that files of earlier versions lack; they take their defaults.
    """

    _where: ClassVar[str] = ""
    later: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, where: str = "", later: tuple[str, ...] = (), **others: Any) -> None:
        super().__init_subclass__(**others)
        cls._where, cls.later = where, later

    def __post_init__(self) -> None:
        for name, hint in hints(type(self)).items():
            value, path = getattr(self, name), _path(self._where, name)
            if part := part_of(hint):
                fits = isinstance(value, part.kind) or (value is None and part.optional)
                if not fits:
                    raise ConfigError(f"{path} is {value!r}; expected a {part.kind.__name__}")
                continue
            fitting = _leaf(hint, value, path, "stored")
            if name in vars(self):  # what an earlier file leaves out stays so when written again
                object.__setattr__(self, name, fitting)


def read(
    kind: type[T], data: Any, where: str = "", *, base: T | None = None, form: Form = "stored"
) -> T:
    """A dataclass from nested dicts.

    Args:
        kind: the dataclass.
        data: what was given.
        where: what to put before names in errors.
        base: has what was not given; without one, everything has to be.
        form: of the values.

    Raises:
        ConfigError: a setting is unknown, missing, of another type or out of its range.
    """
    return built(kind, typed(kind, data, form, where), base, where)


def typed(kind: type, data: Any, form: Form, where: str = "") -> Tree:
    """The tree of what was given: every name known, every value of its type and in its range.

    Raises:
        ConfigError: it is not so.
    """
    _know(kind, data, where, names(kind, where))
    return _typed(kind, data, form, where)


def merged(*trees: Mapping[str, Any]) -> Tree:
    """One tree of several; where two give the same setting, the later one counts."""
    whole: Tree = {}
    for tree in trees:
        for name, value in tree.items():
            both = isinstance(value, Mapping) and isinstance(whole.get(name), Mapping)
            whole[name] = merged(whole[name], value) if both else value
    return whole


def built(kind: type[T], tree: Mapping[str, Any], base: T | None = None, where: str = "") -> T:
    """The dataclass of a tree.

    Args:
        kind: the dataclass.
        tree: of typed values.
        base: has what the tree leaves out; without one only what earlier files lack may be.
        where: what to put before names in errors.

    Raises:
        ConfigError: a setting is missing that all versions have, or settings do not go together.
    """
    values: Tree = {}
    for name, hint in hints(kind).items():
        if name not in tree:
            if base is None and name in getattr(kind, "later", ()):
                continue
            if base is None:
                raise ConfigError(f"{_path(where, name)} is missing; expected {words(hint)}")
            values[name] = getattr(base, name)
        elif (part := part_of(hint)) and tree[name] is not None:
            below = getattr(base, name, None)
            if below is None and base is not None:
                below = part.kind()  # what was switched off comes on with its defaults
            sub = {} if tree[name] is True else tree[name]
            values[name] = built(part.kind, sub, below, _path(where, name))
        else:
            values[name] = tree[name]
    return kind(**values)


def plain(settings: Any) -> Tree:
    """The whole tree of a dataclass; `built` makes it again."""
    return {
        name: plain(value) if dataclasses.is_dataclass(value) else value
        for name in hints(type(settings))
        for value in [getattr(settings, name)]
    }


def flat(tree: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """A tree's values by their dotted paths."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        path = _path(where, name)
        found |= flat(value, path) if isinstance(value, Mapping) else {path: value}
    return found


def nested(values: Mapping[str, Any]) -> Tree:
    """The tree of values by dotted paths; undoes `flat`."""
    tree: Tree = {}
    for path, value in values.items():
        *parts, name = path.split(".")
        place = tree
        for part in parts:
            place = place.setdefault(part, {})
        place[name] = value
    return tree


def names(kind: type, where: str = "") -> list[str]:
    """Dotted paths of all settings of a dataclass, parts included."""
    found: list[str] = []
    for name, hint in hints(kind).items():
        path = _path(where, name)
        found.append(path)
        if part := part_of(hint):
            found += names(part.kind, path)
    return found


def _know(kind: type, data: Any, where: str, known: list[str]) -> None:
    """Refuse names that no setting has."""
    if not isinstance(data, Mapping):
        raise ConfigError(f"{where or 'the settings'}: {data!r}; expected a table")
    for name, value in data.items():
        path, hint = _path(where, str(name)), hints(kind).get(name)
        if hint is None:
            raise ConfigError(f"{path}: no such setting; {nearest(path, known)}")
        if (part := part_of(hint)) and isinstance(value, Mapping):
            _know(part.kind, value, path, known)


def _typed(kind: type, data: Mapping[str, Any], form: Form, where: str) -> Tree:
    tree: Tree = {}
    for name, value in data.items():
        hint, path = hints(kind)[name], _path(where, name)
        part = part_of(hint)
        if part is None:
            tree[name] = _leaf(hint, value, path, form)
        elif isinstance(value, Mapping):
            tree[name] = _typed(part.kind, value, form, path)
        elif part.optional and (value is None or isinstance(value, bool) or value in (*SWITCH,)):
            tree[name] = True if SWITCH.get(str(value), value) else None
        elif form == "words":
            raise ConfigError(f"{path} is {value}; expected on or off")
        else:
            off = ", or false" if part.optional else ""
            raise ConfigError(f"{path} is {value!r}; expected a table{off}")
    return tree


def _leaf(hint: Any, value: Any, where: str, form: Form) -> Any:
    """One value, of its type and in its range."""
    try:
        given = _from_words(hint, value) if form == "words" else value
        if form != "stored" and ANGLE in marks(hint):
            given = _radians(given)
        made = msgspec.convert(given, hint, strict=form != "words")
        if _sound(hint, made):
            return made
    except (msgspec.ValidationError, ValueError):
        pass
    given = repr(value) if form != "words" else value if isinstance(value, str) else " ".join(value)
    raise ConfigError(f"{where} is {given}; expected {words(hint, degrees=form != 'stored')}")


def _from_words(hint: Any, value: Any) -> Any:
    optional = types.NoneType in typing.get_args(plainly(hint))
    return None if optional and value == "none" else value


def _sound(hint: Any, value: Any) -> bool:
    """What msgspec does not look at: finite numbers, and ranges."""
    numbers = value if isinstance(value, tuple) else (value,)
    if not all(math.isfinite(number) for number in numbers if isinstance(number, float)):
        return False
    within = next((mark for mark in marks(hint) if isinstance(mark, Within)), None)
    return within is None or within.low <= value[0] <= value[1] <= within.high


def _radians(value: Any) -> Any:
    """Radians [rad] from numbers in degrees, or from text such as '0.7 rad'."""
    if isinstance(value, list | tuple):
        return tuple(_radians(one) for one in value)
    if isinstance(value, str):
        number, unit, _ = value.partition(" rad")
        return float(number) if unit else math.radians(float(number))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return math.radians(value)


def in_degrees(value: float) -> float | str:
    """What people give for an angle [rad]: degrees, or text where none give it to the last bit."""
    near = math.degrees(value)
    around = (round(near, 9), near, math.nextafter(near, math.inf), math.nextafter(near, -math.inf))
    exact = (degrees for degrees in around if math.radians(degrees) == value)
    return next(exact, f"{value!r} rad")


def as_given(hint: Any, value: Any) -> Any:
    """A value as people give it: angles in degrees."""
    if ANGLE not in marks(hint):
        return value
    return tuple(in_degrees(v) for v in value) if isinstance(value, tuple) else in_degrees(value)


def shown(kind: type, path: str, value: Any) -> str:
    """The value of the setting at a dotted path as people give it; on or off for a part."""
    part: Part | None = None
    hint: Any = None
    for name in path.split("."):
        hint = hints(kind)[name]
        if part := part_of(hint):
            kind = part.kind
    if part or (value is None and "." in path):
        return "on" if value else "off"
    given = as_given(hint, value)
    return " ".join(map(str, given)) if isinstance(given, tuple) else repr(given)


def _path(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
