"""Robots from their URDF and a small TOML file that names the keypoints.

The TOML file: `name`, `urdf` (a path beside it or below example-robot-data's robots), `body_radius`
[m], optionally `joints` (the ones that move; else all that can), and `[[keypoint]]` tables with
`name`, `link`, and optionally `offset` in the link's frame [m] and the OKS `sigma`.
"""

import math
import sys
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import yourdfpy

from blender_scenes.spec import RobotModel, Visual
from simulator.robot import Joint, Keypoint, Robot, RobotError

MOVING = ("revolute", "continuous", "prismatic")


def robots_folder() -> Path:
    """The folder of robots that the package example-robot-data brings.

    Raises:
        RobotError: the package is not installed.
    """
    for entry in sys.path:
        folder = Path(entry) / "cmeel.prefix" / "share" / "example-robot-data" / "robots"
        if folder.is_dir():
            return folder
    raise RobotError(
        "the package 'example-robot-data' is not installed: pip install 'example-robot-data>=6,<7'"
    )


def known_robots() -> tuple[str, ...]:
    """Names that `Robot.named` takes."""
    files = resources.files("simulator").joinpath("robots").iterdir()
    return tuple(sorted(Path(f.name).stem for f in files if f.name.endswith(".toml")))


@cache
def load(name: str) -> Robot:
    """The robot of that name, or of the TOML file at that path; see `Robot.named`."""
    path = Path(name)
    if path.suffix == ".toml":
        if not path.is_file():
            raise RobotError(f"no robot description at {name!r}")
    elif name in known_robots():
        path = Path(str(resources.files("simulator").joinpath("robots", f"{name}.toml")))
    else:
        known = ", ".join(known_robots())
        raise RobotError(f"unknown robot {name!r}; known: {known}, or the path of a .toml file")
    try:
        description = tomllib.loads(path.read_text())
        urdf = path.parent / description["urdf"]
        if not urdf.is_file():
            urdf = robots_folder() / description["urdf"]
        return from_urdf(urdf, description)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise RobotError(f"robot description {path}: {type(error).__name__}: {error}") from error


def from_urdf(urdf: Path, description: Mapping[str, Any]) -> Robot:
    """A robot from its URDF and its keypoint description.

    Raises:
        RobotError: an element of either cannot be used; names it.
    """
    if not urdf.is_file():
        raise RobotError(f"no URDF at {urdf}")
    try:
        tree = yourdfpy.URDF.load(
            str(urdf), build_scene_graph=False, load_meshes=False, build_collision_scene_graph=False
        ).robot
    except Exception as error:  # the parser raises whatever its XML library does
        raise RobotError(f"URDF {urdf} cannot be read: {error}") from error
    order = _topological(tree.joints, [link.name for link in tree.links], urdf)
    links = tuple(order)
    index = {link: i for i, link in enumerate(links)}
    above = {joint.child: joint for joint in tree.joints}
    wanted = description.get("joints")
    moving = [above[k] for k in links if k in above and _moves(above[k], wanted, urdf)]
    joints = tuple(
        _joint(above[k], index, moving.index(above[k]) if above[k] in moving else None)
        for k in links
        if k in above
    )
    limits = np.array([_limits(joint, urdf) for joint in moving])
    parents = tuple(index[above[k].parent] if k in above else -1 for k in links)
    by_name = {link.name: link for link in tree.links}
    visuals = tuple(
        _visual(visual, index[name], urdf) for name in links for visual in by_name[name].visuals
    )
    name = description["name"]
    return Robot(
        name=name,
        model=RobotModel(name=name, links=links, parents=parents, visuals=visuals),
        joints=joints,
        keypoints=tuple(_keypoint(k, index, urdf) for k in description["keypoint"]),
        angle_names=tuple(joint.name for joint in moving),
        lower=limits[:, 0],
        upper=limits[:, 1],
        body_radius=float(description["body_radius"]),
    )


def _topological(joints: Sequence[Any], links: Sequence[str], urdf: Path) -> list[str]:
    """Link names, parents before children, from the only root."""
    children: dict[str, list[str]] = {}
    for joint in joints:
        children.setdefault(joint.parent, []).append(joint.child)
    roots = set(links) - {joint.child for joint in joints}
    if len(roots) != 1:
        raise RobotError(f"URDF {urdf}: expected one root link, found {sorted(roots)}")
    order = list(roots)
    for link in order:
        order.extend(children.get(link, []))
    return order


