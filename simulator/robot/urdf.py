"""Reads a URDF file: its links with what is seen of them, and its joints, in plain numbers.

Everything that a robot is built from is checked here, element by element, so that an error names
the element and what is wrong with it. What robots need no knowledge of (masses, collision shapes,
transmissions) is passed over. What shows nothing is left out, and a note says so. The format:
wiki.ros.org/urdf/XML.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from jointloop.common.markup import MarkupError, read_markup
from simulator.robot.attributes import numbers, origin
from simulator.robot.errors import RobotError
from simulator.robot.mesh_names import MeshFinder
from simulator.robot.visuals import UrdfVisual, Visuals
from simulator.robot.xacro import EXPAND, Macros

Kind = Literal["revolute", "continuous", "prismatic", "fixed", "floating", "planar"]
KINDS: tuple[Kind, ...] = ("revolute", "continuous", "prismatic", "fixed", "floating", "planar")
ONE_ANGLE = ("revolute", "continuous", "prismatic")
"""Kinds of joints that one number moves."""
WORLD = "world"
"""A link that stands for the ground where joints hang on it, declared or not."""


@dataclass(frozen=True, eq=False)
class UrdfJoint:
    """A <joint>."""

    name: str
    kind: Kind
    parent: str
    child: str
    T_parent_joint: NDArray[np.float64]
    """(4, 4)."""
    axis: NDArray[np.float64]
    """(3,) unit vector; zeros where the file gives it no direction."""
    limits: tuple[float, float] | None
    """Lower and upper [rad] or [m]; None where the file has none."""
    mimic: tuple[str, float, float] | None
    """Joint that it follows, multiplier, offset."""

    @property
    def movable(self) -> bool:
        """Whether one number can move it."""
        return self.kind in ONE_ANGLE and bool(self.axis.any())


@dataclass(frozen=True, eq=False)
class Urdf:
    """What a URDF file holds."""

    path: Path
    links: Mapping[str, tuple[UrdfVisual, ...]]
    """In the file's order."""
    joints: tuple[UrdfJoint, ...]
    """In the file's order."""
    notes: tuple[str, ...]
    """What of it was left out or passed over, a line each."""


def read_urdf(path: Path, packages: Mapping[str, Path]) -> Urdf:
    """Read and check a URDF file.

    Args:
        path: the file.
        packages: folders of ROS packages that mesh names speak of; others are looked for above the
            file and in ROS_PACKAGE_PATH and AMENT_PREFIX_PATH.

    Raises:
        RobotError: the file or an element of it cannot be used; names it.
    """
    try:
        root = read_markup(path)
    except FileNotFoundError:
        raise RobotError(f"no URDF at {path}") from None
    except (OSError, MarkupError) as error:
        raise RobotError(f"URDF {path} cannot be read: {error}") from error
    try:
        return _read(root, path, packages)
    except RobotError as error:
        raise RobotError(f"URDF {path}: {error}") from error


def _read(root: Element, path: Path, packages: Mapping[str, Path]) -> Urdf:
    if root.tag != "robot":
        raise RobotError(f"the file's element is <{root.tag}>; <robot> is wanted")
    macros = Macros(root)
    for where, macro in macros.needed:
        raise RobotError(f"{where} <{macro.tag}> is a xacro macro; {EXPAND}")
    visuals = Visuals(root, MeshFinder(path, packages))
    named = _names(root, "link", macros.hint)
    links = {name: visuals.of(link, name) for name, link in named.items()}
    joints = [_joint(joint, name) for name, joint in _names(root, "joint", macros.hint).items()]
    if any(joint.parent == WORLD for joint in joints):
        links.setdefault(WORLD, ())
    for joint in joints:
        for end, link in (("parent", joint.parent), ("child", joint.child)):
            if link not in links:
                raise RobotError(
                    f"joint {joint.name!r}: its {end} {link!r} is no link; links: "
                    f"{', '.join(links)}{macros.hint}"
                )
    return Urdf(path, links, tuple(joints), (*visuals.notes, *macros.notes))


def _names(root: Element, tag: str, hint: str) -> dict[str, Element]:
    """The root's elements of a kind by name."""
    found: dict[str, Element] = {}
    for element in root.findall(tag):
        name = element.get("name")
        if not name:
            raise RobotError(f"<{tag}> number {len(found) + 1} has no name")
        if name in found:
            raise RobotError(f"two of <{tag}> are called {name!r}")
        found[name] = element
    if tag == "link" and not found:
        raise RobotError(f"it has no <link>{hint}")
    return found


def _joint(element: Element, name: str) -> UrdfJoint:
    where = f"joint {name!r}"
    kind = element.get("type", "")
    if kind not in KINDS:
        raise RobotError(f"{where} is of type {kind!r}; usable: {', '.join(KINDS)}")
    ends = {}
    for end in ("parent", "child"):
        found = element.find(end)
        ends[end] = "" if found is None else found.get("link", "")
        if not ends[end]:
            raise RobotError(f"{where} names no {end} link")
    axis, limit, mimic = (element.find(tag) for tag in ("axis", "limit", "mimic"))
    direction = np.array((1.0, 0.0, 0.0))
    if axis is not None and kind in ONE_ANGLE:
        direction = np.array(numbers(axis, "xyz", 3, where, "1 0 0"))
    length = float(np.linalg.norm(direction))
    limits = None
    if limit is not None and kind in ("revolute", "prismatic"):
        turns = kind == "revolute"
        (lower,) = numbers(limit, "lower", 1, where, "0", turns)  # as the format has it
        (upper,) = numbers(limit, "upper", 1, where, "0", turns)
        limits = lower, upper
    follows = None
    if mimic is not None:
        (factor,) = numbers(mimic, "multiplier", 1, where, "1")
        (offset,) = numbers(mimic, "offset", 1, where, "0")
        follows = mimic.get("joint", ""), factor, offset
    return UrdfJoint(
        name,
        kind,
        ends["parent"],
        ends["child"],
        origin(element, where),
        direction / length if length > 1e-6 else np.zeros(3),
        limits,
        follows,
    )
