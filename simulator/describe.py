"""A first description of a robot, from its URDF alone: what can move does, keypoints at joints.

URDF -> describe -> TOML, to be read through and shortened by hand
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from simulator.robot import MAX_JOINTS, MAX_KEYPOINTS, MAX_NAME, RobotError
from simulator.urdf import in_order
from simulator.urdf_file import Urdf, UrdfJoint, read_urdf

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
    links = in_order(urdf)
    above = {joint.child: joint for joint in urdf.joints}
    moving = [joint for link in links[1:] if _moves(joint := above[link])][:MAX_JOINTS]
    if not moving:
        raise RobotError(f"URDF {path}: none of its joints moves")
    places = _places(links, above)
    extent = float(max(np.linalg.norm(place) for place in places.values()))
    free = [joint.name for joint in moving if joint.limits is None and joint.kind == "revolute"]
    lines = [
        f"name = {_text(path.stem[:MAX_NAME])}",
        f"urdf = {_text(str(path.resolve()))}",
        f"body_radius = {max(HOUSING * extent, 0.01):.3f}",
        f"joints = [{', '.join(_text(joint.name) for joint in moving)}]",
        *(["[limits]"] if free else []),
        *(f"{_text(name)} = [{-math.pi:.6f}, {math.pi:.6f}]" for name in free),
    ]
    for name, place in _keypoints(urdf, links, moving, places)[:keypoints]:
        lines += ["", "[[keypoint]]", f"name = {_text(name[:MAX_NAME])}", place]
    return "\n".join(lines) + "\n"


def _moves(joint: UrdfJoint) -> bool:
    if not joint.movable or joint.mimic is not None:
        return False
    return joint.kind != "prismatic" if joint.limits is None else joint.limits[0] < joint.limits[1]


def _places(links: Sequence[str], above: dict[str, UrdfJoint]) -> dict[str, np.ndarray]:
    """(3,) origin of each link at angle zero, from the root's."""
    poses = {links[0]: np.eye(4)}
    for link in links[1:]:
        poses[link] = poses[above[link].parent] @ above[link].T_parent_joint
    return {link: T[:3, 3] for link, T in poses.items()}


def _keypoints(
    urdf: Urdf,
    links: Sequence[str],
    moving: Sequence[UrdfJoint],
    places: dict[str, np.ndarray],
) -> list[tuple[str, str]]:
    """Names and places of keypoints, no two of them at one point."""
    parents = {joint.parent for joint in urdf.joints}
    candidates = [(joint.name, f"joint = {_text(joint.name)}", joint.child) for joint in moving]
    candidates += [(link, f"link = {_text(link)}", link) for link in links if link not in parents]
    kept: dict[str, tuple[str, np.ndarray]] = {}
    for name, place, link in candidates:
        near = (np.linalg.norm(places[link] - other) < NEAR for _, other in kept.values())
        if name[:MAX_NAME] not in kept and not any(near):
            kept[name[:MAX_NAME]] = place, places[link]
    return [(name, place) for name, (place, _) in kept.items()]


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # TOML's basic strings are written as JSON's
