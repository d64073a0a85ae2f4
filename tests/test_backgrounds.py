"""Laws of replaced backgrounds: what the mask covers stays, everything else is another's."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from blender_scenes.pictures import PhotoError
from simulator.randomization.draw_parts import pool
from trainer.augmentation.backgrounds import Backgrounds, patterns, shuffled
from trainer.augmentation.bank import STEP, Bank

N, HEIGHT, WIDTH = 24, 30, 42
MASKS = torch.zeros(N, HEIGHT, WIDTH)
MASKS[:, 10:20, 10:30] = 255


def images() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).uniform(0, 255, (N, 3, HEIGHT, WIDTH))).float()


def replaced(share: float, photos: Bank | None = None, seed: int = 1) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return Backgrounds(photos).behind(images(), MASKS, share, 0, rng)


def pictures(folder: Path, count: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> list[str]:
    """Grey pictures, the i-th of level 10 i."""
    names = [f"{i}.png" for i in range(count)]
    for i, name in enumerate(names):
        cv2.imwrite(str(folder / name), np.full((*size[::-1], 3), 10 * i, np.uint8))
    return names


def test_what_is_covered_stays_and_all_else_changes() -> None:
    new, covered = replaced(1.0), (MASKS > 0)[:, None].expand(N, 3, HEIGHT, WIDTH)
    torch.testing.assert_close(new[covered], images()[covered])
    assert ((new - images()).abs()[~covered] > 1).float().mean() > 0.9
    assert new.min() >= 0
    assert new.max() <= 255


def test_half_a_cover_mixes_half_and_half() -> None:
    rng = np.random.default_rng(1)
    half = Backgrounds().behind(images(), torch.full_like(MASKS, 127.5), 1.0, 0, rng)
    whole = Backgrounds().behind(
        images(), torch.zeros_like(MASKS), 1.0, 0, np.random.default_rng(1)
    )
    torch.testing.assert_close(half, (whole + images()) / 2, atol=1e-3, rtol=0)


def test_a_share_of_the_images_is_changed() -> None:
    changed = (replaced(0.5) != images()).flatten(1).any(dim=1).sum()
    assert N / 4 < changed < 3 * N / 4
    assert (replaced(0.0) == images()).all()


def test_half_of_the_backgrounds_are_photos_where_there_are_some(tmp_path: Path) -> None:
    for name in "ab":
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((HEIGHT, WIDTH, 3), 7, np.uint8))
    photos = Bank(tmp_path, WIDTH, HEIGHT)
    shown = (replaced(1.0, photos)[:, :, 0, 0] == 7).all(dim=1).sum()
    assert N / 4 < shown < 3 * N / 4


def test_shuffling_keeps_colours_and_moves_patches() -> None:
    source = images()
    others = np.arange(1, 5)
    mixed = shuffled(source, others, np.random.default_rng(0))
    for one, other in zip(mixed, source[1:5], strict=True):
        assert (one != other).any()
        torch.testing.assert_close(*(x.flatten(1).sort(dim=1).values for x in (one, other)))


def test_patterns_differ_and_keep_the_range() -> None:
    made = patterns(16, torch.zeros(1, HEIGHT, WIDTH), np.random.default_rng(0))
    assert made.shape == (16, 3, HEIGHT, WIDTH)
    assert made.min() >= 0
    assert made.max() <= 255
    assert made.std(dim=(2, 3)).min() > 0.1
    assert made.mean(dim=(2, 3)).std(dim=0).min() > 10


def test_a_bank_shows_every_training_photo_and_none_of_the_held_out(tmp_path: Path) -> None:
    names = pictures(tmp_path, 12)
    shown = Bank(tmp_path, WIDTH, HEIGHT, 3).parts(300, 0, np.random.default_rng(0))
    assert shown.shape == (300, 3, HEIGHT, WIDTH)
    assert set(np.unique(shown)) == {10 * names.index(name) for name in pool(names, held_out=False)}


def test_what_a_batch_sees_follows_from_its_number_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.augmentation.bank.HELD", 3 * 16 * WIDTH * HEIGHT)
    pictures(tmp_path, 20)
    bank, seen = Bank(tmp_path, WIDTH, HEIGHT, 3), set()
    assert bank.window == 3
    for number in range(20 * STEP):
        parts = bank.parts(16, number, np.random.default_rng(number))
        levels = set(np.unique(parts).tolist())
        assert len(levels) <= bank.window
        seen |= levels
        if number % 13 == 0:  # as after a resume
            fresh = Bank(tmp_path, WIDTH, HEIGHT, 3)
            again = fresh.parts(16, number, np.random.default_rng(number))
            np.testing.assert_array_equal(parts, again)
    assert len(seen) == len(pool([f"{i}.png" for i in range(20)], held_out=False))


def test_a_bank_holds_bounded_memory_and_decodes_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = 3 * 16 * WIDTH * HEIGHT
    monkeypatch.setattr("trainer.augmentation.bank.HELD", bound)
    pictures(tmp_path, 20, (5 * WIDTH, 4 * HEIGHT))
    bank, decoded = Bank(tmp_path, WIDTH, HEIGHT), 0
    read = bank._photos.covering
    for number in range(40 * STEP):
        before = set(bank._held)
        bank.parts(16, number, np.random.default_rng(number))
        decoded += len(set(bank._held) - before)
        assert sum(one.nbytes for one in bank._held.values()) <= bound
    assert decoded <= bank.window + 40
    assert read("0.png", 2 * WIDTH, 2 * HEIGHT).shape[0] == 2 * HEIGHT


def test_one_photo_looks_another_way_at_every_use(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (4 * HEIGHT, 4 * WIDTH, 3), np.uint8)
    for name in "ab":
        cv2.imwrite(str(tmp_path / f"{name}.png"), noise)
    parts = Bank(tmp_path, WIDTH, HEIGHT).parts(32, 0, np.random.default_rng(0))
    assert len(np.unique(parts.reshape(32, -1), axis=0)) == 32


@pytest.mark.parametrize("count", [0, 1])
def test_a_folder_that_is_missing_or_holds_one_photo_is_one_line(
    tmp_path: Path, count: int
) -> None:
    pictures(tmp_path, count)
    folder = tmp_path if count else tmp_path / "nothing"
    with pytest.raises(PhotoError, match="wanted at least 2" if count else "no such folder"):
        Bank(folder, WIDTH, HEIGHT)
