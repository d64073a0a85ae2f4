"""Runs a verb's function by the words of a command line; a mistake in them is one line."""

import dataclasses
import functools
import inspect
import itertools
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import tyro

# Not public yet, which is why pyproject.toml asks for this very version of tyro.
from tyro._errors import (
    BadValue,
    InstantiationFailure,
    InvalidChoice,
    MissingArgs,
    ParseErrorEvent,
    UnrecognizedArgs,
    on_parse_error,
)

from jointloop.cli.form import form, given_in
from jointloop.cli.helped import left_out, text_of
from jointloop.common.errors import JointloopError
from jointloop.common.hints import words
from jointloop.common.nearest import nearest


class UsageError(JointloopError):
    """The words of a command line make no sense."""


def call(verb: Callable[..., int], arguments: Sequence[str], prog: str) -> int:
    """Run a verb.

    Args:
        verb: a function; its annotations and its docstring say what it takes.
        arguments: words of the command line after the verb's name.
        prog: what help calls it.

    Raises:
        JointloopError: the words make no sense, or the verb raises it.
    """
    shaped = parsed_only(verb, list(arguments))
    with on_parse_error(lambda event: _tell(event, arguments, shaped)):
        run = tyro.cli(shaped, prog=prog, args=arguments)
    return run()


def parsed_only(verb: Callable[..., int], arguments: list[str]) -> Callable[..., Any]:
    """A function of the same options that only takes what it is given, and returns the call.

    Its parameter `given`, where there is one, becomes one option for every setting.
    """
    shape = verb.shape(arguments) if hasattr(verb, "shape") else None  # type: ignore[attr-defined]

    @functools.wraps(verb)
    def take(*args: Any, **options: Any) -> Callable[[], int]:
        if shape:
            options["given"] = given_in(options["given"], shape.kind)
        return functools.partial(verb, *args, **options)

    signature = inspect.signature(verb)
    parameters = {
        name: one.replace(annotation=left_out(one.annotation, one.default))
        for name, one in signature.parameters.items()
    }
    if shape:
        filled = form(shape)
        annotation = Annotated[filled, tyro.conf.arg(name="")]
        parameters["given"] = parameters["given"].replace(annotation=annotation, default=filled())
    del take.__wrapped__  # or tyro would look at the verb itself
    take.__signature__ = signature.replace(parameters=list(parameters.values()))  # type: ignore[attr-defined]
    take.__doc__ = text_of(verb)
    take.__annotations__ = {name: one.annotation for name, one in parameters.items()}
    return take


def _tell(event: ParseErrorEvent, arguments: Sequence[str], verb: Callable[..., Any]) -> None:
    """Raise what is wrong with the words, in one line.

    Raises:
        UsageError: always, but for kinds of events that are not known here.
    """
    if isinstance(event, MissingArgs):
        if unknown := [token for token in event.unrecognized_tokens if token.startswith("-")]:
            raise UsageError(unrecognised(unknown, flags(verb)))
        missing = [_invocation(one.arg) for one in event.missing_arguments]
        raise UsageError(f"give {', '.join(missing)}")
    if isinstance(event, UnrecognizedArgs):
        raise UsageError(unrecognised(event.tokens, flags(verb)))
    if isinstance(event, InvalidChoice):
        there = ", ".join(choice for choice in event.choices if choice != "None")
        raise UsageError(f"{_flag(event.argument)} is {event.value!r}; expected one of {there}")
    if isinstance(event, BadValue):
        given = " ".join(_values(event.argument.lowered.name_or_flags, arguments))
        what = f"is {given}" if given else "lacks a value"
        raise UsageError(f"{_flag(event.argument)} {what}; give {_invocation(event.argument)}")
    if isinstance(event, InstantiationFailure) and event.argument is not None:
        flag = _flag(event.argument)
        wanted = words(event.argument.field.type_stripped)
        given = _values([flag], arguments)[:1] or arguments
        raise UsageError(f"{flag} is {' '.join(given)!r}; expected {wanted}")


def unrecognised(tokens: Sequence[str], known: Sequence[str]) -> str:
    """What to say of words that are no option's."""
    token = next((token for token in tokens if token.startswith("-")), None)
    if token is None:
        return f"{tokens[0]!r} has no place here; `--help` says what has"
    name = token.partition("=")[0].lstrip("-").replace("_", "-")
    if inside := [flag for flag in known if flag.startswith(f"{name}.")]:
        return f"--{name} takes no value; give its settings one by one, such as --{inside[0]}"
    if "." in name:
        return f"{name}: no such setting; {nearest(name, known)}"
    close = nearest(name, known)
    if close.startswith("nearest: "):
        close = "nearest: " + ", ".join(f"--{one}" for one in close[9:].split(", "))
    return f"--{name}: no such option; {close}"


def flags(verb: Callable[..., Any]) -> list[str]:
    """Names of all options of a function that `parsed_only` made."""
    found: list[str] = []
    for parameter in inspect.signature(verb).parameters.values():
        found += _flags_of(parameter.name, parameter.annotation)
    return found


def _flags_of(name: str, annotation: Any) -> list[str]:
    about = [mark for mark in getattr(annotation, "__metadata__", ()) if hasattr(mark, "aliases")]
    kind = annotation.__origin__ if hasattr(annotation, "__metadata__") else annotation
    if dataclasses.is_dataclass(kind):
        return [
            flag for field in dataclasses.fields(kind) for flag in _flags_of(field.name, field.type)
        ]
    own = (about[0].name if about and about[0].name else name).replace("_", "-")
    return [own, *(alias.lstrip("-") for alias in (about[0].aliases if about else None) or ())]


def _flag(argument: Any) -> str:
    """An option's longest name, or a positional's metavar."""
    if argument.is_positional():
        return str(argument.lowered.metavar)
    return max(argument.lowered.name_or_flags, key=len)


def _invocation(argument: Any) -> str:
    """An option with what it takes and what it is for."""
    flag, metavar = _flag(argument), argument.lowered.metavar
    how = flag if argument.is_positional() else f"{flag} {metavar}"
    found: Any = argument.field.helptext  # read from the source when it is asked for
    about = " ".join(str(found() if callable(found) else found or "").split())
    return f"{how} ({about.rstrip('.')})" if about else how


def _values(names: Sequence[str], arguments: Sequence[str]) -> Sequence[str]:
    """The words between an option and the next."""
    for at, word in enumerate(arguments):
        name, joined, value = word.partition("=")
        if name.replace("_", "-") in names:
            after = itertools.takewhile(lambda one: not one.startswith("--"), arguments[at + 1 :])
            return [value] if joined else list(after)
    return []
