"""Laws of training in several processes: they share a run's batches, and end together."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from recording_parts import description, jointloop, recorded
from rich.console import Console
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from simulator.fleet.watch import Watch
from trainer import session
from trainer.config.config import Config, ConfigError
from trainer.config.presets import preset
from trainer.distributed.launch import is_member
from trainer.distributed.team import Team
from trainer.learning.learner import Learner
from trainer.run_options import RunOptions

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]


def small(batch_size: int = 8) -> Config:
    tiny = preset("tiny").changed(epochs=2, feedback=False)
    return replace(
        tiny,
        network=replace(tiny.network, widths=(4, 8, 8), depth=1, width=8, head=8),
        stream=replace(tiny.stream, held_out=12),
        batch_size=batch_size,
        epoch_samples=16,
    )


class Watched(Learner):
    """Keeps which samples it saw, step by step."""

    last: "Watched"

    def join(self, team: Team) -> None:
        super().join(team)
        Watched.last, self.dealt, deal = self, [], team.deal

        def noted(*batch: Any) -> Any:
            mine = deal(*batch)
            self.dealt.append(mine.pixels[:, 0, 0].tolist())
            return mine

        team.deal = noted


def by_sample(norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """In place of batch norm: what a sample becomes does not depend on the rest of its share."""
    return functional.instance_norm(x, weight=norm.weight, bias=norm.bias)


def sit(recording: Path, folder: Path) -> Watched:
    """Train, alone or as one of those that torchrun started; the learner as it ends."""
    options = RunOptions(folder, recording=recording, device="cpu", timeout=240)
    if is_member():
        session.follow("cpu", 240)
    else:
        session.train(small(), options, Watch(Console(quiet=True)))
    return Watched.last


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("processes") / "recording"
    return recorded(folder, description(samples=48, held_out=12, shard_samples=24)).folder


@pytest.fixture(scope="module")
def alone(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Watched:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "Learner", Watched)
        patch.setattr(nn.BatchNorm2d, "forward", by_sample)
        return sit(recording, tmp_path_factory.mktemp("processes") / "alone")


@pytest.fixture(scope="module")
def together(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of what both processes of a team saw and came to."""
    folder = tmp_path_factory.mktemp("together")
    subprocess.run([*TORCHRUN, __file__, recording, folder], timeout=240, check=True)
    return folder


def test_processes_share_the_batches_of_one_process_and_see_no_sample_twice(
    alone: Watched, together: Path
) -> None:
    lead, member = (json.loads((together / f"seen{rank}.json").read_text()) for rank in (0, 1))
    assert [mine + theirs for mine, theirs in zip(lead, member, strict=True)] == alone.dealt
    everything = [sample for share in lead + member for sample in share]
    assert len(everything) == len(set(everything)) == 32


def test_processes_end_with_the_same_weights(together: Path) -> None:
    lead, member = (load_file(together / f"weights{rank}.safetensors") for rank in (0, 1))
    assert all(torch.equal(lead[name], member[name]) for name in lead)


def test_two_shares_of_four_teach_what_one_batch_of_eight_teaches(
    alone: Watched, together: Path
) -> None:
    lead = load_file(together / "weights0.safetensors")
    for name, weights in alone.network.named_parameters():
        torch.testing.assert_close(lead[name], weights.detach(), rtol=1e-3, atol=1e-4)


def test_a_batch_that_cannot_be_shared_is_refused(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Two(Team):
        size = 2

    monkeypatch.setattr(session, "gather", lambda *_: Two())
    options = RunOptions(tmp_path / "run", recording=recording, device="cpu")
    with pytest.raises(ConfigError, match="batch_size is 7; expected a multiple of 2"):
        session.train(small(7), options, Watch(Console(quiet=True)))
    assert not (tmp_path / "run").exists()


class Stop(Watch):
    """A user who presses Ctrl-C after the first epoch."""

    def say(self, text: str) -> None:
        if text.startswith("epoch 1:"):
            raise KeyboardInterrupt


def test_a_run_of_one_process_goes_on_with_two(recording: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    options = RunOptions(folder, recording=recording, device="cpu")
    with pytest.raises(KeyboardInterrupt):
        session.train(small(), options, Stop(Console(quiet=True)))
    words = ["train", "tiny", "--processes", "2", "--resume", "--device", "cpu"]
    told = jointloop(*words, "--run", folder, "--from", recording)
    assert told.returncode == 0, told.stderr
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    assert [row["samples_consumed"] for row in rows] == [0, 16, 32]
    assert rows[2]["samples_new"] == 32


@pytest.fixture
def training(recording: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The command line in the midst of a run: torchrun, and two processes below it."""
    where = ["--run", tmp_path / "run", "--from", recording, "--device", "cpu"]
    train = [sys.executable, "-m", "jointloop", "train", "tiny", "--processes", "2"]
    command = [*train, *map(str, where)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as p:
        assert p.stdout
        while not (line := p.stdout.readline()).startswith("epoch 0:"):
            assert line, "it ended early"
        yield p
        p.kill()


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1], ids=["lead", "member"])
def test_when_one_process_is_killed_none_is_left_behind(
    training: subprocess.Popen[str], victim: int
) -> None:
    ranks = {child.environ()["RANK"]: child for child in psutil.Process(training.pid).children()}
    assert set(ranks) == {"0", "1"}
    ranks[str(victim)].kill()
    assert training.wait(120) != 0
    assert not any(process.is_running() for process in ranks.values())


def test_ctrl_c_ends_all_of_them(training: subprocess.Popen[str], tmp_path: Path) -> None:
    children = psutil.Process(training.pid).children()
    training.send_signal(signal.SIGINT)
    assert training.wait(120) != 0
    assert not any(process.is_running() for process in children)
    assert training.stdout
    assert "--resume goes on" in training.stdout.read()


if __name__ == "__main__":
    session.Learner = Watched
    nn.BatchNorm2d.forward = by_sample
    where = Path(sys.argv[2])
    learner, rank = sit(Path(sys.argv[1]), where / "run"), os.environ["RANK"]
    (where / f"seen{rank}.json").write_text(json.dumps(learner.dealt))
    weights = {
        name: value.detach().contiguous() for name, value in learner.network.named_parameters()
    }
    save_file(weights, where / f"weights{rank}.safetensors")
