"""Laws of joint angles in ROS bags, of both versions of ROS."""

from pathlib import Path

import numpy as np
import pytest
from cli_parts import jointloop

from simulator.recordings.pose_log import read_log
from simulator.robot import AnglesError, Robot
from simulator.robot.angles import read_rows

pytest.importorskip("rosbags")
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer as Writer2
from rosbags.typesys import Stores, get_typestore

ROBOT = Robot.named("ur10")
KIND = "sensor_msgs/msg/JointState"
POSES = np.random.default_rng(0).uniform(-3, 3, (40, 6))
GRIPPER = "finger_joint"


def messages(store, poses, names):
    """JointState messages, with joints in both orders by turns, and a gripper's between."""
    time, header, state = (
        store.types[name] for name in ("builtin_interfaces/msg/Time", "std_msgs/msg/Header", KIND)
    )

    def message(i, named, angles):
        stamp = time(sec=i, nanosec=0)
        first = {"seq": i} if "seq" in header.__dataclass_fields__ else {}
        nothing = np.zeros(0)
        return state(
            header=header(**first, stamp=stamp, frame_id=""),
            name=list(named),
            position=np.asarray(angles, np.float64),
            velocity=nothing,
            effort=nothing,
        )

    for i, pose in enumerate(poses):
        order = np.arange(len(names))[:: -1 if i % 2 else 1]
        yield message(i, [names[j] for j in order], pose[order])
        yield message(i, [GRIPPER], [0.4])


def write(path: Path, version: str, poses=POSES, names=ROBOT.angle_names, kind=KIND) -> Path:
    """A bag, and the path that a user would name."""
    store = get_typestore(Stores.ROS1_NOETIC if version == "bag" else Stores.ROS2_HUMBLE)
    if version == "bag":
        writer = Writer1(path)
    else:
        plugin = StoragePlugin.MCAP if version == "mcap" else StoragePlugin.SQLITE3
        writer = Writer2(path, version=9, storage_plugin=plugin)
    with writer:
        topic = writer.add_connection("/joint_states", kind, typestore=store)
        for i, message in enumerate(messages(store, poses, names)):
            raw = (store.serialize_ros1 if version == "bag" else store.serialize_cdr)(message, kind)
            writer.write(topic, i * 10**9, raw)
    return path


@pytest.mark.parametrize("version", ["bag", "mcap", "db3"])
def test_a_bag_gives_the_angles_that_went_in_whatever_their_order(tmp_path, version):
    path = write(tmp_path / ("log.bag" if version == "bag" else "log"), version)
    assert np.array_equal(read_log(path, ROBOT, None, pytest.fail), POSES)
    assert [row["time"] for row in read_rows(path, ROBOT)] == [2.0 * i for i in range(len(POSES))]
    for file in path.glob(f"*.{version}") if path.is_dir() else ():
        assert np.array_equal(read_log(file, ROBOT, None, pytest.fail), POSES)


def test_degrees_are_refused(tmp_path):
    with pytest.raises(AnglesError, match="is a ROS bag, in radians; leave out --expect-unit"):
        read_log(write(tmp_path / "log.bag", "bag"), ROBOT, "degrees", print)


def test_a_bag_of_another_robot_names_its_joints(tmp_path):
    names = [f"left_{name}" for name in ROBOT.angle_names]
    path = write(tmp_path / "log.bag", "bag", names=names)
    with pytest.raises(AnglesError, match=r"no joint angles .*: its messages name fing"):
        read_log(path, ROBOT, None, print)


def test_a_joint_that_is_missing_is_named(tmp_path):
    path = write(tmp_path / "log.bag", "bag", POSES[:, :5], ROBOT.angle_names[:5])
    with pytest.raises(AnglesError, match=r"has 5 of the 6 .*; missing: wrist_3_joint"):
        read_log(path, ROBOT, None, print)


@pytest.mark.parametrize("damage", ["text", "cut", "missing"])
def test_what_is_no_bag_is_one_clear_line(tmp_path, damage):
    path = tmp_path / "log.bag"
    if damage == "text":
        path.write_text("elbow_joint\n1.0\n")
    elif damage == "cut":
        write(path, "bag")
        path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(AnglesError, match=r"cannot read .*log.bag: ") as caught:
        read_log(path, ROBOT, None, print)
    assert "\n" not in str(caught.value)


def test_a_gallery_shows_the_poses_of_a_bag(tmp_path, capsys):
    path = write(tmp_path / "log", "mcap")
    words = "--samples 2 --size 64x48 --engine stick --variety calm --expect-mode poses --bins 4"
    out = tmp_path / "g.png"
    assert jointloop("gallery", "--expect", str(path), "--out", str(out), *words.split()) == 0
    assert "of 40 rows of log, 32 are drawn from" in capsys.readouterr().out
