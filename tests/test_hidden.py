"""Hidden variables are a function of (seed, worker, index, prior)."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from blender_scenes.lens import covers
from jointloop.common.settings import ConfigError
from simulator import labels
from simulator.randomization import hidden
from simulator.randomization.assignment import SPLITS, Assignment
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings, parse_size
from simulator.randomization.variety import CameraVariety, DistractorVariety, Variety
from simulator.robot import Robot

PRINT = """
from simulator.randomization import hidden, prior, settings
from simulator.randomization.assignment import Assignment
from simulator.robot import robot
r, s = robot.Robot.named("ur10"), settings.SampleSettings(width=96, height=64)
p = prior.JointPrior.uniform(r.lower, r.upper, s.bins)
print(repr([hidden.draw(r, s, Assignment.of(p), 2, i) for i in (5, 3)]))
"""


def test_another_process_draws_the_same(
    ur10: Robot, settings: SampleSettings, uniform: JointPrior
) -> None:
    done = subprocess.run([sys.executable, "-c", PRINT], capture_output=True, text=True, check=True)
    here = [hidden.draw(ur10, settings, Assignment.of(uniform), 2, i) for i in (5, 3)]
    assert done.stdout.strip() == repr(here)


@given(
    st.tuples(st.integers(0, 2**62), st.integers(0, 999), st.integers(0, 2**40)),
    st.tuples(st.integers(0, 2**62), st.integers(0, 999), st.integers(0, 2**40)),
)
def test_different_counters_give_different_poses(
    a: tuple[int, int, int], b: tuple[int, int, int]
) -> None:
    draws = [hidden.generator(*counter, "joints").random(4).tolist() for counter in (a, b)]
    assert (draws[0] == draws[1]) == (a == b)


def test_the_parts_of_a_sample_are_independent_streams() -> None:
    draws = {tuple(hidden.generator(0, 0, 0, part).random(4)) for part in hidden.PARTS}
    assert len(draws) == len(hidden.PARTS)


def test_the_prior_shapes_the_pose_and_nothing_else(
    ur10: Robot, settings: SampleSettings, uniform: JointPrior
) -> None:
    counts = np.zeros_like(uniform.alpha)
    counts[:, 3] = 1e9
    sharp = uniform.updated(counts)
    before = hidden.draw(ur10, settings, Assignment.of(uniform), 0, 7)
    after = hidden.draw(ur10, settings, Assignment.of(sharp), 0, 7)
    assert after.bins == (3,) * 6
    assert after.provenance.prior_version == 1
    for part in ("sun", "environment", "materials", "background", "noise_seed"):
        assert getattr(before, part) == getattr(after, part)


def test_no_training_sample_repeats_a_held_out_one(
    ur10: Robot, settings: SampleSettings, uniform: JointPrior
) -> None:
    poses = [
        hidden.draw(ur10, settings, Assignment.of(uniform, split), 0, index).q
        for split in SPLITS
        for index in range(50)
    ]
    assert len(set(poses)) == 100


@given(st.integers(0, 10_000))
@hypothesis_settings(max_examples=60, deadline=None)
def test_the_camera_looks_at_its_point(index: int) -> None:
    robot, settings = Robot.named("ur10"), SampleSettings()
    prior = JointPrior.uniform(robot.lower, robot.upper, 16)
    drawn = hidden.draw(robot, settings, Assignment.of(prior), 0, index)
    camera = hidden.camera(drawn.view, 160, 120)
    pixel, depth = labels.project(camera, [drawn.view.look_at])
    np.testing.assert_allclose(pixel[0], [(160 - 1) / 2, (120 - 1) / 2], atol=1e-6)
    np.testing.assert_allclose(depth[0], drawn.view.distance, rtol=1e-9)
    R = camera.T_world_camera[:3, :3]
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(R) > 0
    np.testing.assert_allclose(camera.T_camera_world @ camera.T_world_camera, np.eye(4), atol=1e-9)


def test_most_keypoints_fall_into_the_frame(ur10: Robot, uniform: JointPrior) -> None:
    inside = []
    for index in range(100):
        drawn = hidden.draw(ur10, SampleSettings(), Assignment.of(uniform), 0, index)
        points = ur10.keypoints_world(ur10.forward(drawn.q))
        pixels, _ = labels.project(hidden.camera(drawn.view, 160, 120), points)
        inside.append(labels.in_frame(pixels, 160, 120))
    assert np.mean(inside) > 0.9


def test_further_robots_stand_where_most_images_show_them(ur10: Robot, uniform: JointPrior) -> None:
    distractors = DistractorVariety(robots=("ur10",), robot_share=1.0)
    settings = SampleSettings(variety=Variety(distractors=distractors))
    shown = []
    for index in range(60):
        drawn = hidden.draw(ur10, settings, Assignment.of(uniform), 0, index)
        frame = hidden.frame(ur10, drawn, 160, 120)
        points = ur10.keypoints_world(frame.others[0].T_world_link)
        shown.append(labels.in_frame(labels.project(frame.camera, points)[0], 160, 120).any())
    assert np.mean(shown) > 0.7


@pytest.mark.parametrize(
    "change",
    [{"width": 161}, {"stride": 3}, {"sigma": 0.1}, {"bins": 1}, {"seed": -1}, {"height": 0}],
)
def test_settings_out_of_range_are_named(change: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        replace(SampleSettings(), **change)


def test_size_is_read_or_refused() -> None:
    assert parse_size("640x480") == (640, 480)
    for text in ("640", "640x", "x480", "64 0x480", "-1x2", "640x480x3"):
        with pytest.raises(ConfigError, match="WIDTHxHEIGHT"):
            parse_size(text)


def test_no_stand_buries_the_arm_and_some_images_have_each_kind(ur10, uniform) -> None:
    drawn = [
        hidden.draw(ur10, SampleSettings(variety=Variety()), Assignment.of(uniform), 0, i)
        for i in range(200)
    ]
    kinds = [h.stand.kind for h in drawn]
    assert all(0.05 < kinds.count(kind) / 200 < 0.9 for kind in ("none", "floor", "table"))
    # A floor reaches farther than the arm.
    floors = [np.array(h.q) for h in drawn if h.stand.kind == "floor"]
    lowest = [ur10.keypoints_world(ur10.forward(q))[:, 2].min() for q in floors]
    assert min(lowest) >= -0.01


def test_lenses_are_weakened_until_they_cover_the_frame(ur10, uniform) -> None:
    strong = CameraVariety(lens=True, k1=(-0.9, -0.5), k2=(0.0, 0.0), focal=(0.8, 1.0))
    settings = SampleSettings(width=320, height=240, variety=Variety(camera=strong))
    for index in range(20):
        view = hidden.draw(ur10, settings, Assignment.of(uniform), 0, index).view
        camera = hidden.camera(view, 320, 240)
        assert covers(camera)
        assert -0.9 < view.distortion[0] < -0.05
