"""What happens in a fleet as lines of JSON, one object each, for other programs."""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jointloop.common.files import FileError, pour, shown
from jointloop.common.lines import keep_lines
from simulator.fleet.ends import End
from simulator.fleet.rows import Row

STDOUT = Path("-")
ROWS_S = 10.0
"""Between lines on the same worker, unless its state, its restarts or its last error change."""


class JsonLog:
    """A file of JSON lines, which is appended to, or the standard output.

    Args:
        path: of the file; - for the standard output.

    Raises:
        FileError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._shown: dict[int, tuple[Any, ...]] = {}
        self._due = 0.0
        try:
            if path.is_file():
                keep_lines(path, sys.maxsize)  # cut off what was half-written
            self._file = None if path == STDOUT else path.open("ab", buffering=0)
        except OSError as error:
            raise self._refused(error) from error

    def said(self, text: str) -> None:
        """A line for the user."""
        self._write("said", text=text)

    def ended(self, end: End) -> None:
        """A process ended."""
        self._write("end", worker=end.worker, reason=end.reason, detail=end.detail)

    def rows(self, rows: Sequence[Row]) -> None:
        """Those that are news, and now and then all."""
        now = time.monotonic()
        due = now >= self._due
        if due:
            self._due = now + ROWS_S
        for row in rows:
            key = (row.state, row.restarts, row.last_error)
            if due or self._shown.get(row.worker) != key:
                self._shown[row.worker] = key
                self._write("worker", **row.to_json())

    def close(self) -> None:
        """Write what is left; the standard output stays open."""
        if self._file:
            self._file.close()

    def _write(self, event: str, **fields: Any) -> None:
        line = json.dumps({"time": round(time.time(), 3), "event": event, **fields})
        if self._file is None:
            print(line, flush=True)
            return
        try:
            pour(self._file.fileno(), f"{line}\n".encode())
        except OSError as error:
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> FileError:
        return FileError(f"cannot write {shown(self._path)}: {error.strerror}")
