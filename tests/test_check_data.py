"""Laws of the look at training batches: true ones pass, and what is false is named."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from cli_parts import jointloop
from recording_parts import SMALL, description, recorded

import trainer.data.recorded
from simulator.fleet.watch import Watch
from simulator.label_check.finding import Finding
from simulator.labels import OUTSIDE, VISIBLE
from simulator.recordings.recording import Recording
from trainer.batch import Batch
from trainer.beliefs.paint import paint
from trainer.config.augmentation import AMOUNTS
from trainer.config.config import Config
from trainer.config.presets import preset
from trainer.preflight.check_data import SAMPLES, Seen, findings, sheet
from trainer.preflight.preflight import look
from trainer.run_options import RunOptions

CONFIG = replace(preset("tiny"), settings=SMALL)


@pytest.fixture(scope="module")
def sticks(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    folder = tmp_path_factory.mktemp("checks") / "sticks"
    return recorded(folder, description(samples=48, shard_samples=48))


def looked(sticks: Recording, config: Config = CONFIG) -> Seen:
    return look(config, RunOptions(Path("no-run"), recording=sticks.folder, device="cpu"), Watch())


@pytest.fixture(scope="module")
def seen(sticks: Recording) -> Seen:
    return looked(sticks, replace(CONFIG, augment=AMOUNTS["light"]))


def failing(seen: Seen) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings(seen) if not finding.good}


@pytest.mark.parametrize("amount", AMOUNTS)
def test_true_samples_pass_however_augmented(sticks: Recording, amount: str) -> None:
    seen = looked(sticks, replace(CONFIG, augment=AMOUNTS[amount]))
    assert failing(seen) == {}
    assert len(seen.batch) == SAMPLES


def test_several_sizes_are_looked_at_at_one(sticks: Recording) -> None:
    several = replace(AMOUNTS["light"], sizes=("64x48", "48x64"))
    assert failing(looked(sticks, replace(CONFIG, augment=several))) == {}


def test_the_batches_are_those_that_training_begins_with(
    sticks: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Batch] = []
    batch = trainer.data.recorded.RecordedSource.batch
    monkeypatch.setattr(
        trainer.data.recorded.RecordedSource,
        "batch",
        lambda self, n: given.append(batch(self, n)) or given[-1],
    )
    seen = looked(sticks)  # nothing augmented
    first = torch.cat([b.images for b in given])
    assert [len(b) for b in given] == [CONFIG.batch_size] * (SAMPLES // CONFIG.batch_size)
    assert torch.equal(seen.batch.images, first)


def _displaced(batch: Batch) -> Batch:
    """All labels away from their images alike."""
    pixels = batch.pixels + np.array([SMALL.width / 4, 0])
    inside = (pixels[..., 0] < SMALL.width - 0.5) & batch.in_frame
    points = torch.from_numpy(pixels).float()
    there = torch.from_numpy(inside)
    maps = paint(points, there, SMALL.width, SMALL.height, SMALL.stride, SMALL.sigma)
    visibility = np.where(inside, batch.visibility, np.uint8(OUTSIDE)).astype(np.uint8)
    beliefs = (maps * 255).round().to(torch.uint8)
    return replace(batch, pixels=pixels, visibility=visibility, beliefs=beliefs)


def _one_visible_outside(batch: Batch) -> Batch:
    pixels = batch.pixels.copy()
    pixels[3, 1] = np.nan
    return replace(batch, pixels=pixels, visibility=np.full_like(batch.visibility, VISIBLE))


def _one_flat(batch: Batch) -> Batch:
    images = batch.images.clone()
    images[5] = 90
    return replace(batch, images=images)


def _absent(batch: Batch) -> Batch:
    visibility = batch.visibility.copy()
    visibility[:, 2] = OUTSIDE
    return replace(batch, visibility=visibility)


FALSE: dict[str, tuple[Callable[[Batch], Batch], str]] = {
    "images": (_one_flat, "sample 5"),
    "keypoints": (_absent, "never visible"),
    "visibility": (_one_visible_outside, "sample"),
    "targets' peaks": (lambda b: replace(b, pixels=b.pixels + 0.5), "0.7"),
    "empty maps": (_absent, "have a belief map"),
    "masks": (lambda b: replace(b, masks=torch.zeros_like(b.masks)), "32 empty"),
    "keypoints on masks": (_displaced, "visible keypoints on them"),
    "bins": (lambda b: replace(b, bins=np.zeros_like(b.bins)), "1 to 1 of 16"),
}


@pytest.mark.parametrize("name", FALSE)
def test_what_is_false_is_named_with_its_number(seen: Seen, name: str) -> None:
    falsify, words = FALSE[name]
    found = failing(replace(seen, batch=falsify(seen.batch)))
    assert words in found[name].text


def test_targets_without_a_peak_fail(seen: Seen) -> None:
    blank = replace(seen.batch, beliefs=torch.zeros_like(seen.batch.beliefs))
    assert "inf" in failing(replace(seen, batch=blank))["targets' peaks"].text


def test_displaced_labels_that_agree_with_one_another_are_seen_on_the_masks_alone(
    seen: Seen,
) -> None:
    found = failing(replace(seen, batch=_displaced(seen.batch)))
    assert set(found) - {"keypoints"} == {"keypoints on masks"}


def test_one_image_for_two_samples_fails(seen: Seen) -> None:
    assert set(failing(replace(seen, images=seen.samples - 1))) == {"doubled images"}


def test_masks_may_be_missing_unless_backgrounds_are_to_be_replaced(seen: Seen) -> None:
    assert failing(replace(seen, masked=False)) == {}
    full = replace(seen.config, augment=AMOUNTS["full"])
    assert set(failing(replace(seen, masked=False, config=full))) == {"masks"}


def test_the_sheet_shows_keypoints_masks_and_beliefs_of_every_sample(seen: Seen) -> None:
    height, left = 5 * SMALL.height, 5 * SMALL.width
    two = replace(seen, batch=next(seen.batch.chunks(2)))
    assert sheet(two).shape == (height, 2 * 2 * left + 2, 3)
    few = replace(seen, batch=next(seen.batch.chunks(1)))
    batch, true = few.batch, sheet(few)
    assert true.shape == (height, 2 * left, 3)
    unlike = {
        name: (
            sheet(replace(few, batch=replace(batch, **{name: 0 * getattr(batch, name)}))) != true
        )
        for name in ("visibility", "masks", "beliefs")
    }
    for name in ("visibility", "masks"):
        assert unlike[name][:, :left].any()
        assert not unlike[name][:, left:].any()
    assert unlike["beliefs"][:, left:].any()
    assert not unlike["beliefs"][:, :left].any()


def _command(source: Path, *more: str) -> int:
    words = ("train", "tiny", "--check-data", "--device", "cpu", "--from", str(source))
    return jointloop(*words, *more)


def test_the_command_leaves_a_sheet_and_no_run(
    sticks: Recording,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _command(sticks.folder, "--augment", "full") == 0
    assert "fail" not in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["check-data.png"]
    assert cv2.imread("check-data.png") is not None
    assert _command(sticks.folder, "--resume") == 2
    assert "--check-data" in capsys.readouterr().err


def test_a_target_painted_beside_its_keypoint_is_exit_code_1(
    sticks: Recording,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    true = trainer.data.recorded.belief_map
    monkeypatch.setattr(
        trainer.data.recorded, "belief_map", lambda pixels, *rest: true(pixels + 0.5, *rest)
    )
    assert _command(sticks.folder) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("fail")]
    assert len(lines) == 1
    assert "targets' peaks" in lines[0]
