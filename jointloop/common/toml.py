"""TOML files of settings: mistakes are told with their place, settings with what they mean."""

import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jointloop.common.hints import doc_of, hints, part_of, summary, words
from jointloop.common.settings import ConfigError, as_given

WIDTH = 88
"""Of comments [characters]."""


def load(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        ConfigError: it cannot be read, or is no TOML; says where.
    """
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"it cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"it is no TOML: {error}") from None


def dump(settings: Any, where: str = "") -> Iterator[str]:
    """Lines of TOML that `read` makes equal settings of, each setting below what it means.

    Args:
        settings: a dataclass of settings.
        where: the table they stand in.
    """
    kind = type(settings)
    parts: list[tuple[str, Any]] = []
    for name, hint in hints(kind).items():
        value = getattr(settings, name)
        if part := part_of(hint):
            path = f"{where}.{name}" if where else name
            if value is not None:
                parts.append((path, value))
                continue
            yield from _comment(f"{summary(part.kind)} Switched off.")
            yield f"{name} = false"
        else:
            yield from _comment(f"{doc_of(kind, name)} ({words(hint, degrees=True)})")
            yield f"# {name} =" if value is None else f"{name} = {_toml(as_given(hint, value))}"
    for path, part in parts:
        yield ""
        yield from _comment(summary(type(part)))
        yield f"[{path}]"
        yield from dump(part, path)


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, WIDTH, break_on_hyphens=False)]


def _toml(value: Any) -> str:
    import tomlkit

    return tomlkit.item(list(value) if isinstance(value, tuple) else value).as_string()
