"""Tools that are meshes: where they are, what stands for them, and faults that name their file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh

from blender_scenes.stick_scene import StickScene
from simulator.randomization import hidden
from simulator.randomization.assignment import Assignment
from simulator.randomization.dress import DressVariety
from simulator.randomization.mesh_tools import MeshTool, models, posed, stands_for
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings
from simulator.randomization.variety import CALM
from simulator.robot import Robot
from simulator.robot.errors import RobotError
from simulator.robot.grippers import gripper, known_grippers, tool_names
from simulator.robot.surface import body
from simulator.robot.surfaces import surfaces
from simulator.sample import simulate


@pytest.fixture
def peg(tmp_path: Path) -> Path:
    """A mesh file of a cylinder, 0.2 m out of the flange."""
    made = trimesh.creation.cylinder(0.03, 0.2)
    made.apply_translation([0, 0, 0.1])
    made.export(tmp_path / "peg.stl")
    return tmp_path / "peg.stl"


def drawn(ur10: Robot, index: int, **dress: object) -> tuple[SampleSettings, hidden.Hidden]:
    variety = replace(CALM, dress=replace(DressVariety(mesh_share=1), **dress))
    settings = SampleSettings(variety=variety)
    prior = JointPrior.uniform(ur10.lower, ur10.upper, settings.bins)
    return settings, hidden.draw(ur10, settings, Assignment.of(prior), 0, index)


@pytest.mark.parametrize("name", known_grippers())
@pytest.mark.parametrize("opening", [0.0, 0.5, 1.0])
def test_known_grippers_begin_at_the_flange_and_are_as_large_as_hands(name: str, opening: float):
    made = gripper(name)
    poses = made.posed(np.eye(4), opening)
    points = np.concatenate(
        [s.vertices @ poses[i][:3, :3].T + poses[i][:3, 3] for i, s in surfaces(made.model).items()]
    )
    assert -0.03 < points[:, 2].min() < 0.03
    assert 0.1 < points[:, 2].max() < 0.3
    assert np.abs(points[:, :2]).max() < 0.15


@pytest.mark.parametrize("name", known_grippers())
def test_opening_moves_the_fingers_alone(name: str):
    closed, opened = (gripper(name).posed(np.eye(4), opening) for opening in (0.0, 1.0))
    assert np.array_equal(closed[0], opened[0])
    assert not np.allclose(closed, opened)


def test_a_tool_goes_with_the_flange(ur10: Robot, peg: Path):
    _, one = drawn(ur10, 0, tool_mesh=(str(peg),))
    assert one.tool is not None
    assert one.tool.digest
    T_world_link = ur10.forward(one.q)
    flange = body(ur10).flange
    assert flange is not None
    at = T_world_link[flange.link] @ flange.T_link_flange
    placed = posed(one.tool, ur10, T_world_link).T_world_link[0]
    assert np.allclose(placed[:3, 2:], at[:3, 2:])


def test_without_meshes_nothing_else_is_drawn(ur10: Robot):
    for index in range(3):
        _, one = drawn(ur10, index)
        assert one.tool is None
        _, other = drawn(ur10, index, mesh_share=0.0, tool_mesh=known_grippers())
        assert other == one


def test_the_stick_engine_shows_a_tool(ur10: Robot, peg: Path):
    names = (str(peg),)
    scene = StickScene(ur10.model, None, models(names))
    settings, one = drawn(ur10, 0, tool_mesh=names, tools=0, cables=0, bands=0, decals=0)
    assert simulate(scene, ur10, settings, one).image.shape[:2] == (120, 160)


def test_a_folder_stands_for_its_mesh_files(peg: Path):
    (peg.parent / "notes.txt").write_text("none")
    assert tool_names((str(peg.parent),)) == (str(peg),)
    assert stands_for((str(peg.parent),), str(peg))
    assert not stands_for((str(peg.parent),), "panda-hand")


def test_faults_name_the_file(tmp_path: Path, ur10: Robot, peg: Path):
    broken = tmp_path / "broken.stl"
    broken.write_bytes(b"solid nothing")
    for names, words in (
        ((str(broken),), "broken.stl"),
        (("no-such-gripper",), "'no-such-gripper' is none of panda-hand"),
        ((str(tmp_path / "none.obj"),), "no mesh file"),
    ):
        with pytest.raises(RobotError, match=words):
            models(names)
    millimetres = trimesh.load_mesh(peg)
    millimetres.apply_scale(1000)
    millimetres.export(tmp_path / "large.stl")
    with pytest.raises(RobotError, match=r"reaches 200 m; wanted 0.005 to 2, in metres"):
        gripper(str(tmp_path / "large.stl"))
    millimetres.apply_scale(1e-5)
    millimetres.export(tmp_path / "tiny.stl")
    with pytest.raises(RobotError, match=r"reaches 0\.002 m"):
        gripper(str(tmp_path / "tiny.stl"))
    far = trimesh.load_mesh(peg)
    far.apply_translation([0.0, 0.0, 1.0])
    far.export(tmp_path / "far.stl")
    with pytest.raises(RobotError, match="begins 1 m from the flange"):
        gripper(str(tmp_path / "far.stl"))
    far.vertices[0] = np.nan
    far.export(tmp_path / "nan.obj")
    with pytest.raises(RobotError, match=r"corners that are no finite numbers|cannot be read"):
        gripper(str(tmp_path / "nan.obj"))
    other = MeshTool(str(peg), "0" * 16, 0.0, 0.0)
    with pytest.raises(RobotError, match="digest"):
        posed(other, ur10, ur10.forward(np.zeros(6)))
