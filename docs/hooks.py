"""What the pages take from outside docs/: the command line's own help, the card, the changes."""

import os
import re
import subprocess
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
OPTIONAL = "robots-rendered.md"
"""A page that stands in the navigation once it is measured."""
WEIGHTS = "weights"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Leave out of the navigation what is not there."""
    if not (ROOT / "docs" / OPTIONAL).is_file():
        for section in config.nav or []:
            for title, pages in section.items():
                if isinstance(pages, list):
                    section[title] = [p for p in pages if OPTIONAL not in p.values()]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made here."""
    files.append(File.generated(config, "reference/cli.md", content=_command_line()))
    changes = (ROOT / "CHANGELOG.md").read_text()
    files.append(File.generated(config, "changes.md", content=changes))
    for path in sorted((ROOT / WEIGHTS).iterdir()):
        if path.suffix != ".safetensors":
            name = f"{WEIGHTS}/{path.name}"
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


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
    environment = os.environ | {"COLUMNS": "96", "NO_COLOR": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "jointloop", *verb, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return done.stdout
