"""The closed loop, on the stick scene: real workers, real sockets, a real network."""

import json
import os
import signal
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file

from feedback.history import prior_of, read_history
from feedback.report.report import write_report
from jointloop.common.ranges import of_ranges
from simulator.fleet.watch import Watch
from simulator.fleet.worker import WorkerOptions
from simulator.randomization.settings import SampleSettings
from simulator.sample import Sample
from trainer.config.config import Config, ConfigError, NetworkConfig
from trainer.config.presets import preset
from trainer.data.live import LiveSource
from trainer.run_options import RunOptions
from trainer.runs.checkpoint import RunError
from trainer.session import train
from trainer.weights.initial import InitialWeights


def small(feedback: bool = True, epochs: int = 3) -> Config:
    tiny = preset("tiny").changed(feedback=feedback, epochs=epochs)
    return replace(
        tiny,
        settings=SampleSettings(width=80, height=64, stride=4, sigma=1.0),
        stream=replace(tiny.stream, held_out=24, buffer=256),
        batch_size=8,
        epoch_samples=320,
    )


class Lines(Watch):
    """Keeps what was said, and can act on it."""

    def __init__(self, on_epoch=lambda epoch: None) -> None:
        super().__init__(Console(quiet=True))
        self.lines: list[str] = []
        self.on_epoch = on_epoch

    def say(self, text: str) -> None:
        self.lines.append(text)
        if text.startswith("epoch ") and ":" in text:
            self.on_epoch(int(text.split()[1].rstrip(":")))


def run(folder: Path, config: Config, lines: Lines | None = None, **more) -> dict:
    options = RunOptions(
        folder,
        workers=2,
        worker=WorkerOptions("", engine="stick"),
        timeout=240,
        device="cpu",
        **more,
    )
    return train(config, options, lines or Lines())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "finished"
    run(folder, small())
    return folder


def test_the_loop_lowers_the_held_out_loss_and_error(finished: Path) -> None:
    rows = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [0, 1, 2, 3]
    assert rows[-1]["held_out_loss"] < 0.97 * rows[0]["held_out_loss"]
    before, after = (rows[i]["held_out"]["best_peak"]["median_percent"] for i in (0, -1))
    assert after < 0.75 * before


def test_the_prior_moved_by_as_many_counts_as_samples_were_selected(finished: Path) -> None:
    history = read_history(finished)
    assert [entry["version"] for entry in history] == [0, 1, 2, 3]
    for before, after in pairwise(history):
        added = prior_of(after).alpha - prior_of(before).alpha
        np.testing.assert_allclose(added.sum(axis=1), len(after["selected"]))
        assert (added >= 0).all()


def test_worker_0_stays_uniform_and_worker_1_follows(finished: Path) -> None:
    row = json.loads((finished / "metrics.jsonl").read_text().splitlines()[-1])
    assert row["workers"]["0"]["prior_version"] == 0
    assert row["workers"]["1"]["prior_version"] == row["prior_version"] - 1


def test_feedback_that_no_worker_follows_is_said(tmp_path: Path) -> None:
    for workers, share, said in ((1, 0.5, True), (1, 1.0, False), (2, 0.5, False), (3, 0.0, True)):
        config = small(epochs=1).changed(**{"stream.adaptive_share": share, "epoch_samples": 8})
        lines = Lines()
        options = RunOptions(
            tmp_path / f"{workers}-{share}",
            workers=workers,
            worker=WorkerOptions("", engine="stick"),
            timeout=240,
            device="cpu",
        )
        train(config, options, lines)
        notes = [line for line in lines.lines if "feedback has no effect" in line]
        assert len(notes) == said


def test_nothing_is_lost_doubled_or_refused_in_steady_state(finished: Path) -> None:
    delivery = json.loads((finished / "summary.json").read_text())["delivery"]
    for count in ("lost", "lost_with_worker", "duplicated", "workers_lost", "refused"):
        assert delivery[count] == 0
    assert delivery["rejected"] == {}


def test_every_sample_that_was_ordered_is_told_by_its_index(finished: Path) -> None:
    summary = json.loads((finished / "summary.json").read_text())
    indices = summary["indices"]
    assert (indices["delivery"], indices["missing"], indices["doubled"]) == ("complete", [], [])
    parts = {name: indices[name] for name in ("held_out", "trained", "ahead")}
    for worker in ("0", "1"):
        told = [index for part in parts.values() for index in of_ranges(part.get(worker, ""))]
        assert sorted(told) == list(range(len(told)))
    trained = sum(len(of_ranges(text)) for text in parts["trained"].values())
    assert trained == summary["samples"]["new"]


