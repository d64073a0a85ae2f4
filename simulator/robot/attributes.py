"""Numbers in the attributes of a URDF's elements."""

import math
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from simulator.robot.errors import RobotError
from simulator.robot.xacro import EXPAND


def parsed(text: str) -> tuple[float, ...]:
    """The numbers in a text; none where it holds anything else."""
    try:
        return tuple(float(word) for word in text.split())
    except ValueError:
        return ()


def numbers(
    element: Element,
    key: str,
    count: int,
    where: str,
    default: str | None = None,
    infinite: bool = False,
) -> tuple[float, ...]:
    """The numbers in an attribute.

    Args:
        element: that has it.
        key: its name.
        count: how many numbers.
        where: what the element belongs to, for errors.
        default: its text where it is missing or blank.
        infinite: whether numbers may be.

    Raises:
        RobotError: it holds something else.
    """
    text = element.get(key, "").strip() or default
    what = f"{where}: {key} of <{element.tag}>"
    if text is None:
        raise RobotError(f"{what} is missing")
    values = parsed(text)
    if len(values) != count or any(map(math.isnan if infinite else _endless, values)):
        wanted = "a finite number" if count == 1 else f"{count} finite numbers"
        unexpanded = f"; {EXPAND}" if "${" in text or "$(" in text else ""
        raise RobotError(f"{what} is {text!r}; {wanted} wanted{unexpanded}")
    return values


def origin(parent: Element, where: str) -> NDArray[np.float64]:
    """(4, 4) of an element's <origin>: roll, pitch, yaw about the fixed x, y, z axes.

    A quaternion may stand in their place, as URDF has it since its version 1.2.

    Raises:
        RobotError: its numbers are none, or it has both.
    """
    T = np.eye(4)
    element = parent.find("origin")
    if element is not None:
        T[:3, 3] = numbers(element, "xyz", 3, where, "0 0 0")
        T[:3, :3] = _turn(element, where).as_matrix()
    return T


def _turn(element: Element, where: str) -> Rotation:
    if "quat_xyzw" not in element.keys():  # noqa: SIM118 - iterating gives its children
        return Rotation.from_euler("xyz", numbers(element, "rpy", 3, where, "0 0 0"))
    if "rpy" in element.keys():  # noqa: SIM118
        raise RobotError(f"{where}: <{element.tag}> has both rpy and quat_xyzw; one is wanted")
    quaternion = numbers(element, "quat_xyzw", 4, where)
    if not any(quaternion):
        raise RobotError(f"{where}: quat_xyzw of <{element.tag}> is 0 0 0 0, which is no turn")
    return Rotation.from_quat(quaternion)


def _endless(value: float) -> bool:
    return not math.isfinite(value)
