"""What the pages take from outside docs/: the command line's own help, settings, card, changes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
WEIGHTS = "weights"
SETTINGS = {
    "trainer.config.config": (
        "Config",
        "NetworkConfig",
        "OptimiserConfig",
        "LossConfig",
        "StreamConfig",
        "FeedbackConfig",
    ),
    "trainer.config.augmentation": ("AugmentConfig",),
    "simulator.randomization.settings": ("SampleSettings",),
    "simulator.randomization.variety": (
        "Variety",
        "CameraVariety",
        "LightVariety",
        "MaterialVariety",
        "BackgroundVariety",
        "DistractorVariety",
        "SensorVariety",
    ),
}
"""Dataclasses whose fields the page of settings lists, by module."""
FACTORY = re.compile(r"field\(default_factory=(\w+)\)")
"""A default that is a fresh object."""


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
    """Every field of the settings with its default and what stands under it in the code."""
    parts = [
        "# Settings",
        "Every field, its default and its meaning. A run's `config.json` is a `Config`, with "
        "the others inside it. Presets begin elsewhere than these defaults: `jointloop presets`, "
        "`jointloop.preset(NAME)`, `jointloop config NAME`. Angles are in radians here and in "
        "JSON, in degrees in options and TOML.",
    ]
    for module, names in SETTINGS.items():
        found = griffe.load(module, search_paths=[ROOT])
        for name in names:
            kind = found[name]
            parts += [f"## {name}", f"{kind.docstring.value}", _fields(kind)]
    return "\n\n".join(parts) + "\n"


def _fields(kind: griffe.Object) -> str:
    rows = ["| field | type | default | |", "|---|---|---|---|"]
    for field in kind.attributes.values():
        if "property" in field.labels:
            continue
        said = "" if field.docstring is None else " ".join(field.docstring.value.split())
        default = FACTORY.sub(r"\1()", str(field.value or ""))
        cells = (f"`{field.name}`", f"`{field.annotation}`", default and f"`{default}`", said)
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)
