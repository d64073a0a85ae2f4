"""Joint angles of a ROS bag: the `sensor_msgs/JointState` messages of ROS 1 and 2.

Read by rosbags, an extra: no ROS is needed. Bags are `.bag` files, `.mcap` and `.db3` files, and
folders with a metadata.yaml. ROS has radians, and metres where a joint slides.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jointloop.common.files import shown
from simulator.robot.errors import AnglesError
from simulator.robot.robot import Robot

FILES = (".bag", ".mcap", ".db3")
METADATA = "metadata.yaml"
"""In the folder of a bag of ROS 2."""
KIND = "sensor_msgs/msg/JointState"
SECOND = 1e9
"""In nanoseconds."""


def is_bag(path: Path) -> bool:
    """Whether a path is a bag's, by its name or what lies in it."""
    return path.suffix.lower() in FILES or (path / METADATA).is_file()


def bag_rows(path: Path, robot: Robot) -> list[dict[str, Any]]:
    """A row per message that names joints of the robot: their angles by name, and `time` [s].

    What else a message names, a gripper's joints say, is left aside; so are messages of other
    things that are published beside.

    Raises:
        AnglesError: rosbags is not installed, the bag cannot be read, or none of its messages
            names a joint of the robot.
    """
    where = shown(path)
    try:
        from rosbags.highlevel import AnyReader, AnyReaderError
        from rosbags.typesys import Stores, get_typestore
    except ModuleNotFoundError:
        raise AnglesError(
            f"{where} is a ROS bag, which rosbags reads: pip install 'jointloop[ros]'"
        ) from None
    # A bag of one file of ROS 2 is opened by the folder that holds it.
    folder = path.parent if path.suffix.lower() in (".mcap", ".db3") else path
    if not path.exists():
        raise AnglesError(f"cannot read {where}: there is no such file")
    seen: set[str] = set()
    try:
        with AnyReader([folder], default_typestore=get_typestore(Stores.ROS2_HUMBLE)) as bag:
            rows = list(_rows(bag, robot, seen))
    except (AnyReaderError, OSError, ValueError, KeyError) as error:
        raise AnglesError(f"cannot read {where}: {error}") from None
    if not rows:
        told = f"its messages name {', '.join(sorted(seen))}" if seen else f"it has no {KIND}"
        raise AnglesError(
            f"{where} holds no joint angles of robot {robot.name} "
            f"({', '.join(robot.angle_names)}): {told}"
        )
    return rows


def _rows(bag: Any, robot: Robot, seen: set[str]) -> Iterator[dict[str, Any]]:
    """Rows of an open bag, in the order of time; the names of all joints go into `seen`."""
    chosen = [one for one in bag.connections if one.msgtype == KIND]
    if not chosen:
        return
    for connection, time, raw in bag.messages(connections=chosen):
        message = bag.deserialize(raw, connection.msgtype)
        angles = dict(zip(message.name, message.position.tolist(), strict=False))
        seen.update(angles)
        own = {name: angles[name] for name in robot.angle_names if name in angles}
        if own:
            yield {"time": time / SECOND, **own}
