"""The command line, within this process and in one of its own."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from jointloop.cli.entry import main


def jointloop(*words: str) -> int:
    """Run one verb in this process; its exit code."""
    argv, sys.argv = sys.argv, ["jointloop", *words]
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    finally:
        sys.argv = argv
        for number, handler in handlers.items():
            signal.signal(number, handler)
    raise AssertionError("main always exits")


@contextmanager
def started(*words: str) -> Iterator["subprocess.Popen[str]"]:
    """One verb in a process and a session of its own, which ends with the block at the latest."""
    with subprocess.Popen(
        [sys.executable, "-m", "jointloop", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line_of(process: "subprocess.Popen[str]", words: str) -> str:
    """The next line of a process that holds these words."""
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if words in line:
            return line
    raise AssertionError(f"{words!r} is not in what it said: {seen}")
