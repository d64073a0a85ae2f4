"""Laws of the board: what was written is read back, and a resume doubles no point."""

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from disk_parts import files_up_to
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary.writer import event_file_writer

from jointloop.common.files import FileError
from simulator.randomization.prior import JointPrior
from simulator.robot import Robot
from trainer.runs.tensorboard import FIGURES, FOLDER, SHOWN, TensorBoard

SIZE = (48, 64)


@pytest.fixture(scope="module")
def uniform(ur10: Robot) -> JointPrior:
    return JointPrior.uniform(ur10.lower, ur10.upper, 16)


def row(robot: Robot, epoch: int, steps: int) -> dict[str, Any]:
    scores = {
        "miss_rate": 0.5,
        "median_percent": None,  # nothing found yet
        "auc": 0.25,
        "best_peak": {"median_percent": 3.0 + epoch},
    }
    return {
        "epoch": epoch,
        "steps": steps,
        "held_out_loss": 1.0 / (1 + epoch),
        "data_wait": None if not epoch else 0.125,
        "samples_consumed": 8 * steps,
        "staleness": {"versions_mean": 0.5 * epoch, "seconds_mean": 2.0 * epoch},
        "held_out": scores | {"joints": dict.fromkeys(robot.keypoint_names, scores)},
    }


def gallery(robot: Robot, images: int = 12) -> dict[str, np.ndarray]:
    rng, J, (h, w) = np.random.default_rng(0), len(robot.keypoints), SIZE
    return {
        "images": rng.integers(0, 256, (images, h, w, 3), dtype=np.uint8),
        "pixels": rng.uniform(0, 48, (images, J, 2)),
        "visibility": np.full((images, J), 2, np.uint8),
        "predicted": rng.uniform(0, 48, (images, J, 2)),
        "found": np.ones((images, J), bool),
        "beliefs": rng.integers(0, 256, (images, J, 12, 16), dtype=np.uint8),
    }


def written(folder: Path, robot: Robot, prior: JointPrior, epochs: range, resumed=None) -> None:
    """Epochs of three steps each; the first is untrained."""
    board = TensorBoard(folder, robot, resumed)
    for epoch in epochs:
        losses = [0.1 * epoch, 0.2, 0.3] if epoch else []
        board.add(row(robot, epoch, 3 * epoch), losses, 1e-3, prior, gallery(robot))
    board.close()


def read(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder / FOLDER), size_guidance={"images": 0, "scalars": 0})
    return events.Reload()


def points(events: EventAccumulator, tag: str) -> list[tuple[int, float]]:
    return [(event.step, pytest.approx(event.value)) for event in events.Scalars(tag)]


def test_what_was_added_is_read_back(tmp_path: Path, ur10: Robot, uniform: JointPrior) -> None:
    written(tmp_path, ur10, uniform, range(2))
    events = read(tmp_path)
    assert points(events, "loss/train") == [(1, 0.1), (2, 0.2), (3, 0.3)]
    assert points(events, "loss/held_out") == [(0, 1.0), (3, 0.5)]
    assert points(events, "training/data_wait") == [(3, 0.125)]
    assert points(events, "training/learning_rate") == [(0, 1e-3), (3, 1e-3)]
    assert points(events, "staleness/versions_mean") == [(0, 0.0), (3, 0.5)]
    assert points(events, "staleness/seconds_mean") == [(0, 0.0), (3, 2.0)]
    tags = set(events.Tags()["scalars"])
    for name in ("all", *ur10.keypoint_names):
        assert {f"{figure}/{name}" for figure in FIGURES if figure != "median_percent"} <= tags
        assert f"median_percent/{name}" not in tags
    assert points(events, f"best_peak.median_percent/{ur10.keypoint_names[0]}")[1] == (3, 4.0)
    for name in ur10.angle_names:
        assert points(events, f"prior_entropy/{name}") == [(0, 1.0), (3, 1.0)]


def test_the_prior_is_a_histogram_over_the_range_of_its_angle(
    tmp_path: Path, ur10: Robot, uniform: JointPrior
) -> None:
    counts = np.zeros_like(uniform.alpha)
    counts[0, 5] = 10.0
    prior = uniform.updated(counts)
    written(tmp_path, ur10, prior, range(1))
    (event,) = read(tmp_path).Histograms(f"prior/{ur10.angle_names[0]}")
    shown = event.histogram_value
    np.testing.assert_allclose(shown.bucket, prior.marginal[0])
    assert shown.bucket_limit[-1] == pytest.approx(ur10.upper[0])
    assert shown.min == pytest.approx(ur10.lower[0])


def test_an_epoch_shows_a_bounded_number_of_images(
    tmp_path: Path, ur10: Robot, uniform: JointPrior
) -> None:
    written(tmp_path, ur10, uniform, range(1))
    events = read(tmp_path)
    assert sorted(events.Tags()["images"]) == ["held_out/beliefs", "held_out/keypoints"]
    sheet, strips = (events.Images(f"held_out/{name}")[0] for name in ("keypoints", "beliefs"))
    scale = 5  # 64 pixels become 320
    assert (sheet.width, sheet.height) == (2 * 64 * scale, SHOWN // 2 * 48 * scale)
    assert strips.height == SHOWN * 12
    decoded = cv2.imdecode(np.frombuffer(sheet.encoded_image_string, np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (sheet.height, sheet.width, 3)
    assert decoded.std() > 10


def test_a_resume_leaves_no_point_twice(
    tmp_path: Path, ur10: Robot, uniform: JointPrior, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Event files are read in the order of the seconds in their names, then of a count in text.
    seconds = itertools.count(1)
    monkeypatch.setattr(event_file_writer, "time", SimpleNamespace(time=lambda: next(seconds)))
    written(tmp_path, ur10, uniform, range(3))  # and the checkpoint of epoch 2 never came to be
    written(tmp_path, ur10, uniform, range(2, 4), resumed=3)
    events = read(tmp_path)
    assert [event.step for event in events.Scalars("loss/train")] == list(range(1, 10))
    assert [event.step for event in events.Scalars("loss/held_out")] == [0, 3, 6, 9]
    assert [event.step for event in events.Images("held_out/keypoints")] == [0, 3, 6, 9]


def test_nothing_is_written_before_there_is_something_to_show(tmp_path: Path, ur10: Robot) -> None:
    TensorBoard(tmp_path, ur10).close()
    assert not list(tmp_path.iterdir())


def test_events_that_cannot_be_written_are_one_line(
    tmp_path: Path, ur10: Robot, uniform: JointPrior, capfd: pytest.CaptureFixture[str]
) -> None:
    board = TensorBoard(tmp_path, ur10)
    line = r"^cannot write .*/tensorboard: File too large$"
    with files_up_to(4096), pytest.raises(FileError, match=line):
        board.add(row(ur10, 0, 0), [], 1e-3, uniform, gallery(ur10))
    board.close()
    assert capfd.readouterr().err == ""
