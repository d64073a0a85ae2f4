"""The settings as options of a command line: one for every field, however deep it lies.

    dataclass of settings --form--> options that tyro shows and splits words by --given_in--> tree

To tyro the values stay words; `jointloop.common.settings` reads them like a file's, so that a
mistake is told alike.
"""

import dataclasses
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from jointloop.common.hints import doc_of, hints, part_of, plainly, summary, words
from jointloop.common.settings import ConfigError, Tree, as_given, nested, typed

HOUSE = "settings."
"""What simulators are asked for lies here in a config; options and errors leave it out."""
METAVARS = {int: "INT", float: "FLOAT", str: "TEXT", bool: "{true,false}"}


@dataclass(frozen=True)
class Shape:
    """Which settings a verb takes."""

    kind: Any
    """Dataclass of settings."""
    base: Any = None
    """Whose values are shown as defaults; None: a preset's, whichever is named."""
    hidden: frozenset[str] = frozenset()
    """Paths that other options stand for."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Further names of options, by path."""
    kept: frozenset[str] = frozenset()
    """Paths that keep the name of their house, since another setting has the short one."""


def takes(shape: Callable[[list[str]], Shape]) -> Callable[[Any], Any]:
    """Mark a verb: its parameter `given` is an option for every setting.

    Args:
        shape: from the words of the command line; called when the verb is.
    """

    def mark(verb: Any) -> Any:
        verb.shape = shape
        return verb

    return mark


def form(shape: Shape) -> type:
    """A dataclass of tyro's with one group of options for every part of the settings."""
    groups = []
    for path, kind, base, optional in _parts(shape.kind, "", shape.base, False):
        shown = path.removeprefix(HOUSE)
        group = dataclasses.make_dataclass("Group", _options(shape, path, kind, base, optional))
        group.__doc__ = summary(kind)  # the box's first line
        annotation = Annotated[group, tyro.conf.arg(name=shown or "run", help=summary(kind))]
        name = "group_" + path.replace(".", "_")
        groups.append((name, annotation, field(default_factory=group)))
    return dataclasses.make_dataclass("Settings", groups)


def given_in(filled: Any, kind: type) -> Tree:
    """The typed tree of the settings that a form was filled with.

    Args:
        filled: of a form.
        kind: dataclass of settings that the form is for.

    Raises:
        ConfigError: a value is of another type or out of its range, or a part is switched off and
            settings of it are given.
    """
    values: dict[str, Any] = {}
    for group in dataclasses.fields(filled):
        options = getattr(filled, group.name)
        for option in dataclasses.fields(options):
            if (found := getattr(options, option.name)) is not None:
                values[option.metadata["path"]] = found
    for path in list(values):
        below = [other for other in values if other.startswith(f"{path}.")]
        if below and values[path] == "off":
            part, first = path.removeprefix(HOUSE), below[0].removeprefix(HOUSE)
            raise ConfigError(f"{part} is off, but {first} is given; leave one of them out")
        if below:
            del values[path]
    try:
        return typed(kind, nested(values), "words")
    except ConfigError as error:
        raise ConfigError(str(error).removeprefix(HOUSE)) from None


def _parts(kind: Any, path: str, base: Any, optional: bool) -> Iterator[tuple[str, Any, Any, bool]]:
    """Every part: path, dataclass, whose values to show, and whether it can be switched off."""
    yield path, kind, base, optional
    for name, hint in hints(kind).items():
        if part := part_of(hint):
            below = f"{path}.{name}" if path else name
            yield from _parts(part.kind, below, getattr(base, name, None), part.optional)


def _options(
    shape: Shape, path: str, kind: Any, base: Any, optional: bool
) -> list[tuple[str, Any, Any]]:
    """An option for each value of a part, and one for its switch."""
    found = []
    if optional:
        state = "" if shape.base is None else f"default: {'off' if base is None else 'on'}"
        help_ = "Switches the part on or off."
        found.append(_option(shape, path, "switch", Literal["on", "off"], help_, state))
    for name, hint in hints(kind).items():
        here = f"{path}.{name}" if path else name
        if part_of(hint) or here in shape.hidden:
            continue
        shown = kind() if base is None and optional else base
        default = "the preset's" if shown is None else as_typed(hint, getattr(shown, name))
        text = f"{words(hint, degrees=True)}; default: {default}"
        found.append(_option(shape, here, name, hint, doc_of(kind, name), text))
    return found


def _option(
    shape: Shape, path: str, name: str, hint: Any, doc: str, text: str
) -> tuple[str, Any, Any]:
    flag = path if path in shape.kept else path.removeprefix(HOUSE)
    aliases = [f"--{shape.aliases[path]}"] if path in shape.aliases else None
    hint_ = f"({text})" if text else ""
    about = tyro.conf.arg(
        name=flag, prefix_name=False, help=doc, aliases=aliases, help_behavior_hint=hint_
    )
    return (
        name,
        Annotated[Any, _words_of(hint), about],
        field(default=None, metadata={"path": path}),
    )


def _words_of(hint: Any) -> PrimitiveConstructorSpec[Any]:
    """How many words an option takes; they are kept as they are."""
    kind = plainly(hint)
    if types.NoneType in typing.get_args(kind):
        kind = plainly(typing.get_args(kind)[0])
    inside = typing.get_args(kind)
    count: int | Literal["*"] = 1
    if typing.get_origin(kind) is tuple:
        count = "*" if inside[-1] is ... else len(inside)
        each = METAVARS.get(plainly(inside[0]), "TEXT")
        metavar = f"[{each} ...]" if count == "*" else " ".join([each] * len(inside))
    elif typing.get_origin(kind) is Literal:
        metavar = "{" + ",".join(map(str, inside)) + "}"
    else:
        metavar = METAVARS.get(kind, "TEXT")
    if kind is bool:  # true where nothing follows
        count, metavar = "*", f"[{metavar}]"
    single = typing.get_origin(kind) is not tuple

    def keep(found: list[str]) -> Any:
        if kind is bool and not found:
            return "true"
        return found[0] if single and len(found) == 1 else tuple(found)

    return PrimitiveConstructorSpec(
        nargs=count,
        metavar=metavar,
        instance_from_str=keep,
        is_instance=lambda value: True,
        str_from_instance=lambda value: [str(value)],
    )


def as_typed(hint: Any, value: Any) -> str:
    """A default, as it would be typed."""
    if value is None or value == ():
        return "none"
    shown = as_given(hint, value)
    some = shown if isinstance(shown, tuple) else (shown,)
    return " ".join(str(one).lower() if isinstance(one, bool) else str(one) for one in some)
