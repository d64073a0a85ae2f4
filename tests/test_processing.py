"""Laws of a camera's processing: what each step does to a picture, and that none moves it."""

import cv2
import numpy as np
import pytest

from blender_scenes.processing import deblocked, process, tone_curves
from blender_scenes.processing_spec import NO_FILM, NO_SENSOR, Film, Sensor
from blender_scenes.sensor import compressed, expose
from jointloop.common.errors import SceneError

RNG = np.random.default_rng(0)
PHOTO = cv2.resize(RNG.integers(0, 256, (12, 16, 3), np.uint8), (160, 120)).astype(np.uint8)
GREY = np.full((60, 80, 3), 120, np.uint8)
STEPS = {
    "motion": Film(motion=(4.0, 2.5)),
    "motion to the left": Film(motion=(-3.7, 1.2)),
    "vignette": Film(vignette=0.3),
    "shot": Film(shot=3.0),
    "blotches": Film(blotches=3.0),
    "balance": Film(warmth=0.5, tint=-0.1),
    "tone": Film(gamma=1.2, black=-0.05, white=0.85, contrast=0.7),
    "sharpening": Film(sharpening=1.2),
    "half": Film(scale=0.5),
    "nearly whole": Film(scale=0.93),
    "jpeg": Film(jpeg=30),
    "video": Film(video=20),
}


def dot(x: float, y: float, spread: float = 1.5) -> np.ndarray:
    """A bright dot on grey, 120 x 90 px."""
    v, u = np.mgrid[:90, :120]
    bump = np.exp(-((u - x) ** 2 + (v - y) ** 2) / (2 * spread**2))
    return np.rint(60 + 150 * bump)[..., None].repeat(3, axis=2).astype(np.uint8)


def centroid(image: np.ndarray, x: float, y: float) -> np.ndarray:
    """Of what stands out from the ground, within a window about a place."""
    half = 12
    x0, y0 = round(x) - half, round(y) - half
    window = image[y0 : y0 + 2 * half + 1, x0 : x0 + 2 * half + 1].astype(float).mean(axis=2)
    bump = (window - np.median(window)).clip(12) - 12
    v, u = np.indices(bump.shape)
    return np.array([(u * bump).sum(), (v * bump).sum()]) / bump.sum() + (x0, y0)


@pytest.mark.parametrize("name", STEPS)
def test_no_step_moves_a_bright_dot(name: str) -> None:
    off = []
    for x, y in RNG.uniform((40, 30), (80, 60), (40, 2)):
        image = dot(x, y)
        seen = process(image, NO_SENSOR, STEPS[name], 5)
        off.append(centroid(seen, x, y) - centroid(image, x, y))
    assert np.abs(np.mean(off, axis=0)).max() < 0.03
    assert np.sqrt(np.mean(np.square(off), axis=0)).max() < 0.1


@pytest.mark.parametrize("name", STEPS)
def test_every_step_does_something_and_leaves_what_it_is_given(name: str) -> None:
    before = PHOTO.copy()
    done = process(PHOTO, NO_SENSOR, STEPS[name], 7)
    assert (before == PHOTO).all()
    assert done.shape == PHOTO.shape
    assert done.dtype == np.uint8
    assert done.flags.c_contiguous
    assert (done != PHOTO).mean() > 0.1
    assert (process(PHOTO, NO_SENSOR, STEPS[name], 7) == done).all()


def test_without_a_film_the_sensor_alone_counts() -> None:
    sensor = Sensor(0.5, (0.9, 1.0, 1.1), 0.8, 4.0, 70)
    assert process(PHOTO, NO_SENSOR, NO_FILM, 1) is PHOTO
    assert (process(PHOTO, sensor, NO_FILM, 3) == expose(PHOTO, sensor, 3)).all()


def test_the_sensors_jpeg_comes_after_the_tone() -> None:
    film = Film(contrast=0.5)
    toned = process(PHOTO, NO_SENSOR, film, 0)
    assert (process(PHOTO, Sensor(jpeg=40), film, 0) == compressed(toned, 40)).all()


def test_motion_smears_along_its_line_alone_and_evenly() -> None:
    image = np.zeros((31, 31, 3), np.uint8)
    image[15, 15] = 255
    smeared = process(image, NO_SENSOR, Film(motion=(6.0, 0.0)), 0)[..., 0].astype(int)
    assert (smeared == smeared[:, ::-1]).all()
    assert np.flatnonzero(smeared.sum(axis=1)).tolist() == [15]
    assert np.count_nonzero(smeared) == 7
    assert abs(smeared.sum() - 255) <= 7


