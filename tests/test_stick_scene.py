"""The stick scene keeps the scene's promises."""

import numpy as np

from blender_scenes.stick_scene import RADIUS, StickScene
from simulator import labels
from simulator.randomization import hidden
from simulator.randomization.assignment import Assignment
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings
from simulator.robot import Robot
from simulator.sample import simulate


def frames(robot: Robot, prior: JointPrior, settings: SampleSettings, count: int):
    for index in range(count):
        drawn = hidden.draw(robot, settings, Assignment.of(prior), 0, index)
        yield drawn, hidden.frame(robot, drawn, settings.width, settings.height)


def test_the_same_frame_gives_the_same_bytes(
    ur10: Robot, uniform: JointPrior, settings: SampleSettings, sticks: StickScene
) -> None:
    for _, frame in frames(ur10, uniform, settings, 5):
        again = StickScene(ur10.model).render(frame)
        np.testing.assert_array_equal(sticks.render(frame).image, again.image)


def test_every_keypoint_in_the_frame_lies_on_the_robots_mask(
    ur10: Robot, uniform: JointPrior, settings: SampleSettings, sticks: StickScene
) -> None:
    checked = 0
    for _, frame in frames(ur10, uniform, settings, 30):
        mask = sticks.render(frame).mask
        pixels, _ = labels.project(frame.camera, ur10.keypoints_world(frame.T_world_link))
        inside = labels.in_frame(pixels, settings.width, settings.height)
        for x, y in np.rint(pixels[inside]).astype(int).clip(0, (95, 63)):
            assert mask[y, x] > 0
            checked += 1
    assert checked > 150


def test_a_ray_meets_the_stick_its_radius_before_the_axis(
    ur10: Robot, uniform: JointPrior, settings: SampleSettings, sticks: StickScene
) -> None:
    for _, frame in frames(ur10, uniform, settings, 30):
        points = ur10.keypoints_world(frame.T_world_link)
        distance, link = sticks.first_hits(frame, points)
        to_axis = np.linalg.norm(points - frame.camera.T_world_camera[:3, 3], axis=1)
        assert (distance <= to_axis - RADIUS + 1e-9).all()
        assert (link >= 0).all()


def test_a_ray_past_the_robot_meets_nothing(
    ur10: Robot, uniform: JointPrior, settings: SampleSettings, sticks: StickScene
) -> None:
    _, frame = next(frames(ur10, uniform, settings, 1))
    above = frame.camera.T_world_camera[:3, 3] + np.array([[0.0, 0.0, 9.0]])
    distance, link = sticks.first_hits(frame, above)
    assert np.isinf(distance).all()
    assert (link == -1).all()


def test_box_and_area_belong_to_the_mask(
    ur10: Robot, uniform: JointPrior, settings: SampleSettings, sticks: StickScene
) -> None:
    for drawn, frame in frames(ur10, uniform, settings, 10):
        sample = simulate(sticks, ur10, settings, drawn)
        x, y, w, h = (int(v) for v in sample.labels.box)
        solid = sticks.render(frame).mask >= 128
        assert solid[y : y + h, x : x + w].sum() == solid.sum()
        assert 0 < sample.labels.area <= w * h * 1.5