def _moves(joint: Any, wanted: Sequence[str] | None, urdf: Path) -> bool:
    if joint.type not in (*MOVING, "fixed"):
        raise RobotError(
            f"URDF {urdf}: joint {joint.name!r} is of type {joint.type!r}; "
            f"usable: {', '.join(MOVING)}, fixed"
        )
    return joint.type != "fixed" and (wanted is None or joint.name in wanted)


def _joint(joint: Any, index: Mapping[str, int], angle: int | None) -> Joint:
    axis = np.asarray(joint.axis if joint.axis is not None else (1.0, 0.0, 0.0), dtype=np.float64)
    origin = joint.origin if joint.origin is not None else np.eye(4)
    return Joint(
        name=joint.name,
        kind=joint.type,
        parent=index[joint.parent],
        child=index[joint.child],
        T_parent_joint=np.asarray(origin, dtype=np.float64),
        axis=axis / np.linalg.norm(axis),
        angle=angle,
    )


def _limits(joint: Any, urdf: Path) -> tuple[float, float]:
    """Range of a joint; rotations are cut to one turn, since a second one looks the same."""
    if joint.type == "continuous":
        return -math.pi, math.pi
    lower, upper = (None, None) if joint.limit is None else (joint.limit.lower, joint.limit.upper)
    if lower is None or upper is None or not lower < upper:
        raise RobotError(
            f"URDF {urdf}: joint {joint.name!r} has limits {lower} to {upper}; "
            "a lower one below the upper one is needed"
        )
    if joint.type == "revolute" and upper - lower > 2 * math.pi:
        return max(lower, -math.pi), min(upper, math.pi)
    return float(lower), float(upper)


def _visual(visual: Any, link: int, urdf: Path) -> Visual:
    T = np.eye(4) if visual.origin is None else np.asarray(visual.origin, dtype=np.float64)
    color = None
    if visual.material is not None and visual.material.color is not None:
        color = tuple(float(c) for c in visual.material.color.rgba[:3])
    geometry = visual.geometry
    if geometry.mesh is not None:
        scale = np.broadcast_to(1.0 if geometry.mesh.scale is None else geometry.mesh.scale, 3)
        mesh = _mesh_path(geometry.mesh.filename, urdf)
        return Visual(link, T, mesh, tuple(float(s) for s in scale), color=color)  # type: ignore[arg-type]
    if geometry.box is not None:
        shape = ("box", tuple(float(s) for s in geometry.box.size))
    elif geometry.cylinder is not None:
        shape = ("cylinder", (float(geometry.cylinder.radius), float(geometry.cylinder.length)))
    else:
        shape = ("sphere", (float(geometry.sphere.radius),))
    return Visual(link, T, primitive=shape, color=color)  # type: ignore[arg-type]


def _mesh_path(filename: str, urdf: Path) -> Path:
    """The file behind a mesh name: package://PACKAGE/REST, file://, or relative to the URDF."""
    scheme, _, rest = filename.rpartition("://")
    if scheme == "package":
        package, _, inside = rest.partition("/")
        if package == "example-robot-data":
            return robots_folder().parent / inside
        for folder in urdf.parents:
            if folder.name == package or (folder / package).is_dir():
                return (folder if folder.name == package else folder / package) / inside
        raise RobotError(f"URDF {urdf}: no folder of package {package!r} above it ({filename})")
    return urdf.parent / rest if not scheme else Path(rest)


def _keypoint(entry: Mapping[str, Any], index: Mapping[str, int], urdf: Path) -> Keypoint:
    name, link = entry["name"], entry["link"]
    if link not in index:
        raise RobotError(
            f"keypoint {name!r}: URDF {urdf} has no link {link!r}; it has {', '.join(index)}"
        )
    offset = np.asarray(entry.get("offset", (0.0, 0.0, 0.0)), dtype=np.float64)
    if offset.shape != (3,) or not np.isfinite(offset).all():
        raise RobotError(f"keypoint {name!r}: offset {entry['offset']} is not three finite numbers")
    return Keypoint(name, index[link], offset, float(entry.get("sigma", 0.05)))
