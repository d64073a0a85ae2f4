"""The command line: its verbs, each in a file of its name, and how errors end."""

import ast
import importlib
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from jointloop.cli.ending import STOPPED, in_time, leave
from jointloop.common.errors import JointloopError
from jointloop.common.nearest import nearest

VERBS = (
    "demo",
    "train",
    "inspect",
    "explain",
    "presets",
    "config",
    "doctor",
    "simulate",
    "keys",
    "describe",
    "gallery",
    "check-labels",
    "agree",
    "annotate",
    "record",
    "replay",
    "convert",
    "evaluate",
    "compare",
    "predict",
    "pose",
    "gap",
    "export",
)
"""In the order that help shows them; only the one that is called is imported."""
DESCRIPTION = (
    "Trains a robot joint detector on images it renders for itself, and renders more of what the "
    "detector still gets wrong."
)

NEEDED = {
    "torch": ("this needs PyTorch", "train"),
    "av": ("videos need PyAV", "train"),
    "ray": ("a Ray cluster needs Ray", "ray"),
}
"""What may be missing and the extra that brings it, by its module's name."""


def main() -> None:
    """Run one verb; a user's mistake ends as one line and exit code 2."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # what it cannot read, we say ourselves
    # NumPy's matrices are small here; more threads of OpenBLAS would spin beside those of PyTorch.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as behind nohup
            signal.signal(number, _stop)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What a terminal cannot show, as of a file's name that is no UTF-8, is escaped.
        sys.stdout.reconfigure(errors="backslashreplace")
    asked = threading.Event()
    try:
        with in_time(asked):
            code = run(sys.argv[1:])
    except JointloopError as error:
        print(f"jointloop: error: {error}", file=sys.stderr)
        code = 2
    except ModuleNotFoundError as error:
        if error.name not in NEEDED:
            raise
        why, extra = NEEDED[error.name]
        print(f"jointloop: error: {why}: pip install 'jointloop[{extra}]'", file=sys.stderr)
        code = 2
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    except OSError as error:
        name = f": {error.filename}" if error.filename else ""
        print(f"jointloop: error: {error.strerror or error}{name}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print("\njointloop: stopped", file=sys.stderr)
        code = STOPPED
    leave(code, asked)


def run(words: Sequence[str]) -> int:
    """Run the verb that the first word names, by the others.

    Raises:
        JointloopError: there is no such verb, or the words make no sense to it.
        SystemExit: help was asked for.
    """
    from jointloop.cli.command import call

    if not words:
        raise JointloopError(f"give a verb: {', '.join(VERBS)}; `jointloop --help` says more")
    name = words[0].replace("_", "-")
    if name in VERBS:
        return call(function(name), words[1:], f"jointloop {name}")
    if name in ("-h", "--help") or name.startswith("--tyro-"):
        return _overview(words)
    raise JointloopError(f"{words[0]}: no such verb; {nearest(name, VERBS)}")


def function(verb: str) -> Callable[..., int]:
    """A verb's function."""
    return getattr(importlib.import_module(f"jointloop.cli.{_plain(verb)}"), _plain(verb))


def _plain(verb: str) -> str:
    return verb.replace("-", "_")


def _overview(words: Sequence[str]) -> int:
    """Help on all verbs, or a script that completes their options in a shell."""
    import tyro

    from jointloop.cli.command import parsed_only

    app = tyro.extras.SubcommandApp()
    for name in VERBS:
        if words[0].startswith("--tyro-"):
            app.command(name=name)(parsed_only(function(name), []))
        else:
            app.command(name=name)(_named(name))
    return app.cli(prog="jointloop", description=DESCRIPTION, args=words)


def _named(verb: str) -> Callable[[], None]:
    """A function that has nothing of a verb's but the first line of its docstring.

    It is read without importing the verb, which would cost more than all of help.
    """

    def alone() -> None: ...

    file = Path(__file__).with_name(f"{_plain(verb)}.py")
    defined = (
        node for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)
    )
    whole = next(node for node in defined if node.name == _plain(verb))
    alone.__doc__ = (ast.get_docstring(whole) or "").split("\n")[0]
    return alone


def _stop(_: int, frame: FrameType | None) -> None:
    """End like Ctrl-C, so that nothing is left behind.

    An exception in the middle of an import can be lost in a library's native code. There is nothing
    to put away then but workers, which notice that their parent is gone.
    """
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            print("\njointloop: stopped", file=sys.stderr, flush=True)
            os._exit(STOPPED)
        frame = frame.f_back
    raise KeyboardInterrupt
