"""A run that is killed and goes on ends where it would have ended: bit for bit, on the CPU."""

import json
import os
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
from trainer.config.presets import preset
from trainer.run_options import RunOptions
from trainer.runs.folder import RunFolder
from trainer.runs.progress import Progress
from trainer.session import train

EPOCHS = 3
WALL = ("seconds", "data_wait", "time")
"""What tells of the clock."""
KILLS = {
    "after an epoch": "epoch 1:",
    "within an epoch": "epoch 2  50%",
    "while an epoch is written down": "save 2",
}


class Ended(Progress):
    """Sends its process a signal as soon as something is said."""

    def __init__(self, at: str, by: signal.Signals) -> None:
        super().__init__(Console(quiet=True))
        self.at, self.by = at, by

    def say(self, text: str) -> None:
        if text.startswith(self.at):
            signal.raise_signal(self.by)

    update = say


def sit(
    recording: Path, folder: Path, at: str = "never", by: signal.Signals = signal.SIGKILL
) -> None:
    """One start; ended where `at` is said, or killed as the checkpoint of `save N` forms."""
    torch.set_num_threads(1)
    if at.startswith("save "):
        _die_while_saving(int(at.removeprefix("save ")))
    tiny = preset("tiny").changed(epochs=EPOCHS)
    config = replace(
        tiny,
        network=replace(tiny.network, widths=(4, 8, 8), depth=1, width=8, head=8),
        stream=replace(tiny.stream, held_out=12),
        batch_size=8,
        epoch_samples=32,
    )
    begun = (folder / "config.json").exists()
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


def test_a_resume_reads_its_checkpoint_once(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "stopped"
    with pytest.raises(KeyboardInterrupt):
        sit(recording, folder, "epoch 1:", signal.SIGINT)
    reads: list[str] = []

    def noted(read: Callable[..., Any]) -> Callable[..., Any]:
        return lambda path, **how: (reads.append(path.name), read(path, **how))[1]

    monkeypatch.setattr("trainer.runs.folder.torch.load", noted(torch.load))
    monkeypatch.setattr("trainer.weights.file.safe_open", noted(safe_open))
    sit(recording, folder)
    assert sorted(reads) == ["last.safetensors", "last.state.pt"]


if __name__ == "__main__":
    _kill_runs(*map(Path, sys.argv[1:]))
