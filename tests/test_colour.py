"""Laws of changed colours."""

import cv2
import numpy as np
import pytest
import torch

from trainer.augmentation.colour import SOFT, bend, blur, draw_colours, recolour, sharpen, tint
from trainer.augmentation.jpeg import compressed
from trainer.config.augmentation import AugmentConfig

GREYS = torch.linspace(0, 255, 12)[None, None, None].expand(4, 3, 1, 12)


def colours(**amounts: float) -> torch.Tensor:
    """Random colours after so much of each change, and before."""
    config = AugmentConfig(**amounts)  # type: ignore[arg-type]
    images = torch.from_numpy(np.random.default_rng(1).uniform(0, 255, (4, 3, 5, 6))).float()
    drawn = draw_colours(config, 4, np.random.default_rng(2))
    return torch.stack([recolour(images, *drawn), images])


def test_hue_and_saturation_leave_greys_as_they_are() -> None:
    config = AugmentConfig(hue=90, saturation=0.9)
    drawn = draw_colours(config, 4, np.random.default_rng(0))
    np.testing.assert_allclose(recolour(GREYS, *drawn), GREYS, atol=1e-3)


def test_a_turn_of_the_hue_keeps_the_length_of_colours() -> None:
    after, before = colours(hue=180)
    np.testing.assert_allclose(after.norm(dim=1), before.norm(dim=1), rtol=1e-4)
    assert (after - before).abs().mean() > 10


def test_brightness_adds_and_contrast_turns_about_grey() -> None:
    after, before = colours(brightness=0.2)
    added = (after - before).flatten(1)
    np.testing.assert_allclose(added, added[:, :1].expand_as(added), atol=1e-3)
    assert 0 < added.abs().max() <= 0.2 * 255
    after, before = colours(contrast=0.5)
    factor = ((after - 127.5) / (before - 127.5)).flatten(1)
    np.testing.assert_allclose(factor, factor[:, :1].expand_as(factor), rtol=1e-2)


def test_nothing_changes_where_nothing_may() -> None:
    after, before = colours()
    np.testing.assert_allclose(after, before, atol=1e-3)


def test_blur_is_a_gaussian_one_of_each_images_own_width() -> None:
    images = np.random.default_rng(0).uniform(0, 255, (3, 40, 50, 2)).astype(np.float32)
    sigmas = np.array([0.4, 0.9, 1.6])
    got = blur(torch.from_numpy(images).permute(0, 3, 1, 2), sigmas).permute(0, 2, 3, 1).numpy()
    for image, blurred, sigma in zip(images, got, sigmas, strict=True):
        expected = cv2.GaussianBlur(image, (11, 11), sigma, borderType=cv2.BORDER_REFLECT_101)
        np.testing.assert_allclose(blurred, expected, atol=0.5)


def test_noise_has_no_mean_and_at_most_the_strength_asked_for() -> None:
    grey = torch.full((64, 3, 24, 32), 100.0)
    change = tint(grey, AugmentConfig(noise=10), np.random.default_rng(0)) - grey
    strengths = change.std(dim=(1, 2, 3))
    assert abs(change.mean()) < 0.1
    assert 8 < strengths.max() < 10.5
    assert 16 < (strengths == 0).sum() < 48


def test_a_share_of_the_images_loses_its_colour() -> None:
    images = torch.from_numpy(np.random.default_rng(0).uniform(0, 255, (60, 3, 4, 4))).float()
    after = tint(images, AugmentConfig(grey=0.4), np.random.default_rng(1))
    spread = (after.amax(dim=1) - after.amin(dim=1)).amax(dim=(1, 2))
    assert 10 < (spread < 1e-2).sum() < 40
    torch.testing.assert_close(after[spread > 1], images[spread > 1], atol=1e-2, rtol=0)


def test_a_bent_tone_curve_keeps_black_white_and_order() -> None:
    for c in (-1.0, -0.4, 0.4, 1.0):
        after = bend(GREYS.clone(), np.full(4, c))
        torch.testing.assert_close(after[..., [0, -1]], GREYS[..., [0, -1]])
        assert (after.diff(dim=-1) > 0).all()
        middle = float(bend(torch.full((1, 1, 1, 1), 127.5), np.array([c])))
        assert middle == pytest.approx(127.5 + 255 * c / 4)


def test_sharpening_adds_what_a_blur_takes() -> None:
    images = torch.from_numpy(np.random.default_rng(0).uniform(0, 255, (2, 3, 20, 24))).float()
    soft = blur(images, np.full(2, SOFT))
    after = sharpen(images, np.array([0.5, 2.0]))
    torch.testing.assert_close(after[0], images[0] + 0.5 * (images[0] - soft[0]))
    torch.testing.assert_close(after[1], images[1] + 2.0 * (images[1] - soft[1]))


@pytest.mark.parametrize("quality", [25, 50, 75, 90])
@pytest.mark.parametrize("size", [(64, 48), (52, 36)])
def test_losses_are_those_of_jpeg(quality: int, size: tuple[int, int]) -> None:
    """Nearer to what OpenCV's JPEG makes of a picture than either is to the picture."""
    width, height = size
    noise = np.random.default_rng(2).uniform(0, 255, (height, width, 3)).astype(np.float32)
    image = np.rint(cv2.GaussianBlur(noise, (0, 0), 1.5) * 3 - 255).clip(0, 255).astype(np.uint8)
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    theirs = cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1].astype(np.float32)
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    ours = compressed(tensor, np.array([float(quality)]))[0].permute(1, 2, 0).numpy().clip(0, 255)
    lost = np.abs(theirs - image).mean()
    assert np.abs(ours - theirs).mean() < 0.6 * lost
    assert np.abs(ours - image).mean() == pytest.approx(lost, rel=0.3)
