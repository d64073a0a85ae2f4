"""Joint angles from a file: CSV with named columns, or JSON lines.

    image,shoulder_pan_joint,elbow_joint,...      {"image": "a.png", "elbow_joint": 1.2, ...}

Names say which number is which, so their order means nothing. Rows go with images by their name
where the file has it, else by their order. Degrees or radians are the user's to say.
"""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, Literal

import numpy as np

from jointloop.common.files import shown
from jointloop.common.nearest import nearest
from simulator.robot import Robot
from trainer.pose.errors import PoseError
from trainer.pose.problem import Array, slides

Unit = Literal["deg", "rad"]
IMAGE = ("image", "file", "file_name")
"""What the column of images may be called."""
BEYOND = 0.05
"""How far over its limit an angle may be read [rad] or [m]."""


def read_joints(path: Path, robot: Robot, unit: Unit, images: Sequence[str]) -> Array:
    """(N, D) joint angles [rad], or [m] where a joint slides, of N images.

    Args:
        path: the file; `.csv` is a table, everything else JSON lines.
        robot: whose angles they are.
        unit: of the angles that turn.
        images: their names.

    Raises:
        PoseError: it cannot be read, names other joints, or does not go with the images.
    """
    where = shown(path)
    rows = _rows(path, where)
    if not rows:
        raise PoseError(f"{where} holds no joint angles")
    lines = [_line(row, robot, f"{where}, row {i}") for i, row in enumerate(rows, 1)]
    angles = np.array(lines)
    if unit == "deg":
        angles[:, ~slides(robot)] = np.radians(angles[:, ~slides(robot)])
    _check_limits(angles, robot, unit, where)
    return angles[_order(rows, images, where)]


def _rows(path: Path, where: str) -> list[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise PoseError(f"cannot read {where}: {error.strerror}") from None
    except ValueError:
        raise PoseError(f"{where} is no text; expected CSV or JSON lines") from None
    if path.suffix.lower() == ".csv":
        table = csv.DictReader(text.splitlines(), skipinitialspace=True)
        if table.fieldnames and all(_number(name) is not None for name in table.fieldnames):
            raise PoseError(f"{where} begins with numbers")
        return list(table)
    rows = []
    for i, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if not isinstance(row, dict):
                raise PoseError(f"{where}, line {i} is no JSON object of joint names and angles")
            rows.append(row)
    return rows


def _line(row: Mapping[Any, Any], robot: Robot, where: str) -> list[float]:
    """The angles of a row in the robot's order."""
    names = robot.angle_names
    given = [name for name in row if name not in (*IMAGE, "frame", "time")]
    if unknown := [name for name in given if name not in names]:
        what = "more values than names" if unknown[0] is None else f"joint {unknown[0]!r}"
        close = "" if unknown[0] is None else f"; {nearest(str(unknown[0]), names)}"
        raise PoseError(f"{where} has {what}, robot {robot.name} has {', '.join(names)}{close}")
    if missing := [name for name in names if name not in given]:
        raise PoseError(
            f"{where} has {len(given)} of the {len(names)} joint angles of robot {robot.name}; "
            f"missing: {', '.join(missing)}"
        )
    values = {name: _number(row[name]) for name in names}
    for name, value in values.items():
        if value is None:
            raise PoseError(f"{where} has {row[name]!r} for {name}; expected a number")
    return [value for value in values.values() if value is not None]


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and not isinstance(value, bool) else None


def _check_limits(angles: Array, robot: Robot, unit: Unit, where: str) -> None:
    beyond = (angles < robot.lower - BEYOND) | (angles > robot.upper + BEYOND)
    if not beyond.any():
        return
    row, joint = np.argwhere(beyond)[0]
    slide = bool(slides(robot)[joint])
    shown_in = "m" if slide else unit
    value, low, high = (
        x if slide or unit == "rad" else np.degrees(x)
        for x in (angles[row, joint], robot.lower[joint], robot.upper[joint])
    )
    raise PoseError(
        f"{where}, row {row + 1} has {robot.angle_names[joint]} at {value:g} {shown_in}; its "
        f"limits are {low:g} to {high:g} {shown_in}. Angles were read as {unit} (--angles-in)"
    )


def _order(rows: Sequence[Mapping[str, Any]], images: Sequence[str], where: str) -> list[int]:
    """The row of every image."""
    column = next((name for name in IMAGE if name in rows[0]), None)
    if column is None:
        if len(rows) != len(images):
            raise PoseError(
                f"{where} has {len(rows)} rows for {len(images)} images; expected one each, or a "
                f"column {IMAGE[0]!r} with their names"
            )
        return list(range(len(rows)))
    places: dict[str, int] = {}
    for i, row in enumerate(rows):
        name = str(row.get(column))
        if name in places:
            raise PoseError(f"{where} has two rows for {name}")
        places[name] = i
    found = [places.get(name, places.get(PurePath(name).name)) for name in images]
    for name, place in zip(images, found, strict=True):
        if place is None:
            raise PoseError(f"{where} has no row for {name}")
    return [place for place in found if place is not None]
