"""What sits on a robot is on its surface, goes with it, and changes nothing else that is drawn."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from blender_scenes.solids import T_world_solids
from blender_scenes.spec import MAX_PROPS, Prop
from blender_scenes.stick_scene import StickScene
from simulator import labels
from simulator.randomization import cables, hidden, tools
from simulator.randomization.assignment import Assignment
from simulator.randomization.details import DetailVariety
from simulator.randomization.dress import DressVariety, draw_dress
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings
from simulator.randomization.variety import FULL, REAL, DistractorVariety, Variety
from simulator.robot import Robot
from simulator.robot.grippers import known_grippers
from simulator.robot.surface import body

TOOL = DressVariety(tools=1, cables=0, bands=0, decals=0)
CABLES = DressVariety(tools=0, cables=1, bands=0, decals=0, most_cables=4)
MOST = DressVariety(tools=1, cables=1, most_cables=4, bands=1, decals=1, most_patches=8)
ROBOTS = ("ur10", "ur5", "ur3", "panda")


def poses(robot: Robot, seed: int) -> np.ndarray:
    return robot.forward(np.random.default_rng(seed).uniform(robot.lower, robot.upper))


def drawn(robot: Robot, variety: Variety, index: int) -> hidden.Hidden:
    settings = SampleSettings(robot=robot.name, variety=variety)
    prior = JointPrior.uniform(robot.lower, robot.upper, settings.bins)
    return hidden.draw(robot, settings, Assignment.of(prior), 0, index)


@pytest.mark.parametrize("index", range(4))
def test_dress_adds_props_and_changes_nothing_else(ur10: Robot, index: int):
    without = drawn(ur10, FULL, index)
    dressed = drawn(ur10, replace(FULL, dress=MOST), index)
    assert dressed.props[: len(without.props)] == without.props
    assert len(dressed.props) > len(without.props)
    assert replace(dressed, props=without.props) == without


def test_real_is_dressed():
    assert REAL.dress == DressVariety(tool_mesh=known_grippers(), details=DetailVariety())


@pytest.mark.parametrize("name", ROBOTS)
def test_the_most_of_everything_fits_into_a_frame(name: str):
    robot = Robot.named(name)
    distractors = DistractorVariety(props=1, occluders=1, most=16)
    for index in range(12):
        made = drawn(robot, replace(FULL, distractors=distractors, dress=MOST), index)
        assert 30 < len(made.props) <= MAX_PROPS


@pytest.mark.parametrize("name", ["ur10", "ur5", "ur3"])
@given(seed=st.integers(0, 2**32 - 1))
@hypothesis_settings(max_examples=15, deadline=None)
def test_a_tool_goes_with_the_flange_and_lies_before_it(name: str, seed: int):
    robot = Robot.named(name)
    flange = body(robot).flange
    assert flange is not None
    local = []
    for pose in (0, 1):
        T_world_link = poses(robot, pose)
        things = draw_dress(TOOL, robot, T_world_link, np.random.default_rng(seed))
        T_flange_world = np.linalg.inv(T_world_link[flange.link] @ flange.T_link_flange)
        local.append(T_flange_world @ T_world_solids(things))
    np.testing.assert_allclose(local[0], local[1], atol=1e-9)
    assert (local[0][:, 2, 3] > -0.15 * robot.reach).all()
    assert local[0][:, 2, 3].max() > 0


def test_robots_with_fingers_keep_them():
    panda = Robot.named("panda")
    assert draw_dress(TOOL, panda, poses(panda, 0), np.random.default_rng(0)) == ()


@pytest.mark.parametrize("name", ROBOTS)
def test_tubes_are_round_and_lie_on_the_surface(name: str):
    own = body(Robot.named(name))
    assert own.tubes
    for tube in own.tubes:
        points = own.skins[tube.link].points
        along = (tube.end - tube.start) / tube.length
        place = (points - tube.start) @ along
        within = points[(place > 0) & (place < tube.length)]
        away = within - tube.start - np.outer((within - tube.start) @ along, along)
        radii = np.linalg.norm(away, axis=1)
        assert np.median(np.abs(radii / tube.radius - 1)) < 0.15


@pytest.mark.parametrize("name", ROBOTS)
@given(seed=st.integers(0, 2**32 - 1))
@hypothesis_settings(max_examples=10, deadline=None)
def test_a_cables_pieces_follow_each_other(name: str, seed: int):
    robot = Robot.named(name)
    things = draw_dress(CABLES, robot, poses(robot, seed), np.random.default_rng(seed))
    lines = [thing for thing in things if thing.kind == "line"]
    assert len(lines) % cables.PIECES == 0
    for piece, after in itertools.pairwise(lines):
        if lines.index(after) % cables.PIECES:
            assert np.linalg.norm(tip(piece, 1) - tip(after, -1)) < 0.6 * piece.size[0] + 1e-6


def tip(piece: Prop, side: int) -> np.ndarray:
    """The end of a piece's axis, without what reaches into the next."""
    T = T_world_solids([piece])[0]
    share = (piece.size[2] - 0.5 * piece.size[0]) / piece.size[2]
    return T[:3, 3] + side * share * T[:3, 2] / 2


