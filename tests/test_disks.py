"""A disk that is full, or that cannot be written at all: one line that names the file, code 2.

The disks are real ones, made in a mount namespace of their own; where that is not permitted, this
is skipped and says so. `python tests/test_disks.py FOLDER` is what runs within the namespace.
"""

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

UNSHARE = ("unshare", "--mount", "--propagation", "private")
SMALL = "256k"
"""Room for the first files of a run or recording, not for all."""
STICKS = ("--engine", "stick", "--workers", "1", "--size", "64x48")
TRAIN = ("train", "tiny", "--epochs", "1", *STICKS, "--stream.held-out", "16")
RECORD = ("record", "--samples", "400", *STICKS)


def verbs(disk: Path) -> dict[str, tuple[str, ...]]:
    """What is tried on a disk."""
    return {
        "train": (*TRAIN, "--run", str(disk / "run")),
        "record": (*RECORD, "--out", str(disk / "recording")),
        "keys": ("keys", str(disk / "keys")),
        "gallery": ("gallery", *STICKS[:2], "--out", str(disk / "gallery.png")),
    }


def permitted() -> bool:
    """Whether this machine lets us have a mount namespace."""
    probe = (*UNSHARE, "mount", "-t", "tmpfs", "none", "/mnt")
    with contextlib.suppress(OSError):
        return subprocess.run(probe, capture_output=True).returncode == 0
    return False


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, tuple[int, str]]]:
    """Exit code and what was said, by disk and verb."""
    if not permitted():
        pytest.skip("no mount namespace is permitted here: a full disk is not tried")
    folder = tmp_path_factory.mktemp("disks")
    within = subprocess.run(
        [*UNSHARE, sys.executable, __file__, str(folder)],
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert within.returncode == 0, within.stderr
    return json.loads(within.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("disk", "verb", "why"),
    [
        ("full", "train", "No space left on device"),
        ("full", "record", "No space left on device"),
        ("full", "keys", "No space left on device"),
        ("read-only", "train", "Read-only file system"),
        ("read-only", "record", "Read-only file system"),
        ("read-only", "keys", "Read-only file system"),
        ("read-only", "gallery", "Read-only file system"),
    ],
)
def test_a_disk_that_takes_nothing_is_one_line_that_names_it(
    told: dict[str, dict[str, tuple[int, str]]], disk: str, verb: str, why: str
) -> None:
    code, said = told[disk][verb]
    assert code == 2
    (line,) = said.strip().splitlines()
    assert line.startswith("jointloop: error: ")
    assert why in line
    assert f"/{disk}" in line


def tried(disk: Path) -> dict[str, tuple[int, str]]:
    """All verbs on one disk: exit code and the lines of errors."""
    from cli_parts import jointloop

    found = {}
    for name, words in verbs(disk).items():
        with contextlib.redirect_stderr(io.StringIO()) as said:
            code = jointloop(*words)
        found[name] = (code, said.getvalue())
    return found


def main(folder: Path) -> None:
    """Make the disks and try them; the last line of the output is what came of it."""
    found = {}
    for disk in ("full", "read-only"):
        place = folder / disk
        place.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "none", place], check=True)
        if disk == "read-only":
            subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        found[disk] = tried(place)
    print(json.dumps(found), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
