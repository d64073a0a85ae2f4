"""Kinematics from the URDF."""

from pathlib import Path

import numpy as np
import pytest
import yourdfpy
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.robot import Robot, RobotError
from simulator.urdf import robots_folder

angles = st.lists(st.floats(-3.1, 3.1), min_size=6, max_size=6)


@given(angles)
@settings(max_examples=50, deadline=None)
def test_links_move_rigidly(q: list[float]) -> None:
    R = Robot.named("ur10").forward(q)[:, :3, :3]
    np.testing.assert_allclose(
        R @ R.transpose(0, 2, 1), np.tile(np.eye(3), (len(R), 1, 1)), atol=1e-9
    )
    np.testing.assert_allclose(np.linalg.det(R), 1, atol=1e-9)


def test_forward_agrees_with_another_implementation(ur10: Robot) -> None:
    urdf = yourdfpy.URDF.load(
        str(robots_folder() / "ur_description/urdf/ur10_robot.urdf"), load_meshes=False
    )
    rng = np.random.default_rng(1)
    for q in rng.uniform(ur10.lower, ur10.upper, (10, 6)):
        urdf.update_cfg(dict(zip(ur10.angle_names, q, strict=True)))
        for name, T in zip(ur10.model.links, ur10.forward(q), strict=True):
            np.testing.assert_allclose(T, urdf.get_transform(name), atol=1e-9)


@given(angles, st.integers(0, 5), st.floats(-1, 1))
@settings(max_examples=50, deadline=None)
def test_a_joint_moves_only_what_hangs_on_it(q: list[float], joint: int, turn: float) -> None:
    robot = Robot.named("ur10")
    moved = list(q)
    moved[joint] += turn
    before, after = robot.forward(q), robot.forward(moved)
    child = next(j.child for j in robot.joints if j.angle == joint)
    for link in range(len(robot.model.links)):
        chain = {link}
        while (parent := robot.model.parents[min(chain)]) >= 0:
            chain.add(parent)
        if child not in chain:
            np.testing.assert_array_equal(before[link], after[link])


def test_a_second_turn_is_cut_off(ur10: Robot) -> None:
    assert (ur10.upper - ur10.lower <= 2 * np.pi + 1e-9).all()


def test_the_skeleton_is_a_chain_along_the_arm(ur10: Robot) -> None:
    assert ur10.skeleton == tuple((j, j + 1) for j in range(6))


def test_a_keypoint_shows_on_both_links_of_its_joint(ur10: Robot) -> None:
    links = ur10.model.links
    shown = {k.name: {links[i] for i in ur10.own_links(k)} for k in ur10.keypoints}
    assert shown["elbow"] == {"upper_arm_link", "forearm_link"}
    assert shown["tool_flange"] == {"ee_link", "wrist_3_link", "wrist_2_link"}


def test_wrong_number_of_angles_is_refused(ur10: Robot) -> None:
    with pytest.raises(RobotError, match="6 joint angles"):
        ur10.forward([0, 0])


def test_unknown_robot_names_the_known_ones() -> None:
    with pytest.raises(RobotError, match=r"'ur11'.*ur10"):
        Robot.named("ur11")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no link"),
        ("name = 'x'", "KeyError"),
        ("name = [", "TOMLDecodeError"),
        ("name='x'\nurdf='nowhere.urdf'\nbody_radius=1\nkeypoint=[]", "no URDF"),
    ],
)
def test_a_broken_description_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    good = """name = "x"
urdf = "ur_description/urdf/ur10_robot.urdf"
body_radius = 0.1
[[keypoint]]
name = "a"
link = "nose"
"""
    path = tmp_path / "robot.toml"
    path.write_text(text or good)
    with pytest.raises(RobotError, match=message):
        Robot.named(str(path))


def test_an_unusable_joint_is_named(tmp_path: Path) -> None:
    (tmp_path / "f.urdf").write_text(
        '<robot name="f"><link name="a"/><link name="b"/>'
        '<joint name="drift" type="floating"><parent link="a"/><child link="b"/></joint></robot>'
    )
    (tmp_path / "f.toml").write_text(
        'name="f"\nurdf="f.urdf"\nbody_radius=0.1\n[[keypoint]]\nname="b"\nlink="b"\n'
    )
    with pytest.raises(RobotError, match=r"'drift'.*floating"):
        Robot.named(str(tmp_path / "f.toml"))
