"""Laws of augmentation: labels follow, and the seed and the batch's number decide on everything."""

import dataclasses
from dataclasses import replace

import numpy as np
import pytest
import torch
from learner_parts import augment_of, learner_of

from jointloop.common.settings import ConfigError
from simulator.labels import belief_map, in_frame
from trainer.augmentation.resize import resized
from trainer.batch import Batch
from trainer.beliefs.decode import decode
from trainer.beliefs.loss import training_loss
from trainer.beliefs.paint import paint
from trainer.config.augmentation import AMOUNTS, AugmentConfig
from trainer.config.config import Config, LossConfig
from trainer.config.presets import preset

WIDTH, HEIGHT, N, J = 96, 64, 8, 5
FULL = AMOUNTS["full"]


def config(augment: AugmentConfig, **changes: object) -> Config:
    tiny = preset("tiny").changed(size=f"{WIDTH}x{HEIGHT}")
    return replace(tiny, augment=augment, **changes)  # type: ignore[arg-type]


@pytest.fixture
def batch() -> Batch:
    rng = np.random.default_rng(0)
    pixels = rng.uniform((-20, -20), (WIDTH + 20, HEIGHT + 20), (N, J, 2))
    inside = in_frame(pixels.reshape(-1, 2), WIDTH, HEIGHT).reshape(N, J)
    visibility = np.where(inside, rng.integers(1, 3, (N, J)), 0).astype(np.uint8)
    pixels[0, 0], visibility[0, 0] = np.nan, 0
    maps = [
        belief_map(p, v > 0, WIDTH, HEIGHT, 4, 1.5) for p, v in zip(pixels, visibility, strict=True)
    ]
    return Batch(
        torch.from_numpy(rng.integers(0, 256, (N, 3, HEIGHT, WIDTH), np.uint8)),
        torch.from_numpy(rng.integers(0, 2, (N, HEIGHT, WIDTH), np.uint8) * 255),
        torch.from_numpy(np.stack(maps)),
        pixels,
        visibility,
        rng.integers(0, 16, (N, 6)),
        np.ones(N),
    )


def copied(batch: Batch) -> Batch:
    return Batch(*(getattr(batch, f.name)[:] + 0 for f in dataclasses.fields(Batch)))


def same(one: Batch, other: Batch) -> bool:
    return all(
        np.array_equal(np.asarray(a), np.asarray(b), equal_nan=np.asarray(a).dtype == float)
        for a, b in (
            (getattr(one, f.name), getattr(other, f.name)) for f in dataclasses.fields(Batch)
        )
    )


def test_without_any_amount_a_batch_comes_back_as_it_is(batch: Batch) -> None:
    assert augment_of(config(AugmentConfig()))(batch, 3) is batch


@pytest.mark.parametrize("amount", ["light", "full"])
def test_seed_and_number_decide_on_everything(batch: Batch, amount: str) -> None:
    made = augment_of(config(AMOUNTS[amount]))
    fifth = made(batch, 5)
    assert not same(fifth, made(batch, 6))
    assert same(fifth, made(batch, 5))
    assert same(fifth, augment_of(config(AMOUNTS[amount]))(batch, 5))
    assert not same(fifth, augment_of(config(AMOUNTS[amount], seed=1))(batch, 5))


def test_the_batch_that_is_augmented_is_left_as_it_was(batch: Batch) -> None:
    before = copied(batch)
    augment_of(config(FULL))(batch, 0)
    assert same(batch, before)


def test_types_and_shapes_stay(batch: Batch) -> None:
    after = augment_of(config(FULL))(batch, 0)
    for field in dataclasses.fields(Batch):
        was, now = getattr(batch, field.name), getattr(after, field.name)
        assert (was.dtype, was.shape) == (now.dtype, now.shape), field.name
    assert after.images.device == batch.images.device


def test_targets_peak_at_the_moved_keypoints(batch: Batch) -> None:
    after = augment_of(config(FULL))(batch, 1)
    assert np.nanmax(np.abs(after.pixels - batch.pixels)) > 3
    peaks = decode(after.targets(), 4).pixels
    for i, j in np.argwhere(after.in_frame):
        assert np.abs(peaks[i, j] - after.pixels[i, j]).max() < 0.1
    outside = torch.from_numpy(~after.in_frame)
    assert (after.beliefs[outside] == 0).all()
    np.testing.assert_array_equal(
        after.in_frame, in_frame(after.pixels.reshape(-1, 2), WIDTH, HEIGHT).reshape(N, J)
    )


