"""Sees that Ctrl-C and SIGTERM end a command in time, whatever it is in the midst of."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import NoReturn

import psutil

GRACE_S = 3.0
"""To put things away. What is still at work then, such as native code, is ended: all within five
seconds, on a busy machine too. Files are written so that they outlive that at any time."""
STOPPED = 130
"""Exit code of what was stopped."""


@contextlib.contextmanager
def in_time(asked: threading.Event) -> Iterator[None]:
    """End this process and those below it a while after a signal, unless the block ends before.

    Signals are noticed by a thread: handlers of Python wait until native code returns.

    Args:
        asked: is set, after the block at the latest, if a signal came.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:  # processes that torchrun started end each other
        yield
        return
    heard, told = os.pipe()
    os.set_blocking(told, False)
    speech = os.dup(2)  # where Blender works, the standard error itself leads nowhere
    over = threading.Event()
    thread = threading.Thread(target=_listen, args=(heard, speech, asked, over), daemon=True)
    before = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    thread.start()
    try:
        yield
    finally:
        over.set()
        signal.set_wakeup_fd(before)
        os.close(told)  # which ends the thread
        thread.join()
        os.close(heard)
        os.close(speech)


def leave(code: int, asked: threading.Event) -> NoReturn:
    """End this process, at once if a signal asked for it: the interpreter's own end takes long.

    Raises:
        SystemExit: none did.
    """
    if not asked.is_set():
        sys.exit(code)
    with contextlib.suppress(OSError, ValueError):  # nobody reads
        sys.stdout.flush()
    os._exit(code)


def _listen(heard: int, speech: int, asked: threading.Event, over: threading.Event) -> None:
    while number := os.read(heard, 1):
        if number[0] in (signal.SIGINT, signal.SIGTERM):
            asked.set()
            if not over.wait(GRACE_S):
                _end(speech)
            return


def _end(speech: int) -> None:
    """End all at once; processes of a fleet would notice a little later themselves."""
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    os.write(speech, b"\njointloop: stopped\n")
    os._exit(STOPPED)
