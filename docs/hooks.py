"""What the pages take from outside docs/: the command line's own help, settings, card, changes."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from jointloop.cli.form import HOUSE, as_typed
from jointloop.common.hints import doc_of, hints, part_of, summary, words
from trainer.config.config import Config

ROOT = Path(__file__).parent.parent
WEIGHTS = "weights"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made here."""
    files.append(File.generated(config, "reference/cli.md", content=_command_line()))
    files.append(File.generated(config, "reference/settings.md", content=_settings()))
    changes = (ROOT / "CHANGELOG.md").read_text()
    files.append(File.generated(config, "changes.md", content=changes))
    for path in sorted((ROOT / WEIGHTS).iterdir()):
        if path.suffix != ".safetensors":
            name = f"{WEIGHTS}/{path.name}"
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_content(html: str, **_: object) -> str:
    """Show source that a page asks for; it would be folded away."""
    return html.replace('<details class="mkdocstrings-source">', '<details open class="source">')


def _command_line() -> str:
    """Every verb's help, as a terminal shows it."""
    whole = _help()
    listed = re.search(r"\{([a-z,-]+)\}", whole)
    assert listed, f"no verbs in {whole!r}"
    parts = [
        "# Command line",
        "What `--help` says, verb by verb. Every verb ends with 0 where all is well, 1 where a "
        "check failed, 2 with one line on standard error after a mistake, and 130 after Ctrl-C.",
        f"```text\n{whole}```",
    ]
    for verb in listed[1].split(","):
        parts += [f"## {verb}", f"```text\n{_help(verb)}```"]
    return "\n\n".join(parts) + "\n"


def _help(*verb: str) -> str:
    environment = os.environ | {"COLUMNS": "100", "NO_COLOR": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "jointloop", *verb, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return done.stdout


def _settings() -> str:
    """Every setting of a run: its option, what it may be, its default and what it means."""
    parts = [
        "# Settings",
        "Every setting of a run, by the name of its option; `_` stands for `-` in files, where the "
        "part before the last dot names the table. What simulators are asked for lies in a table "
        "`settings` of a run's `config.json`, and options may leave that word out. Presets begin "
        "elsewhere than these defaults: `jointloop config NAME` prints one. Angles are in degrees "
        "in options and TOML, in radians in Python and JSON.",
        *_parts(Config, ""),
    ]
    return "\n\n".join(parts) + "\n"


def _parts(kind: Any, path: str) -> Iterator[str]:
    """A section for each part of the settings, with a table of its values."""
    yield f"## {path or 'The run'}"
    yield summary(kind)
    parts = {name: part for name, hint in hints(kind).items() if (part := part_of(hint))}
    if rows := [_row(kind, name, path) for name in hints(kind) if name not in parts]:
        yield "\n".join(["| setting | allowed | default | |", "|---|---|---|---|", *rows])
    for name, part in parts.items():
        below = "" if name == "settings" else path
        yield from _parts(part.kind, f"{below}.{name}".lstrip("."))


def _row(kind: Any, name: str, path: str) -> str:
    hint = hints(kind)[name]
    default = next(field.default for field in fields(kind) if field.name == name)
    shown = "" if default is MISSING else f"`{as_typed(hint, default)}`"
    whole = f"{path}.{name}".lstrip(".")
    short = whole.removeprefix(HOUSE)
    option = (whole if short != whole and short in hints(Config) else short).replace("_", "-")
    allowed = words(hint, degrees=True).replace("|", "\\|")
    return f"| `{option}` | {allowed} | {shown} | {doc_of(kind, name)} |"
