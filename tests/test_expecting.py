"""Runs that expect poses: judged on held-out rows, uniform poses beside, and gone on with."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli_parts import jointloop
from rich.console import Console

from feedback.history import prior_of, read_history
from feedback.report.report import write_report
from simulator.fleet.watch import Watch
from simulator.fleet.worker import WorkerOptions
from simulator.randomization.expected import Expected
from simulator.randomization.settings import SampleSettings
from simulator.robot import Robot
from trainer.config.config import Config, ConfigError
from trainer.config.presets import preset
from trainer.evaluation.arms.target import workcell
from trainer.run_options import RunOptions
from trainer.runs.folder import ELSEWHERE, RunFolder
from trainer.session import train

UR10 = Robot.named("ur10")
LOG = workcell(UR10)[::4]


def config(mode: str, epochs: int = 1) -> Config:
    tiny = preset("tiny").changed(
        epochs=epochs,
        **{"expect.log": "log.npy", "expect.mode": mode, "feedback.rule": "expected"},
    )
    return replace(
        tiny,
        settings=SampleSettings(width=64, height=48, sigma=1.0),
        stream=replace(tiny.stream, held_out=12, buffer=64),
        epoch_samples=48,
    )


class Stopping(Watch):
    """Stops a run after an epoch."""

    def __init__(self, after: int | None = None) -> None:
        super().__init__(Console(quiet=True))
        self.after = after
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)
        if self.after is not None and text.startswith(f"epoch {self.after}:"):
            raise KeyboardInterrupt


def run(folder: Path, asked: Config, progress: Stopping, **more) -> dict:
    options = RunOptions(
        folder,
        workers=2,
        worker=WorkerOptions("", engine="stick"),
        timeout=280,
        device="cpu",
        tensorboard=False,
        **more,
    )
    return train(asked, options, progress)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Stopping]:
    """A run of mode poses, stopped after its first epoch and gone on with to its second."""
    folder, progress = tmp_path_factory.mktemp("expecting") / "run", Stopping(1)
    expected = Expected(LOG, "log.npy", "poses")
    with pytest.raises(KeyboardInterrupt):
        run(folder, config("poses", 2), progress, expected=expected)
    progress.after = None
    run(folder, config("poses", 2), progress, resume=True)
    return folder, progress


def test_the_log_is_counted_before_the_first_epoch_and_never_again(stopped) -> None:
    history = read_history(stopped[0])
    assert [(e["epoch"], e["version"]) for e in history] == [(-1, 0), (0, 1), (1, 1), (2, 1)]
    assert history[1]["rule"].startswith("Expected(mode='poses'")
    first, second = map(prior_of, history[:2])
    expected = Expected(LOG, "log.npy")
    np.testing.assert_array_equal(second.alpha, expected.prior(first).alpha)


def test_the_detector_is_judged_on_held_out_rows_and_beside_on_uniform_poses(stopped) -> None:
    folder, _ = stopped
    kept = RunFolder.open(folder)
    prior = prior_of(read_history(folder)[0])
    held = {tuple(row) for row in prior.bin_of(LOG[Expected(LOG, "log").held_out])}
    assert {tuple(row) for row in kept.load_held_out().bins} <= held
    assert len(kept.load_held_out(ELSEWHERE)) == 6
    summary = json.loads((folder / "summary.json").read_text())
    assert {*summary["elsewhere"]} == {"before", "after"}
    assert all("elsewhere" in row for row in kept.metrics())
    assert all(row["movement"] is None for row in kept.metrics())


def test_adaptive_workers_alone_draw_what_is_expected(stopped) -> None:
    row = RunFolder.open(stopped[0]).metrics()[-1]
    assert row["workers"]["0"]["prior_version"] == 0
    assert row["workers"]["1"]["prior_version"] == 1
    assert row["delivery"]["rejected"] == {}


def test_the_split_is_said_in_a_line_and_the_report_shows_its_price(stopped) -> None:
    folder, progress = stopped
    assert sum(line.startswith("expected poses: of 500 rows of log.npy") for line in progress.lines)
    page = write_report(folder).read_text()
    assert "Uniform poses" in page
    assert "Before the first epoch: Expected(" in page


def test_a_run_goes_on_with_the_poses_that_it_began_with(stopped, tmp_path: Path) -> None:
    folder, _ = stopped
    (folder / "summary.json").unlink(missing_ok=True)
    others = Expected(LOG[:-1], "log.npy", "poses")
    with pytest.raises(ConfigError, match="began with other expected poses"):
        run(folder, config("poses", 2), Stopping(), resume=True, expected=others)


def test_expected_poses_and_recordings_exclude_each_other(tmp_path: Path, capsys) -> None:
    np.save(tmp_path / "log.npy", LOG)
    data = tmp_path / "data"
    made = "record --samples 12 --engine stick --workers 1 --size 64x48 --variety calm --out"
    assert jointloop(*made.split(), str(data)) == 0
    words = f"train tiny --run {tmp_path}/run --from {data} --expect {tmp_path}/log.npy"
    assert jointloop(*words.split(), "--expect-unit", "radians") == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert "record with --expect, then train --from that" in told
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("verb", ["train tiny --workers 1 --run", "record --samples 4 --out"])
def test_a_log_without_its_unit_is_one_line_whatever_the_verb(
    verb: str, tmp_path: Path, capsys
) -> None:
    np.save(tmp_path / "log.npy", LOG)
    words = [*verb.split(), str(tmp_path / "out"), "--engine", "stick"]
    assert jointloop(*words, "--expect", str(tmp_path / "log.npy")) == 2
    told = capsys.readouterr().err.splitlines()
    assert told[-1].endswith("give --expect-unit degrees or radians")
    assert not (tmp_path / "out").exists()


def test_a_gallery_shows_what_is_expected(tmp_path: Path, capsys) -> None:
    np.save(tmp_path / "log.npy", LOG)
    words = f"gallery --engine stick --samples 2 --size 64x48 --out {tmp_path}/sheet.png"
    log = f"--expect {tmp_path}/log.npy --expect-unit radians --expect-mode poses"
    assert jointloop(*words.split(), *log.split()) == 0
    told = capsys.readouterr().out
    assert "expected poses: of 500 rows of log.npy, 400 are drawn from and 100" in told
    assert (tmp_path / "sheet.png").is_file()
