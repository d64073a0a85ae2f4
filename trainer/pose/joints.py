"""Joint angles of images, from a file of rows.

Rows go with images by their name where the file has it, else by their order; see
`simulator.robot.angles` for what a row says.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, Literal

from jointloop.common.files import shown
from simulator.robot import Robot
from simulator.robot.angles import IMAGE, Unit, angles_of, read_rows
from simulator.robot.errors import AnglesError
from trainer.pose.problem import Array

UNITS: dict[Literal["deg", "rad"], Unit] = {"deg": "degrees", "rad": "radians"}
"""What `--angles-in` stands for."""


def read_joints(
    path: Path, robot: Robot, unit: Literal["deg", "rad"], images: Sequence[str]
) -> Array:
    """(N, D) joint angles [rad], or [m] where a joint slides, of N images.

    Args:
        path: the file; see `read_rows`.
        robot: whose angles they are.
        unit: of the angles that turn.
        images: their names.

    Raises:
        AnglesError: it cannot be read, names other joints, or does not go with the images.
    """
    where = shown(path)
    rows = read_rows(path, robot)
    angles = angles_of(rows, robot, UNITS[unit], where, "--angles-in")
    return angles[_order(rows, images, where)]


def _order(rows: Sequence[Mapping[str, Any]], images: Sequence[str], where: str) -> list[int]:
    """The row of every image."""
    column = next((name for name in IMAGE if name in rows[0]), None)
    if column is None:
        if len(rows) != len(images):
            raise AnglesError(
                f"{where} has {len(rows)} rows for {len(images)} images; expected one each, or a "
                f"column {IMAGE[0]!r} with their names"
            )
        return list(range(len(rows)))
    places: dict[str, int] = {}
    for i, row in enumerate(rows):
        name = str(row.get(column))
        if name in places:
            raise AnglesError(f"{where} has two rows for {name}")
        places[name] = i
    found = [places.get(name, places.get(PurePath(name).name)) for name in images]
    for name, place in zip(images, found, strict=True):
        if place is None:
            raise AnglesError(f"{where} has no row for {name}")
    return [place for place in found if place is not None]
