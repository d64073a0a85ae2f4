"""Joint angles of a robot's log: CSV with named columns, JSON lines, an array, a ROS bag, or a
recording."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jointloop.common.files import shown
from simulator.recordings.recording import Recording
from simulator.robot import AnglesError, Robot
from simulator.robot.angles import Unit, angles_of, in_radians, others_in, read_rows
from simulator.robot.bags import is_bag

OPTION = "--expect-unit"


def read_log(
    path: Path, robot: Robot, unit: Unit | None, say: Callable[[str], None]
) -> NDArray[np.float64]:
    """(N, D) joint angles [rad], or [m] where a joint slides, of N rows of a log, in their order.

    Args:
        path: `.csv`, `.npy` with columns in the robot's order, a ROS bag, the folder of a
            recording, or JSON lines.
        robot: whose log it is.
        unit: of angles that turn; recordings and bags have their own.
        say: takes a line on what is left aside.

    Raises:
        JointloopError: it cannot be read, is another robot's, or an angle is beyond its limits;
            or the unit is missing.
    """
    if Recording.is_at(path):
        return _recorded(path, robot, unit)
    where = shown(path)
    bag = is_bag(path)
    if path.is_dir() and not bag:
        raise AnglesError(f"{where} is a folder without a recording; expected a log")
    if unit == "degrees" and bag:
        raise AnglesError(f"{where} is a ROS bag, in radians; leave out {OPTION}")
    if unit is None and (bag or robot.slides.all()):
        unit = "radians"  # or metres
    if unit is None:
        raise AnglesError(
            f"{where} does not say the unit of its angles; give {OPTION} degrees or radians"
        )
    if path.suffix.lower() == ".npy":
        return in_radians(_array(path, robot), robot, unit, where, OPTION)
    rows = read_rows(path, robot)
    angles = angles_of(rows, robot, unit, where, OPTION, strict=False)
    if others := others_in(rows, robot):
        say(f"note: {where}: left aside {', '.join(others)}, no joints of {robot.name}")
    return angles


def _recorded(path: Path, robot: Robot, unit: Unit | None) -> NDArray[np.float64]:
    recording = Recording.open(path)
    own = Robot.named(recording.about.settings.robot)
    if own.fingerprint != robot.fingerprint:
        raise AnglesError(f"{shown(path)} shows robot {own.name}; expected {robot.name}")
    if unit == "degrees":
        raise AnglesError(f"{shown(path)} is a recording, in radians; leave out {OPTION}")
    return np.array([recording.entry(group, file).hidden.q for group, file in recording.read()])


def _array(path: Path, robot: Robot) -> NDArray[np.float64]:
    where, joints = shown(path), len(robot.angle_names)
    try:
        angles = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        told = getattr(error, "strerror", None) or "it is no array of numbers"
        raise AnglesError(f"cannot read {where}: {told}") from None
    numbers = isinstance(angles, np.ndarray) and angles.dtype.kind in "fiu"
    if not numbers or angles.ndim != 2 or angles.shape[1] != joints or not len(angles):
        shape = getattr(angles, "shape", ())
        raise AnglesError(
            f"{where} is of shape {shape}; expected numbers of shape (poses, {joints}): "
            f"{', '.join(robot.angle_names)}"
        )
    if not np.isfinite(angles).all():
        row = int(np.argwhere(~np.isfinite(angles))[0, 0])
        raise AnglesError(f"{where}, row {row + 1} has an angle that is no number")
    return angles.astype(np.float64)
