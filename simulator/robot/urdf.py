"""Reads a URDF file: its links with what is seen of them, and its joints, in plain numbers.

Everything that a robot is built from is checked here, element by element, so that an error names
the element and what is wrong with it. What robots need no knowledge of (masses, collision shapes,
transmissions) is passed over. The format: wiki.ros.org/urdf/XML.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from simulator.robot import RobotError

Kind = Literal["revolute", "continuous", "prismatic", "fixed"]
KINDS: tuple[Kind, ...] = ("revolute", "continuous", "prismatic", "fixed")
MESHES = (".dae", ".stl", ".obj")

Vector = tuple[float, float, float]
Shape = tuple[Literal["box", "cylinder", "sphere"], tuple[float, ...]]


@dataclass(frozen=True, eq=False)
class UrdfVisual:
    """A <visual>: a mesh or a shape."""

    T_link_visual: NDArray[np.float64]
    """(4, 4)."""
    mesh: Path | None
    scale: Vector
    shape: Shape | None
    """Kind and size [m], as `blender_scenes.spec.Visual` has them."""
    color: Vector | None
    """RGB."""


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
    """(3,) unit vector."""
    limits: tuple[float, float] | None
    """Lower and upper [rad] or [m]; None where the file has none."""
    mimic: tuple[str, float, float] | None
    """Joint that it follows, multiplier, offset."""


@dataclass(frozen=True, eq=False)
class Urdf:
    """What a URDF file holds."""

    path: Path
    links: Mapping[str, tuple[UrdfVisual, ...]]
    """In the file's order."""
    joints: tuple[UrdfJoint, ...]
    """In the file's order."""


def read_urdf(path: Path, packages: Mapping[str, Path]) -> Urdf:
    """Read and check a URDF file.

    Args:
        path: the file.
        packages: folders of ROS packages that mesh names speak of; others are looked for above the
            file and in ROS_PACKAGE_PATH and AMENT_PREFIX_PATH.

    Raises:
        RobotError: the file or an element of it cannot be used; names it.
    """
    return _Reader(path, packages).read()


