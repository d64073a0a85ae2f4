"""Sticks drawn many at once are the stick scene's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blender_scenes import spec
from blender_scenes.stick_batch import StickFrames, render_sticks
from blender_scenes.stick_scene import StickScene, ends_of, own_color
from simulator.randomization.assignment import Assignment
from simulator.randomization.hidden import draw, frame
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings
from simulator.robot import Robot

SETTINGS = SampleSettings(width=64, height=48)


def as_arrays(frames: list[spec.Frame]) -> StickFrames:
    """Frames of the scene, as the batch takes them."""

    def colors(one: spec.Frame) -> list[np.ndarray]:
        slots = len(one.materials)
        mixes = [one.materials[i % slots] for i in range(len(one.T_world_link))]
        return [(1 - m.mix) * own_color(i) + m.mix * np.array(m.color) for i, m in enumerate(mixes)]

    return StickFrames(
        T_world_link=np.stack([f.T_world_link for f in frames]),
        T_camera_world=np.stack([f.camera.T_camera_world for f in frames]),
        K=np.stack([f.camera.K for f in frames]),
        colors=np.array([colors(f) for f in frames], np.float32),
        light=np.array([(f.sun.azimuth, f.sun.strength) for f in frames], np.float32),
        exposure=np.array([f.exposure for f in frames], np.float32),
        gradient=np.stack(
            [ends_of(f.background.image) * min(f.background.brightness, 1.1) for f in frames]
        ),
        rotation=np.array([f.background.rotation for f in frames], np.float32),
        seeds=np.array([f.seed for f in frames]),
    )


@pytest.mark.parametrize("name", ["ur10", "panda"])
@given(start=st.integers(0, 10_000))
@settings(max_examples=8)
def test_the_pictures_are_the_scenes_but_for_rounding(name: str, start: int) -> None:
    robot = Robot.named(name)
    asked = SampleSettings(robot=name, width=64, height=48)
    prior = Assignment.of(JointPrior.uniform(robot.lower, robot.upper, 16))
    frames = [
        frame(robot, draw(robot, asked, prior, 0, i), 64, 48) for i in range(start, start + 5)
    ]
    made = render_sticks(robot.model, as_arrays(frames), 64, 48).astype(int)
    scene = StickScene(robot.model)
    for picture, one in zip(made, frames, strict=True):
        off = np.abs(picture - scene.render(one).image.astype(int))
        assert off.mean() < 0.05
        assert (off > 2).mean() < 0.002  # an edge may fall to the other side of a pixel's middle
