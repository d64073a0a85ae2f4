"""Reads what is seen of a URDF's links: meshes, shapes, colours; what shows nothing is left out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from blender_scenes.mesh_files import is_empty
from simulator.robot.attributes import numbers, origin, parsed
from simulator.robot.errors import RobotError
from simulator.robot.mesh_names import MeshFinder

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


class Visuals:
    """Reads the <visual>s of one URDF.

    Args:
        root: its <robot>, whose materials are known by name wherever they stand.
        finder: of mesh files.
    """

    def __init__(self, root: Element, finder: MeshFinder) -> None:
        self._finder = finder
        self._colors: dict[str, Vector] = {}
        self.notes: list[str] = []
        """What was left out, a line each."""
        for place in ("material", "link/visual/material"):
            self._learn(root.findall(place))

    def of(self, link: Element, name: str) -> tuple[UrdfVisual, ...]:
        """What is seen of a <link>.

        Raises:
            RobotError: a number in it is none, or a mesh is not there.
        """
        where = f"link {name!r}"
        return tuple(v for visual in link.findall("visual") for v in self._visual(visual, where))

    def _visual(self, visual: Element, where: str) -> Iterator[UrdfVisual]:
        """What a <visual> shows: one mesh or shape, or several that make it up."""
        geometry = visual.find("geometry")
        shapes = [] if geometry is None else [e for e in geometry if e.tag in _SIZES]
        others = [] if geometry is None else [e.tag for e in geometry if e.tag not in _SIZES]
        if not shapes:
            what = f"of <{others[0]}>, which is not known," if others else "without a shape"
            self.notes.append(f"{where}: a <visual> {what} is left out")
            return
        element, *more = shapes
        if more or others:
            self.notes.append(f"{where}: of a <visual> with several shapes, the first is shown")
        material = visual.find("material")
        color = None if material is None else self._color(material)
        T = origin(visual, where)
        if element.tag == "mesh":
            yield from self._mesh_visual(element, T, color, where)
            return
        sizes = _SIZES[element.tag]
        size = tuple(n for key, count in sizes for n in numbers(element, key, count, where))
        if min(size) < 0:
            raise RobotError(f"{where}: size {size} of <{element.tag}>; none below 0 wanted")
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
        if len(parsed(text := element.get("scale", "1 1 1"))) == 1:  # for all three axes
            element.set("scale", f"{text} {text} {text}")
        x, y, z = numbers(element, "scale", 3, where, "1 1 1")
        name = element.get("filename")
        if (x, y, z).count(0) > 1:
            self.notes.append(
                f"{where}: mesh {name!r} of scale {(x, y, z)} shows nothing; left out"
            )
            return
        path = self._finder.find(element.get("filename", ""), where)
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
        values = parsed(color.get("rgba", ""))
        rgb = values[:3]  # what lets light through is shown all the same
        good = len(values) in (3, 4) and all(0 <= value <= 255 for value in rgb)
        meant = "" if good and max(rgb) < 2 else "no colour; passed over"
        if good and meant:
            meant = "beyond 0 to 1; taken for parts of 255"
            rgb = tuple(value / 255 for value in rgb)
        name, text = material.get("name", ""), color.get("rgba")
        note = f"material {name!r}: rgba of <color> is {text!r}, {meant}"
        if meant and note not in self.notes:
            self.notes.append(note)
        return (min(rgb[0], 1.0), min(rgb[1], 1.0), min(rgb[2], 1.0)) if good else None

    def _learn(self, materials: Sequence[Element]) -> None:
        """Remember the colours of materials that have one, by name; the first one counts."""
        for material in materials:
            name, color = material.get("name"), self._own_color(material)
            if name and color is not None:
                self._colors.setdefault(name, color)


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
