"""Robots from their URDF and a small TOML file, a `Description`, that names the keypoints."""

import math
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from blender_scenes.spec import RobotModel, Visual
from simulator.robot import MAX_KEYPOINTS, MAX_NAME, Joint, Keypoint, Robot, RobotError
from simulator.robot.urdf import Urdf, UrdfJoint, read_urdf

DATA = "example-robot-data"
"""The package that brings robots."""

Name = Annotated[str, Meta(min_length=1)]
Label = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
Number = Annotated[float, Meta(ge=-1e6, le=1e6)]
Length = Annotated[float, Meta(ge=0, le=1e3)]


class KeypointEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A `[[keypoint]]` table; at least one of link and joint stands in it."""

    name: Label
    link: Name | None = None
    """It is fixed to; None is the child of `joint`."""
    joint: Name | None = None
    """It marks; None is the nearest moving one above its link."""
    offset: tuple[Number, Number, Number] = (0.0, 0.0, 0.0)
    """In the link's frame [m]."""
    sigma: Annotated[float, Meta(gt=0, le=10)] = 0.05
    """OKS fall-off, relative to the square root of the robot's box area."""
    depth: Length | None = None
    """How deep in its joint's housing it lies at most [m]; None is the robot's `body_radius`."""


class Description(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A robot's TOML file."""

    name: Label
    urdf: Name
    """Path beside the file, or below example-robot-data's robots."""
    body_radius: Length
    """How deep in their joint's housing keypoints lie at most, where they do not say [m]."""
    keypoint: Annotated[tuple[KeypointEntry, ...], Meta(min_length=1, max_length=MAX_KEYPOINTS)]
    """Those nearer to the base first: skeletons are drawn to the one before."""
    joints: Annotated[tuple[Name, ...], Meta(min_length=1)] | None = None
    """Names of the joints that move, in q's order; None is all that can."""
    rest: dict[str, Number] = {}  # msgspec copies it
    """Where joints that do not move stay, by name [rad] or [m]; else as near to 0 as they can."""
    limits: dict[str, tuple[Number, Number]] = {}
    """Lower and upper ones by joint [rad] or [m], in place of the URDF's."""
    height: Number = 0.0
    """Of the root link's frame above the ground that the robot stands on [m]."""
    mirror: tuple[tuple[Name, Name], ...] | None = None
    """Pairs of keypoints that change places in a mirror image, for a robot whose mirror images show
    poses that it can take; None where they do not, as for any arm with its joints set off sideways.
    """
    packages: dict[str, Name] = {}
    """Folders of ROS packages that the URDF's mesh names speak of, beside the file."""


def robots_folder() -> Path:
    """The folder of robots that the package example-robot-data brings.

    Raises:
        RobotError: the package is not installed.
    """
    for entry in sys.path:
        folder = Path(entry) / "cmeel.prefix" / "share" / DATA / "robots"
        if folder.is_dir():
            return folder
    raise RobotError(f"the package {DATA!r} is not installed: pip install '{DATA}>=6,<7'")


def known_robots() -> tuple[str, ...]:
    """Names that `Robot.named` takes."""
    files = resources.files("simulator.robot").joinpath("known").iterdir()
    return tuple(sorted(Path(f.name).stem for f in files if f.name.endswith(".toml")))


@cache
def load(name: str) -> Robot:
    """The robot of that name, or of the TOML file at that path; see `Robot.named`."""
    path = Path(name)
    if path.suffix == ".toml":
        if not path.is_file():
            raise RobotError(f"no robot description at {name!r}")
    elif name in known_robots():
        path = Path(str(resources.files("simulator.robot").joinpath("known", f"{name}.toml")))
    else:
        known = ", ".join(known_robots())
        raise RobotError(f"unknown robot {name!r}; known: {known}, or the path of a .toml file")
    try:
        table = tomllib.loads(path.read_text("utf-8-sig"))
        return from_description(msgspec.convert(table, Description), path)
    except (OSError, ValueError, RobotError) as error:  # of TOML, encoding and msgspec as well
        raise RobotError(f"robot description {path}: {error}") from error


def from_description(description: Description, path: Path) -> Robot:
    """The robot that the file at `path` describes.

    Raises:
        RobotError: the description, its URDF or an element of either cannot be used; names it.
    """
    urdf = _limited(description, _urdf(description, path))
    links = in_order(urdf)
    index = {link: i for i, link in enumerate(links)}
    above = {joint.child: joint for joint in urdf.joints}
    joints = [above[link] for link in links[1:]]
    lost = _lost(urdf)
    moving, still = _moving(description, urdf, joints, lost)
    rest = _rest(description, urdf, moving, lost)
    visuals = tuple(
        Visual(index[link], v.T_link_visual, v.mesh, v.scale, v.shape, v.color)
        for link in links
        for v in urdf.links[link]
    )
    parents = (-1, *(index[joint.parent] for joint in joints))
    limits = np.array([_limits(joint, urdf) for joint in moving])
    robot = Robot(
        name=description.name,
        model=RobotModel(description.name, tuple(links), parents, visuals),
        joints=tuple(_joint(joint, index, urdf, moving, lost, rest) for joint in joints),
        keypoints=_keypoints(description, urdf, index),
        angle_names=tuple(joint.name for joint in moving),
        lower=limits[:, 0],
        upper=limits[:, 1],
        height=description.height,
        mirror=_mirror(description),
        notes=(*urdf.notes, *still),
    )
    if robot.reach < 1e-3:
        names = ", ".join(robot.keypoint_names)
        raise RobotError(
            f"robot {robot.name!r}: its keypoints ({names}) never leave the base; name one on a "
            "link that moves"
        )
    return robot


def _mirror(description: Description) -> tuple[int, ...] | None:
    if description.mirror is None:
        return None
    names = [entry.name for entry in description.keypoint]
    order = list(range(len(names)))
    for pair in description.mirror:
        if missing := [name for name in pair if name not in names]:
            raise RobotError(f"mirror: {missing[0]!r} is no keypoint; there are {', '.join(names)}")
        a, b = map(names.index, pair)
        order[a], order[b] = b, a
    if [order[j] for j in order] != list(range(len(names))):
        raise RobotError("mirror: a keypoint stands in more than one pair")
    return tuple(order)


def _urdf(description: Description, path: Path) -> Urdf:
    folders = {name: path.parent / folder for name, folder in description.packages.items()}
    beside = path.parent / description.urdf
    if beside.is_file():
        return read_urdf(beside, folders)
    brought = robots_folder() / description.urdf
    if not brought.is_file():
        raise RobotError(f"no URDF at {beside} or {brought}")
    return read_urdf(brought, {DATA: robots_folder().parent, **folders})


def in_order(urdf: Urdf) -> list[str]:
    """Link names, parents before children, from the only root."""
    above: dict[str, UrdfJoint] = {}
    children: dict[str, list[str]] = {}
    for joint in urdf.joints:
        if joint.child in above:
            raise RobotError(
                f"URDF {urdf.path}: link {joint.child!r} hangs on two joints, "
                f"{above[joint.child].name!r} and {joint.name!r}; robots are trees"
            )
        above[joint.child] = joint
        children.setdefault(joint.parent, []).append(joint.child)
    roots = [link for link in urdf.links if link not in above]
    order = roots[:1]
    for link in order:
        order.extend(children.get(link, []))
    if len(roots) > 1:
        raise RobotError(
            f"URDF {urdf.path}: links {', '.join(map(repr, roots))} hang on no joint; "
            "one may, the root"
        )
    if len(order) < len(urdf.links):
        ring = ", ".join(repr(link) for link in urdf.links if link not in order)
        raise RobotError(f"URDF {urdf.path}: links {ring} hang on each other in a ring")
    return order


def _limited(description: Description, urdf: Urdf) -> Urdf:
    """The URDF with the description's limits in place of its own."""
    joints = {joint.name: joint for joint in urdf.joints}
    can = [joint.name for joint in urdf.joints if joint.movable]
    for name, (lower, upper) in description.limits.items():
        if name not in can:
            raise RobotError(
                f"limits names joint {name!r}; joints that can move in {urdf.path}: "
                f"{', '.join(can) or 'none'}"
            )
        if not lower < upper:
            raise RobotError(
                f"limits of joint {name!r} are {lower} to {upper}; a lower one below the upper "
                "one is wanted"
            )
        joints[name] = replace(joints[name], limits=(lower, upper))
    return replace(urdf, joints=tuple(joints.values()))


def _lost(urdf: Urdf) -> set[str]:
    """Names of joints that mimic one which is not there, or themselves by way of others."""
    leader = {joint.name: joint.mimic[0] for joint in urdf.joints if joint.mimic is not None}
    names = {joint.name for joint in urdf.joints}
    lost = set()
    for name in leader:
        followed = leader[name]
        for _ in leader:
            if followed == name or followed not in leader:
                break
            followed = leader[followed]
        if followed == name or leader[name] not in names:
            lost.add(name)
    return lost


def _moving(
    description: Description, urdf: Urdf, joints: Sequence[UrdfJoint], lost: set[str]
) -> tuple[list[UrdfJoint], list[str]]:
    """The joints that q moves, in its order, and a note on each that might be expected to."""
    free = {j.name: j for j in joints if j.movable and (j.mimic is None or j.name in lost)}
    still = {j.name: why for j in joints if (why := _why_still(j, lost)) is not None}
    wanted = description.joints
    if wanted is None:
        wanted = [name for name in free if name not in still]
    for name in wanted:
        if name not in free:
            can = ", ".join(free) or "none"
            why = f": it {still[name]}" if name in still else ""
            raise RobotError(
                f"joint {name!r} cannot move by itself in {urdf.path}{why}; can: {can}"
            )
    if not wanted or len(set(wanted)) < len(wanted):
        raise RobotError(
            f"joints that move are {', '.join(wanted) or 'none'}; wanted one or more, each once"
            + "".join(f"; {name!r} {why}" for name, why in list(still.items())[:3])
        )
    notes = [f"joint {n!r} {why}; it stays at rest" for n, why in still.items() if n not in wanted]
    return [free[name] for name in wanted], notes


def _why_still(joint: UrdfJoint, lost: set[str]) -> str | None:
    """Why a joint that is not fixed does not move unless it is asked to."""
    if joint.kind in ("floating", "planar"):
        return f"is {joint.kind}, which no single angle moves"
    if joint.kind != "fixed" and not joint.movable:
        return "has an axis without direction"
    if joint.name in lost and joint.mimic is not None:
        return f"mimics {joint.mimic[0]!r}, which leads it nowhere"
    if joint.movable and joint.mimic is None and joint.limits and len(set(joint.limits)) == 1:
        return f"has limits {joint.limits[0]} to {joint.limits[1]}"
    return None


def _rest(
    description: Description, urdf: Urdf, moving: list[UrdfJoint], lost: set[str]
) -> dict[str, float]:
    """Where each joint that could move but does not stays."""
    rest = {}
    for joint in urdf.joints:
        follows = joint.mimic is not None and joint.name not in lost
        if not joint.movable or follows or joint in moving:
            continue
        lower, upper = joint.limits or (-math.inf, math.inf)
        rest[joint.name] = min(max(0.0, lower), upper)
    for name, value in description.rest.items():
        if name not in rest:
            known = ", ".join(rest) or "none"
            raise RobotError(
                f"rest names joint {name!r}; joints that could move and do not: {known}"
            )
        rest[name] = value
    return rest


def _joint(
    joint: UrdfJoint,
    index: Mapping[str, int],
    urdf: Urdf,
    moving: list[UrdfJoint],
    lost: set[str],
    rest: Mapping[str, float],
) -> Joint:
    leader, factor, offset = _leader(joint, urdf, lost) if joint.movable else (joint, 1.0, 0.0)
    angle = moving.index(leader) if leader in moving else None
    return Joint(
        name=joint.name,
        kind=joint.kind if joint.movable else "fixed",  # type: ignore[arg-type]
        parent=index[joint.parent],
        child=index[joint.child],
        T_parent_joint=joint.T_parent_joint,
        axis=joint.axis if joint.movable else np.array((1.0, 0.0, 0.0)),
        angle=angle,
        factor=factor,
        offset=offset if angle is not None else offset + factor * rest.get(leader.name, 0.0),
    )


def _leader(joint: UrdfJoint, urdf: Urdf, lost: set[str]) -> tuple[UrdfJoint, float, float]:
    """The joint that one follows in the end (itself, if it follows none), factor and offset."""
    names = {other.name: other for other in urdf.joints}
    leader, factor, offset = joint, 1.0, 0.0
    while leader.mimic is not None and leader.name not in lost:
        name, times, plus = leader.mimic
        leader, factor, offset = names[name], factor * times, factor * plus + offset
    return leader, factor, offset


def _limits(joint: UrdfJoint, urdf: Urdf) -> tuple[float, float]:
    """Range of a joint."""
    if joint.limits is None and joint.kind == "continuous":
        return one_turn(-math.inf, math.inf)
    give = f"limits = {{ {joint.name} = [LOWER, UPPER] }}"
    if joint.limits is None:
        raise RobotError(
            f"URDF {urdf.path}: joint {joint.name!r} is {joint.kind} and has no <limit>; give it "
            f"one in the robot's TOML file, {give}, or leave it out of `joints`"
        )
    lower, upper = joint.limits
    if not lower < upper:
        raise RobotError(
            f"URDF {urdf.path}: joint {joint.name!r} has limits {lower} to {upper}; a lower one "
            f"below the upper one is wanted: give {give} in the robot's TOML file, or leave it "
            "out of `joints`"
        )
    return (lower, upper) if joint.kind == "prismatic" else one_turn(lower, upper)


def one_turn(lower: float, upper: float) -> tuple[float, float]:
    """A range of angles [rad], cut to one turn, since a second one looks the same.

    It stays within its limits, and its middle is as near to 0 as they allow.
    """
    if upper - lower <= 2 * math.pi:
        return lower, upper
    start = min(max(-math.pi, lower), upper - 2 * math.pi)
    return start, min(start + 2 * math.pi, upper)


def _keypoints(
    description: Description, urdf: Urdf, index: Mapping[str, int]
) -> tuple[Keypoint, ...]:
    made: dict[str, Keypoint] = {}
    child = {joint.name: joint.child for joint in urdf.joints}
    for entry in description.keypoint:
        where = f"keypoint {entry.name!r}"
        if entry.name in made:
            raise RobotError(f"{where} stands there twice")
        if entry.joint is not None and entry.joint not in child:
            joints = ", ".join(child)
            raise RobotError(f"{where}: {urdf.path} has no joint {entry.joint!r}; it has {joints}")
        marked = None if entry.joint is None else child[entry.joint]
        link = marked if entry.link is None else entry.link
        if link is None:
            raise RobotError(f"{where} has neither link nor joint")
        if link not in index:
            links = ", ".join(index)
            raise RobotError(f"{where}: {urdf.path} has no link {link!r}; it has {links}")
        made[entry.name] = Keypoint(
            name=entry.name,
            link=index[link],
            offset=np.array(entry.offset),
            sigma=entry.sigma,
            depth=description.body_radius if entry.depth is None else entry.depth,
            marks=None if marked is None else index[marked],
        )
    return tuple(made.values())
