"""Grippers as meshes: those of the robots that come along, and any mesh file of a tool.

A tool's frame is its flange's: +z points out of the robot, z = 0 is where it is screwed on. A mesh
file is read that way, in metres; the parts of a known gripper are brought there.
"""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from blender_scenes.mesh_files import MESHES
from blender_scenes.spec import RobotModel, Visual
from simulator.robot.description import DATA, robots_folder
from simulator.robot.errors import RobotError
from simulator.robot.parts import RobotParts
from simulator.robot.robot import Robot
from simulator.robot.surfaces import surfaces
from simulator.robot.tree import Tree
from simulator.robot.urdf import Urdf, read_urdf

SMALLEST, LARGEST = 0.005, 2.0
"""How far a tool reaches [m]: numbers beyond are of other units."""
AWAY = 0.2
"""Farthest that a tool begins from the flange [m]."""
DIGITS = 16
"""Of a mesh file's digest that are kept."""


@dataclass(frozen=True)
class Source:
    """Where a known gripper is found."""

    urdf: str
    """Below the package's robots."""
    root: str
    """Link that holds the rest of it."""
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """That takes the root's axes to the flange's, axis times angle [rad]."""


KNOWN = {
    "panda-hand": Source("panda_description/urdf/panda.urdf", "panda_hand"),
    "talos-gripper": Source(
        "talos_data/robots/talos_left_arm.urdf", "gripper_left_base_link", (np.pi, 0.0, 0.0)
    ),
    "pal-pro-gripper": Source(
        "tiago_pro_description/robots/tiago_pro.urdf", "gripper_left_base_link"
    ),
    "z1-gripper": Source("z1_description/urdf/z1.urdf", "gripperStator", (0.0, -np.pi / 2, 0.0)),
}
"""By name."""


@dataclass(frozen=True, eq=False)
class Gripper:
    """A tool that a flange carries."""

    robot: Robot
    """Its parts, and what moves them."""
    T_flange_root: NDArray[np.float64]
    """(4, 4)."""
    digest: str = ""
    """Of its mesh file; empty for a known one."""

    @property
    def model(self) -> RobotModel:
        """What is seen of it."""
        return self.robot.model

    def posed(self, T_world_flange: NDArray[np.float64], opening: float) -> NDArray[np.float64]:
        """(L, 4, 4) poses of its links, its fingers so far between their limits."""
        q = self.robot.lower + opening * (self.robot.upper - self.robot.lower)
        return T_world_flange @ self.T_flange_root @ self.robot.forward(q)


def known_grippers() -> tuple[str, ...]:
    """Names that `gripper` takes beside mesh files."""
    return tuple(KNOWN)


def tool_names(entries: tuple[str, ...]) -> tuple[str, ...]:
    """What a list of names, mesh files and folders of mesh files stands for.

    Raises:
        RobotError: an entry is none of them, or a folder without mesh files.
    """
    names: list[str] = []
    for entry in entries:
        path = Path(entry)
        if path.is_dir():
            found = sorted(str(f) for f in path.iterdir() if f.suffix.lower() in MESHES)
            if not found:
                raise RobotError(f"folder {entry} holds no mesh file ({', '.join(MESHES)})")
            names += found
        elif entry in KNOWN or path.is_file():
            names.append(entry)
        else:
            known = ", ".join(KNOWN)
            raise RobotError(f"tool {entry!r} is none of {known}, and no mesh file or folder")
    return tuple(names)


@cache
def gripper(name: str) -> Gripper:
    """The gripper of that name, or the tool in the mesh file at that path.

    Raises:
        RobotError: there is neither, or its meshes cannot be used.
    """
    parts = _known(name, KNOWN[name]) if name in KNOWN else _of_file(Path(name))
    robot = Robot(**vars(parts))
    T = np.eye(4)
    if name in KNOWN:
        T[:3, :3] = Rotation.from_rotvec(KNOWN[name].turn).as_matrix()
    shown = Gripper(robot, T)
    poses = shown.posed(np.eye(4), 0.5)
    found = surfaces(robot.model)
    if not found:
        raise RobotError(f"tool {name} shows nothing")
    points = np.concatenate(
        [s.vertices @ poses[i][:3, :3].T + poses[i][:3, 3] for i, s in found.items()]
    )
    reach = float(np.abs(points).max())
    if not SMALLEST <= reach <= LARGEST:
        raise RobotError(
            f"tool {name} reaches {reach:g} m; wanted {SMALLEST:g} to {LARGEST:g}, in metres"
        )
    if name not in KNOWN and (away := float(points[:, 2].min())) > AWAY:
        raise RobotError(
            f"tool {name} begins {away:g} m from the flange; wanted at most {AWAY:g}: its origin "
            "is where it is fixed, and it points along +z"
        )
    if name in KNOWN:
        T[2, 3] = -points[:, 2].min()
        return shown
    return Gripper(robot, T, sha256(Path(name).read_bytes()).hexdigest()[:DIGITS])


def _known(name: str, source: Source) -> RobotParts:
    """The links of a robot from a gripper's root on."""
    path = robots_folder() / source.urdf
    whole = read_urdf(path, {DATA: robots_folder().parent})
    kept = [source.root]
    for _ in whole.joints:
        kept += [j.child for j in whole.joints if j.parent in kept and j.child not in kept]
    links = {link: visuals for link, visuals in whole.links.items() if link in kept}
    joints = tuple(j for j in whole.joints if j.parent in kept)
    tree = Tree(Urdf(path, links, joints, ()))
    visuals = tuple(
        Visual(index, v.T_link_visual, v.mesh, v.scale, v.shape, v.color)
        for index, link in enumerate(tree.links)
        for v in links[link]
    )
    limits = tree.ranges()
    return RobotParts(
        name=name,
        model=RobotModel(name, tuple(tree.links), tree.parents, visuals),
        joints=tree.plain_joints(),
        keypoints=(),
        angle_names=tuple(joint.name for joint in tree.moving),
        lower=limits[:, 0],
        upper=limits[:, 1],
    )


def _of_file(path: Path) -> RobotParts:
    """One link that shows a mesh file."""
    visual = Visual(0, np.eye(4), path)
    none = np.empty(0)
    return RobotParts(
        path.name, RobotModel(path.name, ("tool",), (-1,), (visual,)), (), (), (), none, none
    )
