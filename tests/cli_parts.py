"""The command line within this process."""

import signal
import sys

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
