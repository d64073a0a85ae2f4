"""Held cameras have the robot in the frame; lamps and films keep to their ranges."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from blender_scenes.spec import MAX_LAMPS, NO_FILM, NO_STAND
from jointloop.common.settings import ConfigError
from simulator import labels
from simulator.randomization.assignment import Assignment
from simulator.randomization.draw_pictures import draw_film, draw_held, draw_lamps
from simulator.randomization.hidden import Hidden, draw
from simulator.randomization.pictures import FilmVariety, HeldVariety, LampVariety
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings
from simulator.randomization.variety import CALM, FULL, REAL, CameraVariety, LightVariety, Variety
from simulator.randomization.views import View, camera
from simulator.robot import Robot

PLAIN = HeldVariety(wide=0.0, close=0.0, cut=0.0)
SIZES = [(320, 240), (240, 320), (640, 360), (96, 96)]
VIEW = View(2.0, 0.7, 0.3, 0.0, (0.0, 0.0, 0.5), 1.5, (0.0, 0.0, 0.0, 0.0, 0.0))


def drawn(
    ur10: Robot, uniform: JointPrior, variety: Variety, size: tuple[int, int], count: int
) -> list[Hidden]:
    settings = SampleSettings(width=size[0], height=size[1], variety=variety)
    return [draw(ur10, settings, Assignment.of(uniform), 0, i) for i in range(count)]


def box(robot: Robot, hidden: Hidden, size: tuple[int, int]) -> np.ndarray:
    """(2, 2) lowest and highest pixel of the robot's keypoints and base."""
    points = np.vstack([robot.keypoints_world(robot.forward(hidden.q)), np.zeros(3)])
    pixels, _ = labels.project(camera(hidden.view, *size), points)
    return np.array([pixels.min(axis=0), pixels.max(axis=0)])


@pytest.mark.parametrize("size", SIZES)
def test_a_held_camera_has_all_of_the_robot_in_its_frame(
    ur10: Robot, uniform: JointPrior, size: tuple[int, int]
) -> None:
    variety = replace(CALM, camera=CameraVariety(held=PLAIN))
    for hidden in drawn(ur10, uniform, variety, size, 60):
        low, high = box(ur10, hidden, size)
        assert (low >= -0.5).all()
        assert (high <= np.array(size) - 0.5).all()


@pytest.mark.parametrize("size", SIZES)
def test_the_robot_takes_the_asked_for_share_of_the_frame(
    ur10: Robot, uniform: JointPrior, size: tuple[int, int]
) -> None:
    held = replace(PLAIN, filling=(0.6, 0.6))
    variety = replace(CALM, camera=CameraVariety(held=held))
    shares = []
    for hidden in drawn(ur10, uniform, variety, size, 40):
        low, high = box(ur10, hidden, size)
        shares.append(((high - low) / size).max())
    assert max(shares) < 0.6  # the arm is thicker than its skeleton
    assert np.median(shares) > 0.45


@given(
    st.lists(st.tuples(*[st.floats(-1, 1)] * 3), min_size=2, max_size=8),
    st.integers(0, 2**32),
    st.sampled_from(SIZES),
)
@hypothesis_settings(max_examples=60, deadline=None)
def test_any_points_are_framed(
    points: list[tuple[float, ...]], seed: int, size: tuple[int, int]
) -> None:
    body = np.array(points)
    view = draw_held(PLAIN, VIEW, body, 1.0, size, np.random.default_rng(seed))
    seen_by = camera(view, *size)
    pixels, depths = labels.project(seen_by, body)
    assert (depths > 0.1).all()
    middle = (np.array(size) - 1) / 2
    assert (np.abs(pixels - middle) <= np.array(size) / 2 + 0.5).all()
    assert (view.azimuth, view.distortion) == (VIEW.azimuth, VIEW.distortion)


def test_angles_and_focal_lengths_are_those_of_hands(ur10: Robot, uniform: JointPrior) -> None:
    size = (240, 320)
    views = [h.view for h in drawn(ur10, uniform, REAL, size, 300)]
    held = HeldVariety()
    focal = np.array([v.focal for v in views]) * 320 / 240
    low, high = held.focal
    assert low <= focal.min()
    assert focal.max() <= high
    elevations = np.degrees([v.elevation for v in views])
    assert ((elevations >= -25) & (elevations <= 60)).all()
    assert 0.08 < (elevations < 0).mean() < 0.28
    assert (np.abs(np.degrees([v.roll for v in views])) < 3).mean() > 0.7


def test_a_share_of_cameras_is_as_wide_as_without(ur10: Robot, uniform: JointPrior) -> None:
    with_held, without = (
        drawn(ur10, uniform, variety, (320, 240), 60)
        for variety in (REAL, replace(REAL, camera=replace(REAL.camera, held=None)))
    )
    same = np.mean([a.view == b.view for a, b in zip(with_held, without, strict=True)])
    assert 0.08 < same < 0.35


