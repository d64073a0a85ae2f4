"""Laws of learning one batch by heart."""

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from learner_parts import learner_of
from recording_parts import SMALL, description, jointloop, recorded

from simulator.randomization.prior import JointPrior
from simulator.recordings.recording import Recording
from simulator.robot import Robot
from trainer.batch import Batch
from trainer.config.presets import preset
from trainer.open_source import recorded_source
from trainer.preflight.overfit import LINES, LOSS, STEPS, Overfit, overfit

CONFIG = replace(preset("tiny"), settings=SMALL)
ROBOT = Robot.named("ur10")
NAMES = ROBOT.keypoint_names


@pytest.fixture(scope="module")
def sticks(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return recorded(tmp_path_factory.mktemp("overfit") / "sticks", description())


@pytest.fixture(scope="module")
def batch(sticks: Recording) -> Batch:
    prior = JointPrior.uniform(ROBOT.lower, ROBOT.upper, SMALL.bins)
    with contextlib.closing(recorded_source(CONFIG, [sticks], prior, lambda line: None)) as pool:
        return pool.batch(CONFIG.batch_size)


def test_tiny_learns_a_batch_by_heart_and_says_how(batch):
    lines: list[str] = []
    learnt = overfit(learner_of(CONFIG, len(NAMES)), batch, NAMES, lines.append)
    assert learnt.passed
    assert learnt.loss < LOSS
    assert learnt.error < learnt.limit == 2.0
    assert learnt.keypoints == batch.in_frame.sum()
    assert learnt.steps <= STEPS
    assert 2 <= len(lines) <= LINES + 1
    assert str(learnt).startswith("pass")


def test_labels_of_other_images_that_look_the_same_cannot_be_learnt(batch, monkeypatch):
    monkeypatch.setattr("trainer.preflight.overfit.STEPS", 16)
    blank = replace(batch, images=torch.zeros_like(batch.images))
    learnt = overfit(learner_of(CONFIG, len(NAMES)), blank, NAMES, lambda line: None)
    assert not learnt.passed
    assert learnt.steps == 16
    assert str(learnt).startswith("fail")


@pytest.mark.parametrize(
    ("loss", "error", "passed"),
    [(0.01, 0.5, True), (0.9, 0.5, False), (0.01, 9.0, False), (0.01, np.inf, False)],
)
def test_both_figures_have_to_be_small(loss, error, passed):
    assert Overfit(10, loss, error, 2.0, 40).passed == passed
    assert not Overfit(10, loss, np.nan, 2.0, 0).passed


def test_the_command_leaves_nothing_behind(sticks, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["train", "tiny", "--overfit-one-batch", "--from", sticks.folder, "--device", "cpu"]
    done = jointloop(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip().splitlines()[-1].startswith("pass: loss")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_batch_from_simulators_is_learnt_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = jointloop("train", "tiny", "--overfit-one-batch", "--workers", "1", "--engine", "stick")
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(Path(tmp_path).iterdir()) == []