class _Reader:
    """Reads one file; knows its name for errors."""

    def __init__(self, path: Path, packages: Mapping[str, Path]) -> None:
        self.path = path
        self._packages = packages
        self._colors: dict[str, Vector] = {}

    def read(self) -> Urdf:
        try:
            root = ElementTree.parse(self.path).getroot()
        except FileNotFoundError:
            raise RobotError(f"no URDF at {self.path}") from None
        except (OSError, ElementTree.ParseError, UnicodeDecodeError) as error:
            raise RobotError(f"URDF {self.path} cannot be read: {error}") from error
        if root.tag != "robot":
            raise self._error(f"the file's element is <{root.tag}>; <robot> is wanted")
        if any("xacro" in str(element.tag) for element in root.iter()):
            raise self._error("it is full of xacro macros; expand them: xacro IN.xacro > OUT.urdf")
        for material in root.findall("material"):
            self._color(material, "robot")
        names = self._names(root, "link")
        links = {name: self._visuals(link, name) for name, link in names.items()}
        joints = [self._joint(joint, name) for name, joint in self._names(root, "joint").items()]
        for joint in joints:
            for end, link in (("parent", joint.parent), ("child", joint.child)):
                if link not in links:
                    known = ", ".join(links)
                    raise self._error(
                        f"joint {joint.name!r}: its {end} {link!r} is no link; links: {known}"
                    )
        return Urdf(self.path, links, tuple(joints))

    def _error(self, text: str) -> RobotError:
        return RobotError(f"URDF {self.path}: {text}")

    def _names(self, root: Element, tag: str) -> dict[str, Element]:
        """The root's elements of a kind by name."""
        found: dict[str, Element] = {}
        for element in root.findall(tag):
            name = element.get("name")
            if not name:
                raise self._error(f"<{tag}> number {len(found) + 1} has no name")
            if name in found:
                raise self._error(f"two of <{tag}> are called {name!r}")
            found[name] = element
        if tag == "link" and not found:
            raise self._error("it has no <link>")
        return found

    def _numbers(
        self, element: Element, key: str, count: int, where: str, default: str | None = None
    ) -> tuple[float, ...]:
        """The numbers in an attribute."""
        text = element.get(key, default)
        what = f"{where}: {key} of <{element.tag}>"
        if text is None:
            raise self._error(f"{what} is missing")
        try:
            values = tuple(float(word) for word in text.split())
        except ValueError:
            values = ()
        if len(values) != count or not all(map(math.isfinite, values)):
            wanted = "a finite number" if count == 1 else f"{count} finite numbers"
            raise self._error(f"{what} is {text!r}; {wanted} wanted")
        return values

    def _origin(self, parent: Element, where: str) -> NDArray[np.float64]:
        """(4, 4) of an <origin>: roll, pitch, yaw about the fixed x, y, z axes."""
        T = np.eye(4)
        origin = parent.find("origin")
        if origin is not None:
            T[:3, 3] = self._numbers(origin, "xyz", 3, where, "0 0 0")
            turn = self._numbers(origin, "rpy", 3, where, "0 0 0")
            T[:3, :3] = Rotation.from_euler("xyz", turn).as_matrix()
        return T

    def _joint(self, element: Element, name: str) -> UrdfJoint:
        where = f"joint {name!r}"
        kind = element.get("type", "")
        if kind not in KINDS:
            raise self._error(f"{where} is of type {kind!r}; usable: {', '.join(KINDS)}")
        ends = {}
        for end in ("parent", "child"):
            found = element.find(end)
            ends[end] = "" if found is None else found.get("link", "")
            if not ends[end]:
                raise self._error(f"{where} names no {end} link")
        axis, limit, mimic = (element.find(tag) for tag in ("axis", "limit", "mimic"))
        direction = np.array((1.0, 0.0, 0.0))
        if axis is not None and kind != "fixed":
            direction = np.array(self._numbers(axis, "xyz", 3, where))
            if not np.linalg.norm(direction) > 1e-6:
                raise self._error(f"{where}: its axis {axis.get('xyz')!r} has no direction")
        limits = None
        if limit is not None and kind in ("revolute", "prismatic"):
            (lower,) = self._numbers(limit, "lower", 1, where, "0")  # as the format has it
            (upper,) = self._numbers(limit, "upper", 1, where, "0")
            limits = lower, upper
        follows = None
        if mimic is not None:
            (factor,) = self._numbers(mimic, "multiplier", 1, where, "1")
            (offset,) = self._numbers(mimic, "offset", 1, where, "0")
            follows = mimic.get("joint", ""), factor, offset
        return UrdfJoint(
            name,
            kind,
            ends["parent"],
            ends["child"],
            self._origin(element, where),
            direction / np.linalg.norm(direction),
            limits,
            follows,
        )

    def _visuals(self, link: Element, name: str) -> tuple[UrdfVisual, ...]:
        return tuple(self._visual(visual, f"link {name!r}") for visual in link.findall("visual"))

    def _visual(self, visual: Element, where: str) -> UrdfVisual:
        geometry = visual.find("geometry")
        shapes = [] if geometry is None else list(geometry)
        if len(shapes) != 1:
            raise self._error(f"{where}: a <visual> has {len(shapes)} shapes instead of one")
        (element,) = shapes
        material = visual.find("material")
        color = None if material is None else self._color(material, where)
        T = self._origin(visual, where)
        scale: Vector = (1.0, 1.0, 1.0)
        if element.tag == "mesh":
            x, y, z = self._numbers(element, "scale", 3, where, "1 1 1")
            if 0 in (x, y, z):
                raise self._error(f"{where}: scale of <mesh> is {(x, y, z)}; 0 leaves nothing")
            return UrdfVisual(T, self._mesh(element, where), (x, y, z), None, color)
        sizes = {
            "box": (("size", 3),),
            "cylinder": (("radius", 1), ("length", 1)),
            "sphere": (("radius", 1),),
        }.get(element.tag)
        if sizes is None:
            raise self._error(
                f"{where}: geometry <{element.tag}>; known: mesh, box, cylinder, sphere"
            )
        size = tuple(n for key, count in sizes for n in self._numbers(element, key, count, where))
        if min(size) <= 0:
            raise self._error(f"{where}: size {size} of <{element.tag}>; all above 0 wanted")
        return UrdfVisual(T, None, scale, (element.tag, size), color)  # type: ignore[arg-type]

    def _color(self, material: Element, where: str) -> Vector | None:
        """A material's own colour, or that of the earlier material it names."""
        color, name = material.find("color"), material.get("name", "")
        if color is None:
            return self._colors.get(name)
        r, g, b, _ = self._numbers(color, "rgba", 4, where)
        if where == "robot":
            self._colors[name] = (r, g, b)
        return r, g, b

    def _mesh(self, element: Element, where: str) -> Path:
        """The file that a mesh names: package://PACKAGE/REST, file://PATH, or beside the URDF."""
        name = element.get("filename", "")
        scheme, _, rest = name.rpartition("://")
        if scheme in ("package", "model"):
            package, _, inside = unquote(rest).partition("/")
            folders = self._package_folders(package)
            if not folders:
                raise self._error(
                    f"{where}: no folder of package {package!r} ({name}); tell where it is in the "
                    f"robot's TOML file: packages = {{ {package} = 'FOLDER' }}"
                )
            tried = [folder / inside for folder in folders]
        elif scheme in ("file", ""):
            tried = [self.path.parent / unquote(rest) if scheme == "" else Path(unquote(rest))]
        else:
            raise self._error(f"{where}: mesh {name!r}; package://, file:// or a path are known")
        found = next((path for path in tried if path.is_file()), None)
        if not name or found is None:
            looked = ", ".join(str(path) for path in tried)
            raise self._error(f"{where}: mesh {name!r} is missing; looked for {looked}")
        if found.suffix.lower() not in MESHES:
            raise self._error(f"{where}: mesh {found}; {', '.join(MESHES)} are known")
        return found

    def _package_folders(self, package: str) -> list[Path]:
        """Folders that may hold a package, the likeliest first."""
        if package in self._packages:
            return [self._packages[package]]
        above = [p if p.name == package else p / package for p in self.path.resolve().parents]
        ros = _folders("ROS_PACKAGE_PATH") + [p / "share" for p in _folders("AMENT_PREFIX_PATH")]
        named = [p if p.name == package else p / package for p in ros]
        return [folder for folder in (*above, *named) if folder.is_dir()]


def _folders(variable: str) -> list[Path]:
    return [Path(part) for part in os.environ.get(variable, "").split(os.pathsep) if part]
