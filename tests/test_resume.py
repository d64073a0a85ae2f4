"""A run that is killed and goes on ends where it would have ended: bit for bit, on the CPU."""

import errno
import importlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from recording_parts import description, recorded
from rich.console import Console
from safetensors import safe_open

from feedback.history import FILE
from jointloop.common.errors import JointloopError
from jointloop.common.files import FileError
from simulator.fleet.watch import Watch
from trainer.config.presets import preset
from trainer.data.source import SourceError
from trainer.run_options import RunOptions
from trainer.runs.checkpoint import RunError
from trainer.runs.folder import RunFolder
from trainer.session import train

EPOCHS = 3
WALL = ("seconds", "data_wait", "time")
"""What tells of the clock."""
KILLS = {
    "after an epoch": "epoch 1:",
    "within an epoch": "epoch 2  50%",
    "while an epoch is written down": "save 2",
}


class Ended(Watch):
    """Sends its process a signal as soon as something is said."""

    def __init__(self, at: str, by: signal.Signals) -> None:
        super().__init__(Console(quiet=True))
        self.at, self.by = at, by

    def say(self, text: str) -> None:
        if text.startswith(self.at):
            signal.raise_signal(self.by)

    update = say


def sit(
    recording: Path,
    folder: Path,
    at: str = "never",
    by: signal.Signals = signal.SIGKILL,
    epochs: int = EPOCHS,
) -> None:
    """One start; ended where `at` is said, or killed as the checkpoint of `save N` forms."""
    torch.set_num_threads(1)
    if at.startswith("save "):
        _die_while_saving(int(at.removeprefix("save ")))
    tiny = preset("tiny").changed(epochs=epochs)
    config = replace(
        tiny,
        network=replace(tiny.network, widths=(4, 8, 8), depth=1, width=8, head=8),
        stream=replace(tiny.stream, held_out=12),
        batch_size=8,
        epoch_samples=32,
    )
    begun = (folder / "last.state.pt").exists()
    config = RunFolder.open(folder).config if begun else config
    options = RunOptions(folder, recording=recording, device="cpu", resume=begun)
    train(config, options, Ended(at, by))


