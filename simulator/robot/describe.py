"""A first description of a robot, from its URDF alone: what can move does, keypoints at joints.

URDF -> describe -> TOML, to be read through and shortened by hand
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simulator.robot.errors import RobotError
from simulator.robot.parts import MAX_JOINTS, MAX_KEYPOINTS, MAX_NAME
from simulator.robot.tree import Tree
from simulator.robot.urdf import Urdf, UrdfJoint, read_urdf

PI = 3.141592
HOUSING = 0.08
"""Radius of a joint's housing over the robot's extent, as arms have it."""
NEAR = 1e-3
"""Keypoints closer than this are one point [m]."""


def describe(path: Path, keypoints: int = 32) -> str:
    """A description of the robot that a URDF file holds.

    Joints that have no limits get one turn; those that slide without any stay. Keypoints are where
    joints turn, nearest to the base first, and at the ends of the robot.

    Args:
        path: of the URDF.
        keypoints: at most so many.

    Returns:
        The text of a TOML file that names the URDF by its whole path.

    Raises:
        RobotError: the file cannot be used, or nothing in it moves.
    """
    if not 1 <= keypoints <= MAX_KEYPOINTS:
        raise RobotError(f"keypoints is {keypoints}; expected 1 to {MAX_KEYPOINTS}")
    urdf = read_urdf(path, {})
    chosen = _chosen(urdf)
    turns = {joint.name: (-PI, PI) for joint in chosen if not _has_range(joint)}
    tree = Tree(urdf, [joint.name for joint in chosen], turns)
    names = [joint.name for joint in tree.joints if joint in tree.moving][:MAX_JOINTS]
    places = _places(tree)
    extent = float(max(np.linalg.norm(place) for place in places.values()))
    given = ", ".join(f"{_text(name)} = [{-PI}, {PI}]" for name in names if name in turns)
    lines = [
        f"name = {_text(path.stem[:MAX_NAME])}",
        f"urdf = {_text(str(path.resolve()))}",
        f"body_radius = {max(HOUSING * extent, 0.01):.3f}",
        f"joints = [{', '.join(map(_text, names))}]",
        *([f"limits = {{ {given} }}"] if given else []),
    ]
    for name, place in _keypoints(tree, names, places)[:keypoints]:
        lines += ["", "[[keypoint]]", f"name = {_text(name)}", place]
    return "\n".join(lines) + "\n"


def _chosen(urdf: Urdf) -> list[UrdfJoint]:
    """Joints that have a range, or else those that turn."""
    free = [joint for joint in urdf.joints if joint.movable and joint.mimic is None]
    turning = [joint for joint in free if joint.kind != "prismatic"]
    chosen = [j for j in free if _has_range(j) or (j in turning and j.limits is None)] or turning
    if not chosen:
        raise RobotError(f"URDF {urdf.path}: none of its joints moves")
    return chosen


def _has_range(joint: UrdfJoint) -> bool:
    if joint.limits is None:
        return joint.kind == "continuous"
    return joint.limits[0] < joint.limits[1]


def _places(tree: Tree) -> dict[str, NDArray[np.float64]]:
    """(3,) origin of each link at angle zero, from the root's."""
    poses = {tree.links[0]: np.eye(4)}
    for joint in tree.joints:
        poses[joint.child] = poses[joint.parent] @ joint.T_parent_joint
    return {link: T[:3, 3] for link, T in poses.items()}


def _keypoints(
    tree: Tree, names: Sequence[str], places: Mapping[str, NDArray[np.float64]]
) -> list[tuple[str, str]]:
    """Names and places of keypoints, no two of them at one point."""
    parents = {joint.parent for joint in tree.joints}
    child = {joint.name: joint.child for joint in tree.joints}
    candidates = [(name, f"joint = {_text(name)}", child[name]) for name in names]
    ends = [link for link in tree.links if link not in parents]
    candidates += [(link, f"link = {_text(link)}", link) for link in ends]
    kept: dict[str, tuple[str, NDArray[np.float64]]] = {}
    for name, place, link in candidates:
        near = (np.linalg.norm(places[link] - other) < NEAR for _, other in kept.values())
        if name[:MAX_NAME] not in kept and not any(near):
            kept[name[:MAX_NAME]] = place, places[link]
    return [(name, place) for name, (place, _) in kept.items()]


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # TOML's basic strings are written as JSON's
