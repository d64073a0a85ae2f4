"""Kinematics and keypoints of the robots."""

import numpy as np
import pytest
import yourdfpy
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.robot import Robot, RobotError
from simulator.robot.description import known_robots, robots_folder

angles = st.lists(st.floats(-3.1, 3.1), min_size=6, max_size=6)


@given(angles)
@settings(max_examples=50, deadline=None)
def test_links_move_rigidly(q: list[float]) -> None:
    R = Robot.named("ur10").forward(q)[:, :3, :3]
    np.testing.assert_allclose(
        R @ R.transpose(0, 2, 1), np.tile(np.eye(3), (len(R), 1, 1)), atol=1e-9
    )
    np.testing.assert_allclose(np.linalg.det(R), 1, atol=1e-9)


URDFS = {
    "baxter": "baxter_description/urdf/baxter.urdf",
    "panda": "panda_description/urdf/panda.urdf",
    "ur10": "ur_description/urdf/ur10_robot.urdf",
    "ur3": "ur_description/urdf/ur3_robot.urdf",
    "ur5": "ur_description/urdf/ur5_robot.urdf",
}


def test_robots_go_by_these_names() -> None:
    assert known_robots() == tuple(URDFS)


@pytest.mark.parametrize("name", URDFS)
def test_forward_agrees_with_another_implementation(name: str) -> None:
    robot = Robot.named(name)
    urdf = yourdfpy.URDF.load(str(robots_folder() / URDFS[name]), load_meshes=False)
    still = {"panda_finger_joint1": 0.02} if name == "panda" else {}
    rng = np.random.default_rng(1)
    for q in rng.uniform(robot.lower, robot.upper, (5, robot.lower.size)):
        urdf.update_cfg(dict(zip(robot.angle_names, q, strict=True)) | still)
        for link, T in zip(robot.model.links, robot.forward(q), strict=True):
            expected = urdf.get_transform(link)
            np.testing.assert_allclose(T[:3, :3], expected[:3, :3], atol=1e-9)
            np.testing.assert_allclose(T[:3, 3], expected[:3, 3] + [0, 0, robot.height], atol=1e-9)


@pytest.mark.parametrize("name", URDFS)
def test_many_poses_at_once_are_the_poses_one_by_one(name: str) -> None:
    robot = Robot.named(name)
    q = np.random.default_rng(2).uniform(robot.lower, robot.upper, (2, 3, robot.lower.size))
    together = robot.forward(q)
    assert together.shape == (2, 3, len(robot.model.links), 4, 4)
    points = robot.keypoints_world(together)
    for i in np.ndindex(2, 3):
        np.testing.assert_allclose(together[i], robot.forward(q[i]), atol=1e-12)
        np.testing.assert_allclose(points[i], robot.keypoints_world(together[i]), atol=1e-12)


@pytest.mark.parametrize("name", URDFS)
def test_every_joint_moves_a_keypoint_unless_it_turns_the_last_ones_in_place(name: str) -> None:
    robot = Robot.named(name)
    middle = (robot.lower + robot.upper) / 2 + 0.3
    before = robot.keypoints_world(robot.forward(middle))
    still = set()
    for i, joint in enumerate(robot.angle_names):
        turned = middle.copy()
        turned[i] += 0.2
        after = robot.keypoints_world(robot.forward(turned))
        if np.abs(after - before).max() < 1e-6:
            still.add(joint)
    ends = {
        "baxter": {"head_pan", "left_w2", "right_w2"},
        "panda": {"panda_joint7"},
    }
    assert still == ends.get(name, {"wrist_3_joint"})


def test_panda_and_baxter_have_the_keypoints_of_dream() -> None:
    panda = Robot.named("panda").keypoint_names
    assert panda == tuple(
        f"panda_{end}" for end in (*(f"link{i}" for i in (0, 2, 3, 4, 6, 7)), "hand")
    )
    joints = ("s0", "s1", "e0", "e1", "w0", "w1", "w2", "hand")
    arms = [f"{side}_{joint}" for side in ("left", "right") for joint in joints]
    assert Robot.named("baxter").keypoint_names == ("torso_t0", *arms)


def test_each_arm_of_baxter_is_a_branch_of_the_skeleton() -> None:
    bones = Robot.named("baxter").skeleton
    assert [bone for bone in bones if bone[0] == 0] == [(0, 1), (0, 9)]
    assert set(bones) == {(0, 1), (0, 9)} | {(j, j + 1) for j in range(1, 16) if j != 8}


def test_baxter_stands_on_the_ground() -> None:
    robot = Robot.named("baxter")
    assert robot.forward((robot.lower + robot.upper) / 2)[0, 2, 3] == robot.height == 0.93


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
    assert shown["tool_flange"] == {"tool0", "ee_link", "wrist_3_link", "wrist_2_link"}


def test_what_is_welded_to_a_joints_body_is_the_same_body() -> None:
    robot = Robot.named("baxter")
    links = robot.model.links
    shown = {k.name: {links[i] for i in robot.own_links(k)} for k in robot.keypoints}
    # The elbow's cover hangs on the shoulder, beside the link that turns in it.
    assert shown["left_e0"] == {
        "left_lower_shoulder",
        "left_upper_elbow_visual",
        "left_upper_elbow",
    }
    assert {"left_wrist", "left_gripper", "l_gripper_l_finger_tip"} < shown["left_w2"]
    assert {"torso", "pedestal", "base"} < shown["torso_t0"]
    assert "left_upper_shoulder" not in shown["torso_t0"]


def test_wrong_number_of_angles_is_refused(ur10: Robot) -> None:
    with pytest.raises(RobotError, match="6 joint angles"):
        ur10.forward([0, 0])


def test_unknown_robot_names_the_known_ones() -> None:
    with pytest.raises(RobotError, match=r"'ur11'.*ur10"):
        Robot.named("ur11")


def test_the_mirror_image_of_baxter_is_a_pose_of_baxter() -> None:
    """Angles that turn about an axis in the mirror's plane change sign, and the arms change places.

    Its ranges are the same for both arms, and about 0 for the angles that change sign.
    """
    robot = Robot.named("baxter")
    signs = np.array([-1, 1, -1, 1, -1, 1, -1] * 2 + [-1])
    arms = [*range(7, 14), *range(7), 14]
    q = np.random.default_rng(0).uniform(robot.lower, robot.upper, (50, 15))
    mirrored = (q * signs)[:, arms]
    assert ((mirrored >= robot.lower) & (mirrored <= robot.upper)).all()
    points = robot.keypoints_world(robot.forward(mirrored))[:, robot.mirror]
    expected = robot.keypoints_world(robot.forward(q)) * [1, -1, 1]
    np.testing.assert_allclose(points, expected, atol=1e-9)
    assert [name for name in known_robots() if Robot.named(name).mirror is not None] == ["baxter"]
