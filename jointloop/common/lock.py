"""Files and folders that one process holds at a time."""

import fcntl
import os
import weakref
from pathlib import Path
from typing import Self


class Lock:
    """A hold on a file or a folder, until it is let go of or this process ends, however it ends.

    Args:
        path: a folder, or a file, which is made if it is not there.
        shared: together with others that share it.

    Raises:
        BlockingIOError: another process, or another lock of this one, has it.
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path, shared: bool = False) -> None:
        how = os.O_RDONLY | os.O_DIRECTORY if path.is_dir() else os.O_RDWR | os.O_CREAT
        descriptor = os.open(path, how | os.O_CLOEXEC, 0o644)
        self._release = weakref.finalize(self, os.close, descriptor)
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError:
            self.release()
            raise

    def release(self) -> None:
        """Let others have it."""
        self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
