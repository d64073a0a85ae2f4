"""What all benchmarks share: how they take their options, and how their figures are written."""

import json
import os
import platform
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import tyro

from jointloop.common.errors import JointloopError

Options = TypeVar("Options")


def run(main: Callable[[Options], None], options: type[Options]) -> None:
    """Call `main` with the command line's options; a user's mistake ends as one line.

    The help begins as the program's own docstring does.
    """
    about = (sys.modules["__main__"].__doc__ or "").split("\n\n")[0]
    try:
        main(tyro.cli(options, description=about))
    except JointloopError as error:
        sys.exit(f"{_program()}: error: {error}")


def machine() -> dict[str, Any]:
    """What was measured on."""
    return {"cores": os.cpu_count(), "processor": platform.processor() or platform.machine()}


def write(path: Path | None, figures: dict[str, Any]) -> None:
    """Write figures and the command that made them, where a file was asked for."""
    if path is not None:
        command = shlex.join(["python", f"benchmarks/{_program()}", *sys.argv[1:]])
        path.write_text(json.dumps({"command": command, **figures}, indent=2) + "\n")


def _program() -> str:
    return Path(sys.argv[0]).name
