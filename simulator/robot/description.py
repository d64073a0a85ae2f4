"""Robots from their URDF and a small TOML file, a `Description`, that names the keypoints."""

import sys
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from blender_scenes.spec import RobotModel, Visual
from simulator.robot.errors import RobotError
from simulator.robot.parts import MAX_KEYPOINTS, MAX_NAME, Keypoint, RobotParts
from simulator.robot.tree import Tree
from simulator.robot.urdf import Urdf, read_urdf

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


def load(name: str) -> RobotParts:
    """The parts of the robot of that name, or of the TOML file at that path; see `Robot.named`.

    Raises:
        RobotError: unknown name, or a description that cannot be used.
    """
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
        return _from_description(msgspec.convert(table, Description), path)
    except (OSError, ValueError, RobotError) as error:  # of TOML, encoding and msgspec as well
        raise RobotError(f"robot description {path}: {error}") from error


def _from_description(description: Description, path: Path) -> RobotParts:
    """The robot that the file at `path` describes.

    Raises:
        RobotError: the description, its URDF or an element of either cannot be used; names it.
    """
    urdf = _urdf(description, path)
    tree = Tree(urdf, description.joints, description.limits, description.rest)
    visuals = tuple(
        Visual(index, v.T_link_visual, v.mesh, v.scale, v.shape, v.color)
        for index, link in enumerate(tree.links)
        for v in urdf.links[link]
    )
    limits = tree.ranges()
    return RobotParts(
        name=description.name,
        model=RobotModel(description.name, tuple(tree.links), tree.parents, visuals),
        joints=tree.plain_joints(),
        keypoints=_keypoints(description, urdf, tree.index),
        angle_names=tuple(joint.name for joint in tree.moving),
        lower=limits[:, 0],
        upper=limits[:, 1],
        height=description.height,
        mirror=_mirror(description),
        notes=(*urdf.notes, *tree.notes),
    )


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
    name = description.urdf.replace("\\", "/")  # as Windows writes it
    beside = path.parent / name
    if beside.is_file():
        return read_urdf(beside, folders)
    brought = robots_folder() / name
    if not brought.is_file():
        raise RobotError(f"no URDF at {beside} or {brought}")
    return read_urdf(brought, {DATA: robots_folder().parent, **folders})


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