def test_how_old_priors_were_is_told_of_samples_that_follow_them(finished: Path) -> None:
    rows = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    ages = [row["staleness"] for row in rows]
    assert ages[0]["samples"] == ages[1]["stale"] == 0  # untrained, then by the first prior
    for row, age in zip(rows[1:], ages[1:], strict=True):
        followed = row["indices"]["trained"].get("1", "")
        assert age["samples"] == len(of_ranges(followed))
        assert (age["stale"] > 0) == (age["seconds_max"] > 0) == (age["versions_max"] > 0)
    summary = json.loads((finished / "summary.json").read_text())["staleness"]
    assert summary["samples"] == sum(age["samples"] for age in ages)
    assert summary["stale"] == sum(age["stale"] for age in ages) > 0


def test_the_report_opens_without_a_network(finished: Path) -> None:
    page = write_report(finished).read_text()
    for outside in ("http://", "https://", "src=//"):
        assert outside not in page.replace("http://www.w3.org/", "")


def test_feedback_off_leaves_the_prior_alone(tmp_path: Path) -> None:
    summary = run(tmp_path / "off", small(feedback=False, epochs=1))
    assert summary["prior"]["versions"] == 0
    assert summary["prior"]["total_variation_max"] == 0
    last = json.loads((tmp_path / "off" / "metrics.jsonl").read_text().splitlines()[-1])
    assert not any(worker["adaptive"] for worker in last["workers"].values())


def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "stopped"

    def stop(epoch: int) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(folder, small(epochs=2), Lines(stop))
    before = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    summary = run(folder, small(epochs=2), resume=True)
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    assert rows[2]["steps"] == 2 * before["steps"]
    assert rows[2]["samples_consumed"] == 2 * before["samples_consumed"]
    assert [entry["version"] for entry in read_history(folder)] == [0, 1, 2]
    assert summary["epochs"] == 2
    with pytest.raises(RunError, match="finished"):
        run(folder, small(), resume=True)


def test_every_sample_of_every_worker_is_used_across_a_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: dict[int, list[int]] = {}
    take = LiveSource._take_new

    def noted(source: LiveSource) -> Sample | None:
        if sample := take(source):
            came_from = sample.hidden.provenance
            used.setdefault(came_from.worker, []).append(came_from.index)
        return sample

    def stop(epoch: int) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(LiveSource, "_take_new", noted)
    folder, config = tmp_path / "run", small(epochs=2).changed(epoch_samples=64)
    with pytest.raises(KeyboardInterrupt):
        run(folder, config, Lines(stop))
    first = {worker: len(indices) for worker, indices in used.items()}
    summary = run(folder, config, resume=True)
    for worker, indices in used.items():
        assert len(indices) == len(set(indices)) > first[worker]
    assert (summary["indices"]["missing"], summary["indices"]["doubled"]) == ([], [])


def test_a_run_that_began_with_a_file_of_weights_goes_on_without_it(tmp_path: Path) -> None:
    layers = {0: (3, 8), 2: (8, 8), 5: (8, 8), 7: (8, 8), 10: (8, 8)}
    state = {f"features.{i}.bias": torch.full((width,), 0.5) for i, (_, width) in layers.items()}
    state |= {f"features.{i}.weight": torch.randn(w, n, 3, 3) for i, (n, w) in layers.items()}
    file = tmp_path / "vgg.pth"
    torch.save(state, file)
    base = small(epochs=1)
    config = replace(
        base,
        network=NetworkConfig(widths=(8, 8, 8), stages=1, first_depth=1, width=8, head=8),
        stream=replace(base.stream, held_out=8),
        epoch_samples=16,
    )
    folder = tmp_path / "run"
    with pytest.raises(ConfigError, match=r"begin with vgg\.pth, but the config names None"):
        run(folder, config, start=InitialWeights(file))
    config = config.changed(backbone=file.name, epochs=2)

    def stop(epoch: int) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    lines = Lines(stop)
    with pytest.raises(KeyboardInterrupt):
        run(folder, config, lines, start=InitialWeights(file))
    begun = "backbone: VGG-19's layers without batch norm, weights of vgg.pth: 10 tensors"
    assert any(line.startswith(begun) for line in lines.lines)
    file.unlink()
    run(folder, config, resume=True)
    saved = load_file(folder / "last.safetensors")
    assert saved.keys() >= {name for name in state}
    assert not torch.equal(saved["features.0.weight"], state["features.0.weight"])
    assert torch.allclose(saved["features.0.weight"], state["features.0.weight"], atol=0.1)


def test_a_killed_simulator_is_replaced_and_its_loss_counted(tmp_path: Path) -> None:
    killed: list[int] = []

    def kill_one(epoch: int) -> None:
        if epoch == 0:
            killed.append(_workers()[0])
            os.kill(killed[0], signal.SIGKILL)

    lines = Lines(kill_one)
    summary = run(tmp_path / "killed", small(epochs=2), lines)
    assert _workers() == []
    assert any("died (killed: SIGKILL)" in line for line in lines.lines)
    assert summary["delivery"]["workers_lost"] == 1
    assert summary["delivery"]["workers_joined"] == 3
    assert summary["delivery"]["lost"] == 0
    assert summary["epochs"] == 2


def _workers() -> list[int]:
    children = psutil.Process().children()
    return [child.pid for child in children if WorkerOptions.module in child.cmdline()]
