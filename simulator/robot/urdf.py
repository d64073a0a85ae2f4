"""Reads a URDF file: its links with what is seen of them, and its joints, in plain numbers.

Everything that a robot is built from is checked here, element by element, so that an error names
the element and what is wrong with it. What robots need no knowledge of (masses, collision shapes,
transmissions) is passed over. What shows nothing is left out, and a note says so. The format:
wiki.ros.org/urdf/XML.
"""

import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from blender_scenes.markup import MarkupError, read_markup
from blender_scenes.mesh_files import MESHES, is_empty
from simulator.robot import RobotError

Kind = Literal["revolute", "continuous", "prismatic", "fixed", "floating", "planar"]
KINDS: tuple[Kind, ...] = ("revolute", "continuous", "prismatic", "fixed", "floating", "planar")
ONE_ANGLE = ("revolute", "continuous", "prismatic")
"""Kinds of joints that one number moves."""
WORLD = "world"
"""A link that stands for the ground where joints hang on it, declared or not."""

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
    return _Reader(path, packages).read()


class _Reader:
    """Reads one file; knows its name for errors."""

    def __init__(self, path: Path, packages: Mapping[str, Path]) -> None:
        self.path = path
        self._packages = packages
        self._colors: dict[str, Vector] = {}
        self.notes: list[str] = []

    def read(self) -> Urdf:
        root = self._root()
        self._macros = Macros(root)
        for where, macro in self._macros.needed:
            raise self._error(f"{where} <{macro.tag}> is a xacro macro; {EXPAND}")
        for place in ("material", "link/visual/material"):
            self._learn_colors(root.findall(place))
        names = self._names(root, "link")
        links = {name: self._visuals(link, name) for name, link in names.items()}
        joints = [self._joint(joint, name) for name, joint in self._names(root, "joint").items()]
        if any(joint.parent == WORLD for joint in joints):
            links.setdefault(WORLD, ())
        for joint in joints:
            for end, link in (("parent", joint.parent), ("child", joint.child)):
                if link not in links:
                    known = ", ".join(links)
                    raise self._error(
                        f"joint {joint.name!r}: its {end} {link!r} is no link; links: {known}"
                        f"{self._macros.hint}"
                    )
        return Urdf(self.path, links, tuple(joints), (*self.notes, *self._macros.notes))

    def _root(self) -> Element:
        try:
            root = read_markup(self.path)
        except FileNotFoundError:
            raise RobotError(f"no URDF at {self.path}") from None
        except (OSError, MarkupError) as error:
            raise RobotError(f"URDF {self.path} cannot be read: {error}") from error
        if root.tag != "robot":
            raise self._error(f"the file's element is <{root.tag}>; <robot> is wanted")
        return root

    def _learn_colors(self, materials: list[Element]) -> None:
        """Remember the colours of materials that have one, by name; the first one counts."""
        for material in materials:
            name, color = material.get("name"), self._own_color(material)
            if name and color is not None:
                self._colors.setdefault(name, color)

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
            raise self._error(f"it has no <link>{self._macros.hint}")
        return found

    def _numbers(
        self,
        element: Element,
        key: str,
        count: int,
        where: str,
        default: str | None = None,
        infinite: bool = False,
    ) -> tuple[float, ...]:
        """The numbers in an attribute."""
        text = element.get(key, default)
        what = f"{where}: {key} of <{element.tag}>"
        if text is None:
            raise self._error(f"{what} is missing")
        values = _parsed(text)
        good = math.isinf if infinite else math.isfinite
        if len(values) != count or not all(math.isfinite(v) or good(v) for v in values):
            wanted = "a finite number" if count == 1 else f"{count} finite numbers"
            unexpanded = f"; {EXPAND}" if "${" in text or "$(" in text else ""
            raise self._error(f"{what} is {text!r}; {wanted} wanted{unexpanded}")
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
        if axis is not None and kind in ONE_ANGLE:
            direction = np.array(self._numbers(axis, "xyz", 3, where, "1 0 0"))
        length = float(np.linalg.norm(direction))
        limits = None
        if limit is not None and kind in ("revolute", "prismatic"):
            turns = kind == "revolute"
            (lower,) = self._numbers(limit, "lower", 1, where, "0", turns)  # as the format has it
            (upper,) = self._numbers(limit, "upper", 1, where, "0", turns)
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
            direction / length if length > 1e-6 else np.zeros(3),
            limits,
            follows,
        )

    def _visuals(self, link: Element, name: str) -> tuple[UrdfVisual, ...]:
        where = f"link {name!r}"
        return tuple(v for visual in link.findall("visual") for v in self._visual(visual, where))

    def _visual(self, visual: Element, where: str) -> Iterator[UrdfVisual]:
        """What a <visual> shows: one mesh or shape, or several that make it up."""
        geometry = visual.find("geometry")
        shapes = [] if geometry is None else [e for e in geometry if e.tag in _SIZES]
        others = [] if geometry is None else [e.tag for e in geometry if e.tag not in _SIZES]
        if not shapes:
            what = f"<{others[0]}>, which is not known," if others else "no shape and"
            self.notes.append(f"{where}: a <visual> with {what} is left out")
            return
        element, *more = shapes
        if more or others:
            self.notes.append(f"{where}: of a <visual> with several shapes, the first is shown")
        material = visual.find("material")
        color = None if material is None else self._color(material)
        T = self._origin(visual, where)
        if element.tag == "mesh":
            yield from self._mesh_visual(element, T, color, where)
            return
        sizes = _SIZES[element.tag]
        size = tuple(n for key, count in sizes for n in self._numbers(element, key, count, where))
        if min(size) < 0:
            raise self._error(f"{where}: size {size} of <{element.tag}>; none below 0 wanted")
        if _shows_nothing(element.tag, size):
            self.notes.append(f"{where}: a <{element.tag}> of size {size} shows nothing; left out")
            return
        for offset, shape in _plain_shapes(element.tag, size):
            moved = T.copy()
            moved[:3, 3] += offset * T[:3, 2]
            yield UrdfVisual(moved, None, (1.0, 1.0, 1.0), shape, color)

    def _mesh_visual(
        self, element: Element, T: NDArray[np.float64], color: Vector | None, where: str
    ) -> Iterator[UrdfVisual]:
        if not element.get("filename", "").strip():
            self.notes.append(f"{where}: a <mesh> without a file name shows nothing; left out")
            return
        if len(_parsed(text := element.get("scale", "1 1 1"))) == 1:  # for all three axes
            element.set("scale", f"{text} {text} {text}")
        x, y, z = self._numbers(element, "scale", 3, where, "1 1 1")
        name = element.get("filename")
        if (x, y, z).count(0) > 1:
            self.notes.append(
                f"{where}: mesh {name!r} of scale {(x, y, z)} shows nothing; left out"
            )
            return
        path = self._mesh(element, where)
        if is_empty(path):
            self.notes.append(f"{where}: mesh {path} has no triangles and shows nothing; left out")
        else:
            yield UrdfVisual(T, path, (x, y, z), None, color)

    def _color(self, material: Element) -> Vector | None:
        """A material's own colour, or that of another one of its name, wherever it stands."""
        return self._own_color(material) or self._colors.get(material.get("name", ""))

    def _own_color(self, material: Element) -> Vector | None:
        color = material.find("color")
        if color is None:
            return None
        values = _parsed(color.get("rgba", ""))
        if len(values) not in (3, 4) or not all(map(math.isfinite, values)):
            name, text = material.get("name", ""), color.get("rgba")
            note = f"material {name!r}: rgba of <color> is {text!r}, no colour; passed over"
            if note not in self.notes:
                self.notes.append(note)
            return None
        return values[0], values[1], values[2]

    def _mesh(self, element: Element, where: str) -> Path:
        """The file that a mesh names: package://PACKAGE/REST, file://PATH, or beside the URDF."""
        name = element.get("filename", "").strip().replace("\\", "/")  # as Windows writes it
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
            tried = [self.path.parent / unquote(rest), self.path.parent / rest]
        else:
            raise self._error(f"{where}: mesh {name!r}; package://, file:// or a path are known")
        found = next((path for path in tried if path.is_file()), None)
        if found is None:
            looked = ", ".join(dict.fromkeys(str(path) for path in tried))
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


