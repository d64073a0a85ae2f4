"""Scenery stands around the robot, is seen, and leaves the arm alone."""

from dataclasses import dataclass, replace

import msgspec
import numpy as np
import pytest

from blender_scenes import solids, spec
from simulator import labels
from simulator.randomization import hidden, stage
from simulator.randomization.assignment import Assignment
from simulator.randomization.hidden import Hidden
from simulator.randomization.prior import JointPrior
from simulator.randomization.scenery import CLEARANCE, SceneryVariety
from simulator.randomization.settings import SampleSettings
from simulator.randomization.variety import FULL, Variety
from simulator.robot import Robot
from simulator.transport.codec import HEADER_LIMIT

ALL = SceneryVariety(stand=1, floor=1, wall=1, corner=1, before=1, tubes=1, cables=1)


@dataclass(frozen=True)
class Lab:
    """An image's hidden variables, and which of its props are scenery."""

    hidden: Hidden
    plain: Hidden
    """Without scenery."""

    @property
    def scenery(self) -> tuple[spec.Prop, ...]:
        return self.hidden.props[len(self.plain.props) :]


def draw(robot: Robot, scenery: SceneryVariety | None, count: int) -> list[Hidden]:
    variety = replace(FULL, scenery=scenery)
    settings = SampleSettings(robot=robot.name, width=160, height=120, variety=variety)
    prior = Assignment.of(JointPrior.uniform(robot.lower, robot.upper, settings.bins))
    return [hidden.draw(robot, settings, prior, 0, index) for index in range(count)]


def drawn(robot: Robot, scenery: SceneryVariety, count: int) -> list[Lab]:
    both = zip(draw(robot, scenery, count), draw(robot, None, count), strict=True)
    return [Lab(lab, plain) for lab, plain in both]


@pytest.fixture(scope="module")
def full_labs(ur10: Robot) -> list[Lab]:
    return drawn(ur10, ALL, 40)


def test_all_else_is_as_without_scenery(full_labs: list[Lab]) -> None:
    for lab in full_labs:
        own = lab.hidden.props[: len(lab.plain.props)]
        rest = replace(lab.plain, stand=spec.NO_STAND)
        assert replace(lab.hidden, props=own) == rest


def test_the_same_counters_give_the_same_scenery(ur10: Robot) -> None:
    assert draw(ur10, ALL, 3) == draw(ur10, ALL, 3)


@pytest.mark.parametrize("name", ["ur10", "ur3", "panda", "baxter"])
def test_nothing_touches_the_skeleton(name: str) -> None:
    robot = Robot.named(name)
    for h in drawn(robot, ALL, 12):
        if not h.scenery:
            continue
        bones = stage.along_bones(robot, robot.keypoints_world(robot.forward(h.hidden.q)))
        assert stage.distances(h.scenery, bones).min() > 0
        # Away from the base, which stands on something, an arm's width is free.
        high = bones[bones[:, 2] > CLEARANCE * robot.reach + 0.01]
        assert stage.distances(h.scenery, high).min(initial=np.inf) > 0.015 * robot.reach


def test_nothing_stands_at_the_camera(full_labs: list[Lab]) -> None:
    for h in full_labs:
        eye = hidden.camera(h.hidden.view, 160, 120).T_world_camera[:3, 3]
        assert stage.distances(h.scenery, eye[None]).min() > stage.BREATH - 1e-3


def test_it_hides_no_more_keypoints_than_it_may(ur10: Robot) -> None:
    for h in drawn(ur10, replace(ALL, hides=0.2), 25):
        camera = hidden.camera(h.hidden.view, 160, 120)
        points = ur10.keypoints_world(ur10.forward(h.hidden.q))
        inside = labels.in_frame(labels.project(camera, points)[0], 160, 120)
        eye = camera.T_world_camera[:3, 3]
        hits = solids.first_hits(h.scenery, eye, points[inside] - eye)
        assert (hits < 0.999).sum() <= 0.2 * inside.sum()


def test_most_images_of_a_full_lab_show_much_of_it(full_labs: list[Lab]) -> None:
    assert np.median([len(h.scenery) for h in full_labs]) > 50


def test_switches_take_everything_out(ur10: Robot) -> None:
    nothing = SceneryVariety(stand=0, floor=0, wall=0, before=0, tubes=0, cables=0, most=0)
    assert all(h.scenery == () for h in drawn(ur10, nothing, 10) if not h.hidden.others)


def test_a_base_has_something_under_it_where_it_may(ur10: Robot) -> None:
    only = SceneryVariety(stand=1, ground=0, floor=0, wall=0, before=0, tubes=0, cables=0, most=0)
    beneath = [
        np.isfinite(solids.first_hits(h.scenery, np.zeros(3), np.array([[0, 0, -1.0]])))[0]
        for h in drawn(ur10, only, 40)
    ]
    assert np.mean(beneath) > 0.7


def test_an_image_holds_no_more_props_than_it_may(full_labs: list[Lab]) -> None:
    assert max(len(lab.hidden.props) for lab in full_labs) <= spec.MAX_PROPS


def test_a_header_holds_the_most_there_may_be(full_labs: list[Lab]) -> None:
    props = [prop for lab in full_labs for prop in lab.hidden.props]
    longest = max(props, key=lambda prop: len(msgspec.msgpack.encode(prop)))
    most = replace(full_labs[0].hidden, props=(longest,) * spec.MAX_PROPS)
    assert len(msgspec.msgpack.encode(most)) < HEADER_LIMIT * 0.8


def test_the_variety_is_off_unless_it_is_named() -> None:
    assert Variety().scenery is None
    assert FULL.scenery is None
