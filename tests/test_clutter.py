"""Laws of what is strewn over panoramas: it follows from its seed, and is as sharp as photos."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blender_scenes.clutter import strew
from blender_scenes.spec import CLUTTERS, HDRIS, PLACES, THEMES
from simulator.randomization.assignment import Assignment
from simulator.randomization.hidden import Hidden, draw
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings
from simulator.randomization.variety import CALM, FULL, REAL, BackgroundVariety, Variety
from simulator.robot import Robot
from simulator.sample_maker import SampleMaker

PHOTO = 10.0
"""Mean absolute Laplacian of luma that nine in ten photos of rooms exceed, at 256 px of width."""
FIRST = "outdoor", "forest"
FIRST_ROTATION = 5.990161733925537
"""What sample 0 of the default settings showed before there were further themes."""
SIZES = st.sampled_from([(64, 48), (97, 33), (320, 240)])


def plain(width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), 128, np.uint8)


def sharpness(picture: np.ndarray) -> float:
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float(np.abs(cv2.Laplacian(luma, cv2.CV_32F)).mean())


@settings(deadline=None)
@given(st.integers(1, CLUTTERS - 1), SIZES)
def test_the_seed_decides_on_everything(seed: int, size: tuple[int, int]) -> None:
    first = strew(plain(*size), seed)
    assert first.shape == plain(*size).shape
    np.testing.assert_array_equal(first, strew(plain(*size), seed))


@settings(deadline=None, max_examples=25)
@given(st.integers(1, CLUTTERS - 2))
def test_another_seed_is_another_picture(seed: int) -> None:
    one, other = (strew(plain(64, 48), s).astype(int) for s in (seed, seed + 1))
    assert (np.abs(one - other) > 8).mean() > 0.2


def test_most_of_it_is_as_sharp_as_photos_and_none_hides_all_that_is_behind() -> None:
    found = np.array([sharpness(strew(plain(256, 192), seed)) for seed in range(1, 101)])
    assert np.median(found) > PHOTO
    assert np.quantile(found, 0.1) > PHOTO / 2
    untouched = [(strew(plain(256, 192), seed) == 128).all(axis=2).mean() for seed in range(1, 31)]
    assert np.mean(untouched) > 0.02


def drawn(ur10: Robot, uniform: JointPrior, variety: Variety, count: int, *photos: str) -> list:
    chosen = SampleSettings(variety=variety)
    made: list[Hidden] = []
    for split in ("train", "heldout"):
        assignment = Assignment.of(uniform, split)
        made += [draw(ur10, chosen, assignment, 0, i, photos) for i in range(count)]
    return made


def test_calm_and_full_draw_what_they_drew_before_there_was_clutter(
    ur10: Robot, uniform: JointPrior
) -> None:
    """The first themes in their order, with weights of 1, 1, 1 and 3 for photos."""
    for variety in (CALM, FULL):
        for hidden in drawn(ur10, uniform, variety, 40, "a.jpg", "b.jpg"):
            assert hidden.background.theme in ("city", "interior", "outdoor", "photos")
            assert hidden.background.clutter == 0
    background = draw(ur10, SampleSettings(), Assignment.of(uniform), 0, 0).background
    assert (background.theme, background.image) == FIRST
    assert background.rotation == pytest.approx(FIRST_ROTATION)


def test_clutter_and_places_lie_over_panoramas_that_only_one_split_sees(
    ur10: Robot, uniform: JointPrior
) -> None:
    weights = BackgroundVariety(city=0, interior=0, outdoor=0, photos=0, places=1, clutter=1)
    seen = drawn(ur10, uniform, replace(CALM, background=weights), 300)
    for hidden in seen:
        background = hidden.background
        assert background.image in THEMES[background.theme]
        assert (background.clutter > 0) == (background.theme == "clutter")
    images = [
        {h.background.image for h in seen if h.provenance.split == split and h.background.clutter}
        for split in ("train", "heldout")
    ]
    assert not images[0] & images[1]
    assert images[0] | images[1] == {*HDRIS, *PLACES}
    seeds = [h.background.clutter for h in seen if h.background.clutter]
    assert len({*seeds}) == len(seeds)


@pytest.mark.parametrize(("photos", "most"), [((), "clutter"), (("a.jpg", "b.jpg"), "photos")])
def test_most_of_real_is_sharp_with_photos_and_without(
    ur10: Robot, uniform: JointPrior, photos: tuple[str, ...], most: str
) -> None:
    themes = [h.background.theme for h in drawn(ur10, uniform, REAL, 150, *photos)]
    assert themes.count(most) > 0.55 * len(themes)


def test_sticks_stand_before_clutter_too(uniform: JointPrior) -> None:
    only = BackgroundVariety(city=0, interior=0, outdoor=0, photos=0, clutter=1)
    sharp, soft = (
        SampleSettings(width=96, height=64, variety=replace(CALM, background=background))
        for background in (only, BackgroundVariety())
    )
    found = []
    for each in (sharp, soft):
        with SampleMaker(each, "stick") as maker:
            made = [maker.sample(0, i, Assignment.of(uniform)) for i in range(8)]
        found.append(np.mean([sharpness(sample.image) for sample in made]))
    assert found[0] > 1.3 * found[1]


def test_every_place_comes_with_the_package_and_says_where_from() -> None:
    folder = Path(strew.__code__.co_filename).parent / "places"
    assert {file.stem for file in folder.glob("*.exr")} == {*PLACES}
    assert "CC0" in (folder / "README.md").read_text()
    assert (folder / "LICENSE").read_text().startswith("Creative Commons Legal Code")
    assert not {*HDRIS} & {*PLACES}