def test_an_image_that_only_shifts_keeps_its_pixels(batch: Batch) -> None:
    """The keypoints tell how far."""
    after = augment_of(config(AugmentConfig(shift=0.2)))(batch, 2)
    shift = np.nanmean(after.pixels - batch.pixels, axis=1)
    for i in range(N):
        x, y = np.rint(np.array([WIDTH, HEIGHT]) / 2).astype(int)
        at = np.array([x, y]) - shift[i]
        x0, y0 = np.floor(at).astype(int)
        u, v = at - (x0, y0)
        patch = batch.images[i, :, y0 : y0 + 2, x0 : x0 + 2].double().numpy()
        expected = np.array([1 - v, v]) @ patch @ np.array([1 - u, u])
        np.testing.assert_allclose(after.images[i, :, y, x], expected, atol=0.6)


def test_a_cut_out_hides_keypoints_and_removes_none(batch: Batch) -> None:
    after = augment_of(config(AugmentConfig(cutouts=3, cutout=0.8)))(batch, 0)
    np.testing.assert_array_equal(after.in_frame, batch.in_frame)
    assert torch.equal(after.beliefs, batch.beliefs)
    changed = (after.images != batch.images).any(dim=1).numpy()
    newly, still = after.visibility < batch.visibility, (after.visibility == 2)
    assert newly.any()
    for i, j in np.argwhere(newly | still):
        x, y = np.floor(after.pixels[i, j] + 0.5).astype(int)
        assert changed[i, y, x] == newly[i, j]
    assert (after.masks.numpy()[changed] == 255).all()


def test_a_mirrored_robot_has_its_keypoints_exchanged(batch: Batch) -> None:
    mirror = (0, 2, 1, 4, 3)
    after = augment_of(config(AugmentConfig(flip=1)), mirror)(batch, 0)
    np.testing.assert_allclose(after.pixels[..., 0], WIDTH - 1 - batch.pixels[:, mirror, 0])
    np.testing.assert_allclose(after.pixels[..., 1], batch.pixels[:, mirror, 1])
    seen = batch.in_frame[:, mirror]
    np.testing.assert_array_equal(after.visibility[seen], batch.visibility[:, mirror][seen])
    assert torch.equal(after.images, batch.images.flip(3))


def test_a_robot_without_a_mirror_image_is_not_mirrored() -> None:
    with pytest.raises(ConfigError, match=r"augment.flip is 0.5, but a mirror image of robot ur10"):
        augment_of(config(AugmentConfig(flip=0.5)))


def test_what_a_mask_does_not_cover_is_replaced(batch: Batch) -> None:
    after = augment_of(config(AugmentConfig(background=1.0)))(batch, 0)
    covered = (batch.masks > 0)[:, None].expand_as(batch.images)
    assert torch.equal(after.images[covered], batch.images[covered])
    assert (after.images[~covered] != batch.images[~covered]).float().mean() > 0.9


