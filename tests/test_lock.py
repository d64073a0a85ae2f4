"""Laws of locks: one holder at a time, and none that outlives its process."""

import subprocess
import sys
from pathlib import Path

import pytest

from jointloop.common.lock import Lock

HOLD = """
import sys
from pathlib import Path
from jointloop.common.lock import Lock
lock = Lock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("name", ["", "lock"], ids=["folder", "file"])
def test_one_holds_it_until_it_lets_go(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with Lock(path), pytest.raises(BlockingIOError):
        Lock(path)
    again = Lock(path)
    again.release()
    again.release()  # more than once is no harm
    Lock(path).release()


def test_those_that_share_it_keep_out_those_that_do_not(tmp_path: Path) -> None:
    one, other = Lock(tmp_path, shared=True), Lock(tmp_path, shared=True)
    with one, other, pytest.raises(BlockingIOError):
        Lock(tmp_path)
    with Lock(tmp_path), pytest.raises(BlockingIOError):
        Lock(tmp_path, shared=True)


def test_a_hold_ends_with_its_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BlockingIOError):
            Lock(tmp_path)
        holder.kill()
        holder.wait()
        Lock(tmp_path).release()


def test_what_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Lock(tmp_path / "none" / "lock")
