"""Joint angles from a file of rows: CSV with named columns, JSON lines, or a ROS bag.

    image,shoulder_pan_joint,elbow_joint,...      {"image": "a.png", "elbow_joint": 1.2, ...}

Names say which number is which, so their order means nothing. Degrees or radians are the user's to
say; lengths of joints that slide are metres.
"""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from jointloop.common.files import shown
from jointloop.common.nearest import nearest
from simulator.robot.bags import bag_rows, is_bag
from simulator.robot.errors import AnglesError
from simulator.robot.robot import Robot

Unit = Literal["degrees", "radians"]
IMAGE = ("image", "file", "file_name")
"""What the column of images may be called."""
BESIDE = (*IMAGE, "frame", "time", "timestamp", "robot")
"""What rows may say beside joint angles."""
BEYOND = 0.05
"""How far over its limit an angle may be read [rad] or [m]."""


def read_rows(path: Path, robot: Robot) -> list[dict[str, Any]]:
    """The rows of a file, at least one.

    Args:
        path: `.csv` is a table, `.bag`, `.mcap` and the folder of a bag are ROS bags, everything
            else is JSON lines.
        robot: whose joints are looked for in a bag.

    Raises:
        AnglesError: it cannot be read, or holds none.
    """
    where = shown(path)
    if is_bag(path):
        return bag_rows(path, robot)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise AnglesError(f"cannot read {where}: {error.strerror}") from None
    except ValueError:
        raise AnglesError(f"{where} is no text; expected CSV or JSON lines") from None
    rows = _table(text, where) if path.suffix.lower() == ".csv" else _objects(text, where)
    if not rows:
        raise AnglesError(f"{where} holds no joint angles")
    return rows


def angles_of(
    rows: Sequence[Mapping[str, Any]],
    robot: Robot,
    unit: Unit,
    where: str,
    option: str,
    strict: bool = True,
) -> NDArray[np.float64]:
    """(N, D) joint angles of rows, in the robot's order [rad], or [m] where a joint slides.

    Args:
        rows: of `read_rows`.
        robot: whose angles they are.
        unit: of the angles that turn.
        where: what the file is called in errors.
        option: that says the unit.
        strict: whether a row may name nothing but the robot's joints and `BESIDE`.

    Raises:
        AnglesError: rows are of other joints or another robot, or an angle is beyond its limits.
    """
    lines = [_line(row, robot, f"{where}, row {i}", strict) for i, row in enumerate(rows, 1)]
    return in_radians(np.array(lines), robot, unit, where, option)


def in_radians(
    angles: NDArray[np.float64], robot: Robot, unit: Unit, where: str, option: str
) -> NDArray[np.float64]:
    """(N, D) angles as they were written, in radians and within the robot's limits.

    Raises:
        AnglesError: one is beyond its limits.
    """
    made = angles.copy()
    if unit == "degrees":
        made[:, ~robot.slides] = np.radians(made[:, ~robot.slides])
    beyond = (made < robot.lower - BEYOND) | (made > robot.upper + BEYOND)
    if not beyond.any():
        return made
    row, joint = np.argwhere(beyond)[0]
    slide = bool(robot.slides[joint])
    shown_in = "m" if slide else unit
    value, low, high = (
        x if slide or unit == "radians" else np.degrees(x)
        for x in (made[row, joint], robot.lower[joint], robot.upper[joint])
    )
    raise AnglesError(
        f"{where}, row {row + 1} has {robot.angle_names[joint]} at {value:g} {shown_in}; its "
        f"limits are {low:g} to {high:g} {shown_in}. Angles were read as {unit} ({option})"
    )


def others_in(rows: Sequence[Mapping[str, Any]], robot: Robot) -> list[str]:
    """What the first row names that is no joint of the robot's."""
    known = {*robot.angle_names, *BESIDE}
    return [str(name) for name in rows[0] if name is not None and name not in known]


def _table(text: str, where: str) -> list[dict[str, Any]]:
    table = csv.DictReader(text.splitlines(), skipinitialspace=True)
    if table.fieldnames and all(_number(name) is not None for name in table.fieldnames):
        raise AnglesError(f"{where} begins with numbers; expected a line of names")
    return list(table)


def _objects(text: str, where: str) -> list[dict[str, Any]]:
    rows = []
    for i, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if not isinstance(row, dict):
                raise AnglesError(f"{where}, line {i} is no JSON object of joint names and angles")
            rows.append(row)
    return rows


def _line(row: Mapping[Any, Any], robot: Robot, where: str, strict: bool) -> list[float]:
    """The angles of a row in the robot's order."""
    names = robot.angle_names
    given = [name for name in row if name not in BESIDE]
    said = row.get("robot")
    if said is not None and said != robot.name:
        raise AnglesError(f"{where} is of robot {said!r}; expected {robot.name}")
    missing = [name for name in names if name not in given]
    unknown = [name for name in given if name not in names]
    if unknown and (strict or missing or None in unknown):
        what = "more values than names" if None in unknown else f"joint {unknown[0]!r}"
        close = "" if None in unknown else f"; {nearest(str(unknown[0]), names)}"
        raise AnglesError(f"{where} has {what}, robot {robot.name} has {', '.join(names)}{close}")
    if missing:
        raise AnglesError(
            f"{where} has {len(given)} of the {len(names)} joint angles of robot {robot.name}; "
            f"missing: {', '.join(missing)}"
        )
    values = {name: _number(row[name]) for name in names}
    for name, value in values.items():
        if value is None:
            raise AnglesError(f"{where} has {row[name]!r} for {name}; expected a number")
    return [value for value in values.values() if value is not None]


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and not isinstance(value, bool) else None