_SIZES: dict[str, tuple[tuple[str, int], ...]] = {
    "mesh": (),
    "box": (("size", 3),),
    "cylinder": (("radius", 1), ("length", 1)),
    "sphere": (("radius", 1),),
    "capsule": (("radius", 1), ("length", 1)),
}
"""Attributes of each known shape and how many numbers stand in them."""


def _shows_nothing(kind: str, size: tuple[float, ...]) -> bool:
    """Whether a shape has no surface; a box of one side 0 is a plate, and a plate is seen."""
    return size.count(0) > 1 if kind == "box" else size[0] == 0


def _plain_shapes(kind: str, size: tuple[float, ...]) -> list[tuple[float, Shape]]:
    """What a shape is made up of, with places along its z axis [m]."""
    if kind != "capsule":
        return [(0.0, (kind, size))]  # type: ignore[list-item]
    radius, length = size
    ends: list[tuple[float, Shape]] = [
        (z, ("sphere", (radius,))) for z in (-length / 2, length / 2)
    ]
    return [(0.0, ("cylinder", size)), *ends]


def _parsed(text: str) -> tuple[float, ...]:
    """The numbers in a text; none where it holds anything else."""
    try:
        return tuple(float(word) for word in text.split())
    except ValueError:
        return ()


EXPAND = "expand its macros: xacro IN.xacro > OUT.urdf"