def test_the_base_is_cut_off_where_it_is_asked_for(ur10: Robot, uniform: JointPrior) -> None:
    held = replace(PLAIN, cut=1.0, cut_depth=(0.25, 0.3))  # the skeleton ends before the arm does
    variety = replace(CALM, camera=CameraVariety(held=held))
    lowest = [box(ur10, h, (320, 240))[1, 1] for h in drawn(ur10, uniform, variety, (320, 240), 40)]
    assert np.mean(np.array(lowest) > 239.5) > 0.7


def test_no_floor_lies_over_a_camera(ur10: Robot, uniform: JointPrior) -> None:
    low = HeldVariety(wide=0.0, low=1.0)
    variety = replace(FULL, camera=CameraVariety(held=low))
    for hidden in drawn(ur10, uniform, variety, (320, 240), 60):
        eye = camera(hidden.view, 320, 240).T_world_camera[2, 3]
        assert hidden.stand.kind != "floor" or eye >= 0.05
        assert hidden.stand.kind != "none" or hidden.stand == NO_STAND


@pytest.mark.parametrize("variety", [CALM, FULL])
def test_a_variety_without_them_has_none_and_other_draws_stay(
    ur10: Robot, uniform: JointPrior, variety: Variety
) -> None:
    more = replace(
        variety,
        light=replace(variety.light, lamps=LampVariety(window=0.0)),
        film=FilmVariety(),
    )
    for plain, rich in zip(
        *(drawn(ur10, uniform, v, (96, 64), 20) for v in (variety, more)), strict=True
    ):
        assert plain.lamps == ()
        assert plain.film == NO_FILM
        assert replace(rich, lamps=(), film=NO_FILM) == plain
        assert rich.film != NO_FILM


def test_a_window_stands_behind_and_takes_other_light_away(
    ur10: Robot, uniform: JointPrior
) -> None:
    lamps = LampVariety(window=1.0, share=0.0)
    before, after = (
        drawn(ur10, uniform, replace(CALM, light=light), (96, 64), 20)
        for light in (LightVariety(), LightVariety(lamps=lamps))
    )
    for plain, lit in zip(before, after, strict=True):
        (window,) = lit.lamps
        off = math.remainder(window.azimuth - lit.view.azimuth - math.pi, 2 * math.pi)
        assert abs(off) <= math.radians(50) + 1e-9
        shade = lit.environment.strength / plain.environment.strength
        assert 0.3 <= shade <= 0.7
        assert lit.sun.strength == pytest.approx(shade * plain.sun.strength)
        assert replace(lit.sun, strength=plain.sun.strength) == plain.sun


def test_no_more_lamps_than_there_is_room_for() -> None:
    for most in range(1, MAX_LAMPS + 1):
        variety = LampVariety(share=1.0, most=most, window=0.5)
        rng = np.random.default_rng(most)
        counts = {len(draw_lamps(variety, 0.0, rng)[0]) for _ in range(300)}
        assert max(counts) == variety.room <= MAX_LAMPS
        assert min(counts) == 1
    assert draw_lamps(None, 0.0, np.random.default_rng(0)) == ((), 1.0)


def test_a_film_keeps_to_its_ranges_and_shares() -> None:
    rng = np.random.default_rng(0)
    variety = FilmVariety(moving=0.25, resampled=0.0, compressed=1.0, filmed=0.0, sharpened=1.0)
    films = [draw_film(variety, rng) for _ in range(400)]
    lengths = np.array([math.hypot(*film.motion) for film in films])
    assert 0.15 < (lengths > 0).mean() < 0.35
    assert lengths.max() <= 5
    assert {film.scale for film in films} == {1.0}
    assert {film.video for film in films} == {None}
    assert all(film.jpeg is not None and 30 <= film.jpeg <= 92 for film in films)
    low, high = variety.sharpening
    assert all(low <= film.sharpening <= high for film in films)
    assert all((film.shot > 0) != (film.blotches > 0) for film in films)
    for name in ("vignette", "warmth", "tint", "gamma", "black", "contrast"):
        low, high = getattr(variety, name)
        values = [getattr(film, name) for film in films]
        assert low <= min(values) < low + (high - low) / 10
        assert high - (high - low) / 10 < max(values) <= high


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: HeldVariety(low_elevation=(0.0, 2.0)), "variety.camera.held.low_elevation"),
        (lambda: LampVariety(most=MAX_LAMPS + 1), "variety.light.lamps.most is 5"),
        (lambda: FilmVariety(scale=(0.5, 1.5)), "variety.film.scale"),
    ],
)
def test_what_makes_no_sense_is_named(make, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make()
