"""Laws of the sensor: what each effect does to a picture, and that none moves it."""

import cv2
import numpy as np
import pytest

from blender_scenes.sensor import expose
from blender_scenes.spec import Sensor
from jointloop.common.errors import SceneError

RNG = np.random.default_rng(0)
PHOTO = cv2.resize(RNG.integers(0, 256, (12, 16, 3), np.uint8), (160, 120)).astype(np.uint8)
GREY = np.full((60, 80, 3), 120, np.uint8)


def test_a_perfect_sensor_changes_nothing():
    assert expose(PHOTO, Sensor(), 1) is PHOTO


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not():
    sensor = Sensor(0.5, (0.9, 1.0, 1.1), 0.8, 4.0, 70)
    before = PHOTO.copy()
    first = expose(PHOTO, sensor, 7)
    assert (expose(PHOTO, sensor, 7) == first).all()
    assert (expose(PHOTO, sensor, 8) != first).any()
    assert (before == PHOTO).all()
    assert first.dtype == np.uint8
    assert first.flags.c_contiguous


def test_noise_has_the_asked_for_spread_and_no_bias():
    noise = expose(GREY, Sensor(noise=5.0), 3).astype(float) - 120
    assert abs(noise.std() - 5.0) < 0.1
    assert abs(noise.mean()) < 0.1


def test_blur_adds_its_variance_to_a_spot_and_does_not_move_it():
    image = np.zeros((41, 41, 3), np.uint8)
    image[16:25, 16:25] = 255
    sums = expose(image, Sensor(blur=2.0), 0)[..., 0].astype(float)
    v, u = np.indices(sums.shape)
    total = sums.sum()
    assert abs((u * sums).sum() / total - 20) < 1e-9
    assert abs((v * sums).sum() / total - 20) < 1e-9
    spot = (9**2 - 1) / 12
    assert abs(((u - 20) ** 2 * sums).sum() / total - spot - 2.0**2) < 0.2


def test_gain_scales_each_channel():
    assert (expose(GREY, Sensor(gain=(0.5, 1.0, 1.5)), 0) == (60, 120, 180)).all()


def test_without_saturation_all_is_grey_and_grey_stays_grey_at_any():
    faded = expose(PHOTO, Sensor(saturation=0.0), 0)
    assert (np.ptp(faded.astype(int), axis=2) <= 1).all()
    assert (expose(GREY, Sensor(saturation=1.7), 0) == GREY).all()


def test_values_are_clipped_not_wrapped():
    assert (expose(GREY, Sensor(gain=(9.0, 9.0, 9.0)), 0) == 255).all()


def test_jpeg_keeps_channels_apart_and_lower_quality_is_farther_off():
    errors = [
        np.abs(expose(PHOTO, Sensor(jpeg=quality), 0).astype(int) - PHOTO).mean()
        for quality in (95, 40, 5)
    ]
    assert 0 < errors[0] < errors[1] < errors[2] < 30


def test_a_quality_that_is_none_is_named():
    with pytest.raises(SceneError, match="quality is 0"):
        expose(GREY, Sensor(jpeg=0), 0)