def _die_while_saving(epoch: int) -> None:
    save = torch.save

    def saved(state: dict[str, Any], path: Path) -> None:
        if state["loop"]["epoch"] == epoch:
            signal.raise_signal(signal.SIGKILL)
        save(state, path)

    torch.save = saved


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("resume") / "recording"
    return recorded(folder, description(samples=48, held_out=12, shard_samples=24)).folder


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def through(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("resume") / "through"
    sit(recording, folder)
    return folder


@pytest.fixture(scope="module")
def killed(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of runs, each named for when it was killed."""
    folder = tmp_path_factory.mktemp("killed")
    subprocess.run([sys.executable, __file__, recording, folder], timeout=240, check=True)
    return folder


def _kill_runs(recording: Path, folder: Path) -> None:
    """One start for each of KILLS, in a process of its own that does not outlive it."""
    for name, at in KILLS.items():
        child = os.fork()
        if not child:
            sit(recording, folder / name, at)
            os._exit(0)
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


def lines(path: Path) -> list[str]:
    """A file's lines without what the clock wrote."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [json.dumps({k: v for k, v in row.items() if k not in WALL}) for row in rows]


@pytest.mark.parametrize("when", KILLS)
def test_a_killed_run_that_goes_on_ends_as_if_it_had_not_been_killed(
    recording: Path, through: Path, killed: Path, when: str
) -> None:
    folder = killed / when
    assert not (folder / "summary.json").exists()
    sit(recording, folder)
    for name in ("last.safetensors", "best.safetensors"):
        assert (folder / name).read_bytes() == (through / name).read_bytes()
    assert len(lines(through / "metrics.jsonl")) == len(lines(through / FILE)) == EPOCHS + 1
    assert lines(folder / "metrics.jsonl") == lines(through / "metrics.jsonl")
    assert lines(folder / FILE) == lines(through / FILE)


@pytest.fixture(scope="module")
def stopped(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run that was stopped after its first epoch."""
    folder = tmp_path_factory.mktemp("resume") / "stopped"
    with pytest.raises(KeyboardInterrupt):
        sit(recording, folder, "epoch 1:", signal.SIGINT)
    return folder


@pytest.mark.parametrize("line", [0, 1])
@pytest.mark.parametrize(("name", "epochs"), [("metrics.jsonl", (0, 1)), (FILE, (-1, 1))])
def test_a_missing_line_of_a_run_is_named(
    recording: Path, stopped: Path, tmp_path: Path, name: str, epochs: list[int], line: int
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(stopped, folder)
    lines = (folder / name).read_text().splitlines(keepends=True)
    del lines[line]
    (folder / name).write_text("".join(lines))
    missing = rf"{name} is damaged: epoch {epochs[line]} of its 1 is missing"
    with pytest.raises(RunError, match=missing):
        sit(recording, folder)


def test_a_missing_shard_is_named(recording: Path, stopped: Path, tmp_path: Path) -> None:
    shutil.copytree(stopped, tmp_path / "run")
    shutil.copytree(recording, tmp_path / "recording")
    (tmp_path / "recording" / "000001.tar").unlink()
    with pytest.raises(SourceError, match=r"the run began with 36; it lacks 000001\.tar"):
        sit(tmp_path / "recording", tmp_path / "run")


def test_a_resume_reads_its_checkpoint_once(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "stopped"
    with pytest.raises(KeyboardInterrupt):
        sit(recording, folder, "epoch 1:", signal.SIGINT)
    reads: list[str] = []

    def noted(read: Callable[..., Any]) -> Callable[..., Any]:
        return lambda path, **how: (reads.append(path.name), read(path, **how))[1]

    monkeypatch.setattr("trainer.runs.checkpoint.torch.load", noted(torch.load))
    monkeypatch.setattr("trainer.weights.file.safe_open", noted(safe_open))
    sit(recording, folder)
    assert sorted(reads) == ["last.safetensors", "last.state.pt"]


def _spoil(folder: Path, number: int, spoilt: Callable[[], None]) -> None:
    """Write half of what the so many-th write in a folder is to write, and then something else."""
    write, writes = os.write, itertools.count(1)

    def half(descriptor: int, data: memoryview) -> int:
        place = os.readlink(f"/proc/self/fd/{descriptor}")
        if place.startswith(f"{folder}/") and next(writes) == number:
            write(descriptor, data[: len(data) // 2])
            spoilt()
        return write(descriptor, data)

    os.write = half  # type: ignore[assignment]


def _fill_up() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _fails_in_one_line(recording: Path, folder: Path, number: int) -> int:
    """One start on a disk that is full at that write; 0 where that never comes."""
    _spoil(folder, number, _fill_up)
    try:
        sit(recording, folder, epochs=1)
    except FileError as error:
        line = str(error)
        return (
            1 if re.fullmatch(rf"cannot write {folder}/\S+: No space left on device", line) else 2
        )
    return 0


def _is_killed(recording: Path, folder: Path, number: int) -> int:
    _spoil(folder, number, lambda: signal.raise_signal(signal.SIGKILL))
    sit(recording, folder, epochs=1)
    return 0


def _goes_on(recording: Path, folder: Path, number: int) -> int:
    sit(recording, folder, epochs=1)
    return 0


def _forked(start: Callable[..., int], *given: Path | int) -> int:
    """How a start in a process of its own ended: its exit code, or minus the signal."""
    child = os.fork()
    if not child:
        code = 3
        try:
            code = start(*given)
        except JointloopError as error:
            print(start.__name__, *given, error, file=sys.stderr)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _spoil_runs(recording: Path, folder: Path) -> None:
    """For every write of a run: a full disk at it, then a kill at it, then on to the end."""
    importlib.import_module("torch.utils.tensorboard")  # once, not in every process
    for number in itertools.count(1):
        run = folder / str(number)
        ended = _forked(_fails_in_one_line, recording, run, number)
        if ended == 0:
            return
        assert ended == 1
        assert _forked(_is_killed, recording, run, number) in (0, -signal.SIGKILL)
        if not (run / "summary.json").exists():
            assert _forked(_goes_on, recording, run, number) == 0


def test_a_run_whose_disk_is_full_and_which_is_killed_at_any_write_ends_as_any_other(
    recording: Path, tmp_path: Path
) -> None:
    sit(recording, tmp_path / "0", epochs=1)
    subprocess.run(
        [sys.executable, __file__, recording, tmp_path, "spoil"], timeout=500, check=True
    )
    through, *runs = sorted(tmp_path.iterdir(), key=lambda run: int(run.name))
    assert len(runs) > 10
    for run in runs:
        assert (run / "last.safetensors").read_bytes() == (
            through / "last.safetensors"
        ).read_bytes()
        for name in ("metrics.jsonl", FILE):
            assert lines(run / name) == lines(through / name)


if __name__ == "__main__":
    recording_folder, runs_folder = map(Path, sys.argv[1:3])
    (_spoil_runs if sys.argv[3:] else _kill_runs)(recording_folder, runs_folder)
