"""Laws of replaced backgrounds: what the mask covers stays, everything else is another's."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from blender_scenes.photos import PhotoError
from simulator.randomization.draw_parts import pool
from trainer.augmentation.backgrounds import BANK, Backgrounds, bank, patterns, shuffled

N, HEIGHT, WIDTH = 24, 30, 42
MASKS = torch.zeros(N, HEIGHT, WIDTH)
MASKS[:, 10:20, 10:30] = 255


def images() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).uniform(0, 255, (N, 3, HEIGHT, WIDTH))).float()


def replaced(share: float, photos: torch.Tensor | None = None, seed: int = 1) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return Backgrounds(photos).behind(images(), MASKS, share, rng)


def test_what_is_covered_stays_and_all_else_changes() -> None:
    new, covered = replaced(1.0), (MASKS > 0)[:, None].expand(N, 3, HEIGHT, WIDTH)
    torch.testing.assert_close(new[covered], images()[covered])
    assert ((new - images()).abs()[~covered] > 1).float().mean() > 0.9
    assert new.min() >= 0
    assert new.max() <= 255


def test_half_a_cover_mixes_half_and_half() -> None:
    rng = np.random.default_rng(1)
    half = Backgrounds().behind(images(), torch.full_like(MASKS, 127.5), 1.0, rng)
    whole = Backgrounds().behind(images(), torch.zeros_like(MASKS), 1.0, np.random.default_rng(1))
    torch.testing.assert_close(half, (whole + images()) / 2, atol=1e-3, rtol=0)


def test_a_share_of_the_images_is_changed() -> None:
    changed = (replaced(0.5) != images()).flatten(1).any(dim=1).sum()
    assert N / 4 < changed < 3 * N / 4
    assert (replaced(0.0) == images()).all()


def test_half_of_the_backgrounds_are_photos_where_there_are_some() -> None:
    photos = torch.full((2, 3, HEIGHT, WIDTH), 7, dtype=torch.uint8)
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


def test_a_bank_holds_no_photo_that_held_out_samples_may_see(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(12)]
    for i, name in enumerate(names):
        cv2.imwrite(str(tmp_path / name), np.full((20, 30, 3), 10 * i, np.uint8))
    parts = bank(tmp_path, WIDTH, HEIGHT, seed=3)
    assert parts.shape == (BANK, 3, HEIGHT, WIDTH)
    allowed = {10 * names.index(name) for name in pool(names, held_out=False)}
    assert set(np.unique(parts)) == allowed
    np.testing.assert_array_equal(parts, bank(tmp_path, WIDTH, HEIGHT, seed=3))


def test_a_folder_that_is_missing_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match="no such folder"):
        bank(tmp_path / "nothing", WIDTH, HEIGHT, 0)