@given(st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda v: np.linalg.norm(v) > 1e-3))
def test_what_is_aimed_points_there(along: tuple[float, float, float]):
    turned = Prop("line", (0, 0, 0), tools.aim(np.array(along)), (1, 1, 1), (0, 0, 0), 0.5, 0.0)
    z = T_world_solids([turned])[0][:3, 2]
    np.testing.assert_allclose(z, np.array(along) / np.linalg.norm(along), atol=1e-6)


def test_stickers_lie_on_the_outside_of_their_link(ur10: Robot):
    variety = DressVariety(tools=0, cables=0, bands=0, decals=1, most_patches=8)
    T_world_link = poses(ur10, 0)
    own = body(ur10)
    clouds = [
        skin.points @ T_world_link[link][:3, :3].T + T_world_link[link][:3, 3]
        for link, skin in own.skins.items()
    ]
    for seed in range(20):
        for thing in draw_dress(variety, ur10, T_world_link, np.random.default_rng(seed)):
            gaps = [np.linalg.norm(cloud - thing.position, axis=1).min() for cloud in clouds]
            assert min(gaps) < 1e-9


def test_a_tool_hides_what_lies_behind_it(ur10: Robot):
    scene, fewer = StickScene(ur10.model), 0
    for index in range(12):
        made = drawn(ur10, Variety(distractors=None), index)
        dressed = drawn(ur10, Variety(distractors=None, dress=TOOL), index)
        frames = [hidden.frame(ur10, h, 160, 120) for h in (made, dressed)]
        points = ur10.keypoints_world(frames[0].T_world_link)
        pixels, _ = labels.project(frames[0].camera, points)
        before, after = (
            labels.visibility(ur10, f.camera, points, pixels, scene.first_hits(f, points))
            for f in frames
        )
        assert (after <= before).all()
        fewer += int((after < before).sum())
    assert fewer > 0


def test_a_link_without_a_readable_mesh_wears_nothing(tmp_path: Path):
    urdf = tmp_path / "arm.urdf"
    cylinder = '<cylinder radius="0.05" length="0.5"/>'
    urdf.write_text(f"""<robot name="arm"><link name="base"/>
        <link name="bar"><visual><origin xyz="0 0 0.25"/><geometry>{cylinder}</geometry></visual>
        </link><link name="rod"><visual><geometry><mesh filename="rod.ply"/></geometry></visual>
        </link>
        <joint name="a" type="revolute"><parent link="base"/><child link="bar"/>
        <axis xyz="0 1 0"/><limit lower="-2" upper="2" effort="1" velocity="1"/></joint>
        <joint name="b" type="revolute"><parent link="bar"/><child link="rod"/>
        <origin xyz="0 0 0.5"/><axis xyz="0 0 1"/>
        <limit lower="-2" upper="2" effort="1" velocity="1"/></joint></robot>""")
    (tmp_path / "rod.ply").write_text("ply")
    toml = tmp_path / "arm.toml"
    toml.write_text("""
        name = "arm"
        urdf = "arm.urdf"
        body_radius = 0.1
        keypoint = [{ name = "bar", link = "bar" },
                    { name = "rod", link = "rod", offset = [0, 0, 0.1] }]
    """)
    robot = Robot.named(str(toml))
    own = body(robot)
    assert [robot.model.links[tube.link] for tube in own.tubes] == ["bar"]
    assert own.tubes[0].radius == pytest.approx(0.05, rel=0.05)
    assert own.flange is not None
    for seed in range(10):
        assert draw_dress(MOST, robot, poses(robot, seed), np.random.default_rng(seed))
