"""A first description of a robot follows from its URDF alone."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
from cli_parts import jointloop

from simulator.robot import MAX_JOINTS, MAX_KEYPOINTS, Robot, RobotError
from simulator.robot.describe import describe
from simulator.robot.description import known_robots, robots_folder

BOX = '<visual><geometry><box size="0.1 0.1 0.5"/></geometry></visual>'


def chain(kinds: list[str], inside: str) -> str:
    links = "".join(f'<link name="l{i}">{BOX}</link>' for i in range(len(kinds) + 1))
    joints = "".join(
        f'<joint name="j{i}" type="{kind}"><parent link="l{i}"/><child link="l{i + 1}"/>'
        f'<origin xyz="0 0 0.5"/><axis xyz="0 1 0"/>{inside}</joint>'
        for i, kind in enumerate(kinds)
    )
    return f'<robot name="r">{links}{joints}</robot>'


LIMIT = '<limit lower="-1" upper="2"/>'


@pytest.fixture
def described(tmp_path: Path):
    def described(urdf: str, keypoints: int = 32) -> Robot:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        (folder / "r.urdf").write_text(urdf)
        (folder / "r.toml").write_text(describe(folder / "r.urdf", keypoints))
        return Robot.named(str(folder / "r.toml"))

    return described


@pytest.mark.parametrize("name", known_robots())
def test_known_robots_describe_themselves(tmp_path: Path, name: str) -> None:
    known = Robot.named(name)
    toml = Path(__file__).parent.parent / "simulator" / "robot" / "known" / f"{name}.toml"
    urdf = robots_folder() / tomllib.loads(toml.read_text())["urdf"]
    (tmp_path / "r.toml").write_text(describe(urdf))
    robot = Robot.named(str(tmp_path / "r.toml"))
    assert set(known.angle_names) <= set(robot.angle_names)
    own = [robot.angle_names.index(joint) for joint in known.angle_names]
    np.testing.assert_allclose(robot.lower[own], known.lower)
    np.testing.assert_allclose(robot.upper[own], known.upper)
    points = robot.keypoints_world(robot.forward((robot.lower + robot.upper) / 2))
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
    assert (apart[~np.eye(len(points), dtype=bool)] > 1e-4).all()


def test_what_can_move_does_and_every_joint_and_end_has_a_keypoint(described) -> None:
    robot = described(chain(["revolute", "fixed", "prismatic", "continuous", "floating"], LIMIT))
    assert robot.angle_names == ("j0", "j2", "j3")
    assert robot.keypoint_names == ("j0", "j2", "j3", "l5")


def test_joints_that_turn_without_limits_get_one_turn(described) -> None:
    robot = described(chain(["revolute", "prismatic", "continuous"], ""))
    assert robot.angle_names == ("j0", "j2")
    np.testing.assert_allclose((robot.lower, robot.upper), [[-np.pi] * 2, [np.pi] * 2], atol=1e-5)


def test_where_no_joint_has_room_those_that_turn_get_one_turn(described) -> None:
    robot = described(chain(["revolute", "prismatic"], '<limit effort="1"/>'))
    assert robot.angle_names == ("j0",)
    np.testing.assert_allclose(robot.upper, np.pi, atol=1e-5)


def test_there_are_never_too_many_joints_or_keypoints(described) -> None:
    long = chain(["revolute"] * 80, LIMIT)
    robot = described(long, MAX_KEYPOINTS)
    assert len(robot.angle_names) == MAX_JOINTS
    assert len(robot.keypoints) == MAX_KEYPOINTS
    assert len(described(long, 5).keypoints) == 5


def test_a_robot_that_does_not_move_is_refused(described) -> None:
    with pytest.raises(RobotError, match=r"r\.urdf: none of its joints moves"):
        described(chain(["fixed"], ""))


def test_a_number_of_keypoints_out_of_range_is_refused(described) -> None:
    with pytest.raises(RobotError, match="keypoints is 0; expected 1 to 64"):
        described(chain(["revolute"], LIMIT), 0)


def test_the_verb_writes_a_description_that_other_verbs_take_and_notes_are_said_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "r.urdf").write_text(chain(["revolute", "floating"], LIMIT))
    toml = str(tmp_path / "r.toml")
    note = "note: joint 'j1' is floating"
    verbs = (
        ("describe", str(tmp_path / "r.urdf"), "--out", toml),
        ("gallery", "--engine", "stick", "--samples", "2", "--out", str(tmp_path / "g.png")),
        ("record", "--engine", "stick", "--samples", "8", "--shard-samples", "2", "--workers", "2"),
    )
    for verb in verbs:
        own = () if verb[0] == "describe" else ("--robot", toml)
        folder = ("--out", str(tmp_path / "data")) if verb[0] == "record" else ()
        assert jointloop(*verb, *own, *folder) == 0
        assert capfd.readouterr().out.count(note) == 1
    assert jointloop("describe", str(tmp_path / "r.urdf"), "--out", toml) == 2
    assert "is there already" in capfd.readouterr().err


def test_a_robot_of_too_many_joints_leaves_no_folder(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "r.urdf").write_text(chain(["revolute"] * 71, LIMIT))
    description = describe(tmp_path / "r.urdf").splitlines()
    kept = [line for line in description if not line.startswith("joints")]
    (tmp_path / "r.toml").write_text("\n".join(kept))
    out = tmp_path / "data"
    robot = ("--robot", str(tmp_path / "r.toml"))
    assert (
        jointloop("record", *robot, "--engine", "stick", "--samples", "2", "--out", str(out)) == 2
    )
    assert "moves 71 joints, at most 64 can" in capfd.readouterr().err
    assert not out.exists()