class Macros:
    """What xacro left in a file: refused where it may stand for what moves, else passed over.

    Args:
        root: the <robot>.
    """

    def __init__(self, root: Element) -> None:
        self.needed: list[tuple[str, Element]] = []
        """Where one may stand for a link, joint, origin, axis, limit or geometry, and which."""
        self._seen: Counter[str] = Counter()
        makers = {
            element.get("name", "").partition(":")[2] or element.get("name", "")
            for element in root
            if element.tag == f"{_MACRO}macro" and _makes_parts(element)
        }
        for element in root:
            if element.tag.startswith(_MACRO):
                self._root(element, makers)
            elif element.tag in ("link", "joint"):
                self._inside(element, f"{element.tag} {element.get('name')!r}:")
            else:
                self._seen.update(e.tag for e in element.iter() if e.tag.startswith(_MACRO))

    @property
    def hint(self) -> str:
        """What to add to an error about something missing."""
        return f"; {', '.join(self._seen)} may stand for more: {EXPAND}" if self._seen else ""

    @property
    def notes(self) -> list[str]:
        """A line on each kind that was passed over."""
        return [
            f"<{tag}> is a macro that was not expanded; passed over" + (f", {n} times" * (n > 1))
            for tag, n in self._seen.items()
        ]

    def _root(self, element: Element, makers: set[str]) -> None:
        name = element.tag.removeprefix(_MACRO)
        calls = name in makers or (name == "call" and element.get("macro") in makers)
        if name in _PARTS or calls or (name != "macro" and _makes_parts(element)):
            self.needed.append(("at the root,", element))
        self._seen[element.tag] += 1

    def _inside(self, element: Element, where: str) -> None:
        """Look into a link or joint, and what stands in it and matters."""
        for child in element:
            if child.tag.startswith(_MACRO):
                names = {child.tag.removeprefix(_MACRO), child.get("name", "")}
                shapes = element.tag == "link" and next(child.iter("geometry"), None) is not None
                if shapes or names & _PARTS or _lacks(element):
                    self.needed.append((where, child))
                self._seen[child.tag] += 1
            elif child.tag in ("visual", "geometry"):
                self._inside(child, where)


_MACRO = "xacro:"
_PARTS = {"link", "joint", "origin", "axis", "limit", "geometry", "parent", "child", "mimic"}


def _makes_parts(element: Element) -> bool:
    return any(child.tag.removeprefix(_MACRO) in _PARTS for child in element.iter())


def _lacks(element: Element) -> bool:
    """Whether an element is not whole, so that a macro in it may stand for what matters."""
    wanted = {"visual": ["geometry"], "joint": ["parent", "child", "origin"]}.get(element.tag, [])
    if element.tag == "joint" and (kind := element.get("type")) in ONE_ANGLE:
        wanted += ["axis"] if kind == "continuous" else ["axis", "limit"]
    return element.tag == "geometry" or any(element.find(tag) is None for tag in wanted)