def test_the_learner_trains_on_augmented_batches_and_repeats_them_when_resumed(
    batch: Batch,
) -> None:
    plain, augmented, again = (
        learner_of(config(amount), J) for amount in (AugmentConfig(), FULL, FULL)
    )
    assert plain.step(batch, 0.5) != augmented.step(batch, 0.5)
    again.load_state_dict(augmented.state_dict())
    assert augmented.step(batch, 0.5) == again.step(batch, 0.5)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"rotation": 181.0}, "augment.rotation is 181.0; expected a number of 0 to 180"),
        ({"flip": float("nan")}, "augment.flip is nan"),
        (
            {"scale": (1.5, 0.8)},
            r"augment.scale is \(1.5, 0.8\); expected 2 numbers, the lower first",
        ),
        ({"photos": "p"}, "augment.background is 0"),
    ],
)
def test_amounts_out_of_range_are_named(changes: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        AugmentConfig(**changes)  # type: ignore[arg-type]


def test_a_config_with_an_amount_comes_back_from_json() -> None:
    changed = preset("tiny").changed(augment="full", backgrounds="photos")
    assert changed.augment == replace(FULL, photos="photos")
    assert Config.from_json(changed.to_json()) == changed
    assert preset("tiny").changed(backgrounds="photos").augment.photos is None
    with pytest.raises(ConfigError, match="no augmentation 'much'; there are off, light, full"):
        preset("tiny").changed(augment="much")


SIZES = ("96x64", "64x96", "80x80", "48x32")
SEVERAL = replace(FULL, sizes=SIZES, scale=(0.25, 1.4))


def test_every_size_is_drawn_by_seed_and_number_alone(batch: Batch) -> None:
    sizes = AugmentConfig(sizes=SIZES)
    made = augment_of(config(sizes))
    drawn = [made(batch, number).size for number in range(40)]
    assert {f"{width}x{height}" for width, height in drawn} == set(SIZES)
    assert [made(batch, number).size for number in reversed(range(40))] == drawn[::-1]
    assert [augment_of(config(sizes, seed=1))(batch, i).size for i in range(40)] != drawn


def test_batches_of_one_step_are_of_one_size_and_changed_each_in_its_own_way(batch: Batch) -> None:
    made = augment_of(config(SEVERAL))
    for step in range(8):
        first, second = (made(batch, 2 * step + rank, step) for rank in range(2))
        assert first.size == second.size
        assert not torch.equal(first.images, second.images)
    assert len({made(batch, 0, step).size for step in range(40)}) == len(SIZES)


def test_all_of_a_batch_has_the_drawn_size_and_targets_peak_at_keypoints(batch: Batch) -> None:
    made = augment_of(config(SEVERAL))
    seen = set()
    for number in range(12):
        after = made(batch, number)
        width, height = after.size
        seen.add(after.size)
        assert after.masks.shape == (N, height, width)
        assert after.beliefs.shape == (N, J, height // 4, width // 4)
        inside = in_frame(after.pixels.reshape(-1, 2), width, height).reshape(N, J)
        np.testing.assert_array_equal(after.in_frame, inside)
        peaks = decode(after.targets(), 4).pixels
        assert np.abs(peaks - after.pixels)[inside].max() < 0.1
    assert len(seen) == len(SIZES)


def test_an_input_size_is_that_of_every_batch_without_any_augmentation(batch: Batch) -> None:
    half = config(AugmentConfig(), input_size="48x32")
    after = augment_of(half)(batch, 0)
    assert after.size == (48, 32)
    np.testing.assert_allclose(after.pixels, (batch.pixels + 0.5) / 2 - 0.5)
    whole = resized(batch, half.size, half.settings)
    assert same(after, whole)
    means = batch.images.float().view(N, 3, 32, 2, 48, 2).mean(dim=(3, 5))
    assert (whole.images - means).abs().max() <= 0.51


def test_a_picture_far_inside_its_frame_stands_before_a_new_background(batch: Batch) -> None:
    """What is beyond a picture is no smear of its border."""
    small = AugmentConfig(scale=(0.3, 0.3), background=1e-9)
    after = augment_of(config(small))(batch, 0)
    beyond = torch.ones(HEIGHT, WIDTH, dtype=torch.bool)
    beyond[20:44, 30:66] = False
    assert (after.masks[:, beyond] == 0).all()
    smear = augment_of(config(replace(small, background=0.0)))(batch, 0)
    assert (after.images != smear.images).any(dim=1)[:, beyond].float().mean() > 0.9


def test_a_loss_is_the_same_at_every_size() -> None:
    """All-zero maps have a loss of 1, half beliefs the same at any size of the frame."""
    losses = []
    for width, height in ((96, 64), (192, 128)):
        pixels = torch.tensor([[[width / 2, height / 2]]])
        target = paint(pixels, torch.ones(1, 1, dtype=torch.bool), width, height, 4, 1.5)
        loss = LossConfig(kind="cross-entropy")
        assert float(training_loss([target * 0], target, loss)) == pytest.approx(1, abs=1e-3)
        losses.append(float(training_loss([target / 2], target, loss)))
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_patches_show_other_images_of_the_batch(batch: Batch) -> None:
    flat = batch.images.clone()
    flat[:] = torch.arange(N, dtype=torch.uint8)[:, None, None, None]
    flat = replace(batch, images=flat)
    after = augment_of(config(AugmentConfig(cutouts=2, cutout=0.8, patches=1.0)))(flat, 0)
    assert after.images.max() < N
    assert (after.images != flat.images).any()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"input_size": "100x60"}, "image size 100x60; tiny takes multiples of 8, such as 104x64"),
        ({"input_size": "big"}, "size 'big' is not WIDTHxHEIGHT"),
        ({"augment": AugmentConfig(sizes=("96x64", "8x8"))}, "image size 8x8"),
    ],
)
def test_sizes_that_a_network_does_not_take_are_named(
    changes: dict[str, object], text: str
) -> None:
    with pytest.raises(ConfigError, match=text):
        replace(preset("tiny"), **changes)  # type: ignore[arg-type]
