"""The command line: its verbs, in the order that help shows them, and how errors end."""

import io
import os
import signal
import sys
from types import FrameType

from jointloop.common.errors import JointloopError

# Verbs register as they are imported, and help shows them in that order.
# isort: off
import jointloop.cli.training
import jointloop.cli.simulating
import jointloop.cli.evaluating
import jointloop.cli.choosing
import jointloop.cli.describing
import jointloop.cli.looking
import jointloop.cli.recording
import jointloop.cli.predicting  # noqa: F401

# isort: on
from jointloop.cli.app import app

DESCRIPTION = (
    "Trains a robot joint detector on images it renders for itself, and renders more of what the "
    "detector still gets wrong."
)
NEEDED = {"torch": "training needs PyTorch", "av": "videos need PyAV"}
"""What may be missing, by its module's name."""


def main() -> None:
    """Run one verb; a user's mistake ends as one line and exit code 2."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as behind nohup
            signal.signal(number, _stop)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What a terminal cannot show, as of a file's name that is no UTF-8, is escaped.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = app.cli(prog="jointloop", description=DESCRIPTION)
    except JointloopError as error:
        print(f"jointloop: error: {error}", file=sys.stderr)
        code = 2
    except ModuleNotFoundError as error:
        if error.name not in NEEDED:
            raise
        print(
            f"jointloop: error: {NEEDED[error.name]}: pip install 'jointloop[train]'",
            file=sys.stderr,
        )
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
        code = 130
    sys.exit(code)


def _stop(_: int, frame: FrameType | None) -> None:
    """End like Ctrl-C, so that nothing is left behind.

    An exception in the middle of an import can be lost in a library's native code. There is nothing
    to put away then but workers, which notice that their parent is gone.
    """
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            print("\njointloop: stopped", file=sys.stderr, flush=True)
            os._exit(130)
        frame = frame.f_back
    raise KeyboardInterrupt