def test_the_vignette_takes_its_share_of_light_in_the_corners_and_nothing_in_the_middle() -> None:
    fallen = process(GREY, NO_SENSOR, Film(vignette=0.36), 0)[..., 0]
    assert fallen[30, 40] >= 119
    assert abs(fallen[0, 0] - 0.8 * 120) <= 1  # the root of 0.64
    assert (np.diff(fallen[30, 40:].astype(int)) <= 0).all()


def test_shot_noise_is_grey_has_its_spread_in_white_and_less_in_the_dark() -> None:
    film = Film(shot=6.0)
    spreads = []
    for level in (20, 120, 230):
        flat = np.full((120, 160, 3), level, np.uint8)
        noise = process(flat, NO_SENSOR, film, 3).astype(float) - level
        assert np.ptp(noise, axis=2).max() == 0
        assert abs(noise.mean()) < 0.15
        spreads.append(noise[..., 0].std())
    assert spreads[0] < spreads[1] < spreads[2]
    assert abs(spreads[2] - 6.0 * np.sqrt(0.09 + 0.91 * 230 / 255)) < 0.15


def test_blotches_are_of_colour_and_wider_than_a_pixel() -> None:
    flat = np.full((120, 160, 3), 128, np.uint8)
    noise = process(flat, NO_SENSOR, Film(blotches=8.0), 3).astype(float) - 128
    assert noise.std() > 2
    assert abs(noise.mean(axis=2)).max() < 1
    red = noise[..., 0]
    assert np.corrcoef(red[:, 1:].ravel(), red[:, :-1].ravel())[0, 1] > 0.8


def test_another_seed_gives_other_noise() -> None:
    film = Film(shot=3.0, blotches=3.0)
    assert (process(GREY, NO_SENSOR, film, 1) != process(GREY, NO_SENSOR, film, 2)).any()


@pytest.mark.parametrize("name", ["balance", "tone"])
def test_brighter_stays_brighter(name: str) -> None:
    assert (np.diff(tone_curves(STEPS[name]).astype(int), axis=0) >= 0).all()


def test_the_tone_curve_does_what_its_numbers_say() -> None:
    assert (tone_curves(NO_FILM)[:, 0] == np.arange(256)).all()
    assert tone_curves(Film(white=0.8))[205:].min() == 255
    assert tone_curves(Film(black=0.1))[:25].max() == 0
    assert tone_curves(Film(black=-0.1))[0].min() > 20
    steep = tone_curves(Film(contrast=1.0)).astype(int)
    assert steep[64, 0] < 64 - 20
    assert steep[192, 0] > 192 + 20
    red, green, blue = tone_curves(Film(warmth=1.0))[100].astype(int)
    assert red > green == 100 > blue
    assert tone_curves(Film(tint=0.3))[100, 1] > 100


def test_sharpening_gives_edges_halos_and_flat_parts_nothing() -> None:
    edge = np.full((40, 60, 3), 80, np.uint8)
    edge[:, 30:] = 160
    sharp = process(edge, NO_SENSOR, Film(sharpening=1.0), 0)[20, :, 0]
    assert sharp[29] < 70
    assert sharp[30] > 170
    assert (sharp[:20] == 80).all()
    assert (sharp[40:] == 160).all()


def test_a_picture_made_smaller_has_lost_what_is_fine() -> None:
    fine = ((np.indices((80, 80)).sum(axis=0) % 2) * 255).astype(np.uint8)[..., None].repeat(3, 2)
    assert process(fine, NO_SENSOR, Film(scale=0.5), 0).std() < 5
    assert (process(PHOTO, NO_SENSOR, Film(scale=1.0, shot=0.0), 0) == PHOTO).all()


def test_steps_between_blocks_are_halved_and_edges_of_the_picture_stay() -> None:
    image = np.full((32, 32, 3), 100, np.uint8)
    image[:, 8:] = 108
    image[:, 16:] = 200
    row = deblocked(image)[4, :, 1].astype(int)
    assert row[7:9].tolist() == [102, 106]
    assert row[15:17].tolist() == [108, 200]
    assert (deblocked(GREY) == GREY).all()


@pytest.mark.parametrize("film", [Film(jpeg=0), Film(video=101)])
def test_a_quality_that_is_none_is_named(film: Film) -> None:
    with pytest.raises(SceneError, match=r"quality is (0|101)"):
        process(GREY, NO_SENSOR, film, 0)
