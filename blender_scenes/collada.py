"""Reads what a Collada file shows: triangles and plain colours, and nothing else of it.

    <scene> -> nodes with their transforms -> geometries -> triangles, quads, polygons, strips, fans

Whatever is no surface (textures, cameras, animations, <extra> of any tool) is not looked at, so
that none of it can keep a file from being read. Axes named in the file are ignored, as RViz and
Pinocchio do: URDF meshes are written in the link's axes whatever the file claims (Baxter's torso
says Y_UP and is Z up). Its unit counts. The format: Collada 1.4.1, khronos.org/collada.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from blender_scenes.collada_polygons import (
    Cut,
    input_of,
    numbers_in,
    polygons_of,
    tessellated,
    triangles_of,
)
from jointloop.common.errors import SceneError
from jointloop.common.markup import MarkupError, read_markup

Color = tuple[float, float, float]
DEEPEST = 64
"""Nodes within nodes; more hang on each other in a ring."""


@dataclass(frozen=True)
class Surface:
    """Triangles of one material."""

    vertices: NDArray[np.float64]
    """(V, 3) [m] in the file's axes."""
    triangles: NDArray[np.int64]
    """(T, 3) indices into `vertices`."""
    color: Color | None
    """Linear RGB; None where the file has a texture, or nothing."""


def read_collada(path: Path, cut: Cut = tessellated) -> list[Surface]:
    """The surfaces of a Collada file; none where it shows nothing.

    Args:
        path: of the file.
        cut: makes triangles of polygons of more than four corners.

    Raises:
        SceneError: it is no Collada, or what it shows is not all there; says why.
    """
    try:
        root = read_markup(path)
        if root.tag.rpartition(":")[2] != "COLLADA":
            raise ValueError(f"its element is <{root.tag}>; <COLLADA> is wanted")
        return list(_Document(root, cut).surfaces())
    except (OSError, MarkupError, ValueError) as error:
        raise SceneError(f"mesh file {path} cannot be read: {error}") from error


class _Document:
    """One file; faults are ValueErrors that name the element."""

    def __init__(self, root: Element, cut: Cut) -> None:
        self._root, self._cut = root, cut
        self._ids: dict[tuple[str, str], Element] = {}
        """Elements by tag and id: some tools give a material and its effect the same id."""
        for element in root.iter():
            element.tag = element.tag.rpartition(":")[2]
            if (name := element.get("id")) is not None:
                self._ids.setdefault((element.tag, name), element)

    def surfaces(self) -> Iterator[Surface]:
        T = np.diag([*[_meters(self._root.find("asset/unit"))] * 3, 1.0])
        scene = self._root.find("scene/instance_visual_scene")
        shown = None if scene is None else self._named(scene, "url", "visual_scene")
        if shown is None:
            shown = self._root.find("library_visual_scenes/visual_scene")
        if shown is not None:
            for node in shown.findall("node"):
                yield from self._node(node, T, 0)
        else:
            for geometry in self._root.findall("library_geometries/geometry"):
                yield from self._geometry(geometry, T, {})

    def _named(self, element: Element, key: str, tag: str) -> Element | None:
        """The element of that tag that an attribute refers to."""
        return self._ids.get((tag, element.get(key, "").removeprefix("#")))

    def _needed(self, element: Element, key: str, tag: str) -> Element:
        found = self._named(element, key, tag)
        if found is None:
            raise ValueError(f"{key}={element.get(key)!r} of <{element.tag}> names nothing in it")
        return found

    def _node(self, node: Element, T: NDArray[np.float64], depth: int) -> Iterator[Surface]:
        if depth > DEEPEST:
            raise ValueError(f"its node {node.get('id')!r} lies more than {DEEPEST} nodes deep")
        for element in node:
            T = T @ _transform(element)
        for element in node:
            match element.tag:
                case "node":
                    yield from self._node(element, T, depth + 1)
                case "instance_node":
                    yield from self._node(self._needed(element, "url", "node"), T, depth + 1)
                case "instance_geometry":
                    geometry = self._needed(element, "url", "geometry")
                    yield from self._geometry(geometry, T, self._bound(element))
                case "instance_controller":
                    controller = self._needed(element, "url", "controller")
                    yield from self._skin(controller, T, self._bound(element))

    def _skin(
        self, controller: Element, T: NDArray[np.float64], bound: Mapping[str, Element]
    ) -> Iterator[Surface]:
        """A skin as it was bound to its bones."""
        skin = controller.find("skin")
        if skin is not None:
            pose = skin.find("bind_shape_matrix")
            T = T if pose is None else T @ numbers_in(pose, 16).reshape(4, 4)
            yield from self._geometry(self._needed(skin, "source", "geometry"), T, bound)

    def _bound(self, instance: Element) -> dict[str, Element]:
        """Materials by the symbols that stand for them in a geometry."""
        found = {}
        for binding in instance.iter("instance_material"):
            material = self._named(binding, "target", "material")
            if material is not None:
                found[binding.get("symbol", "")] = material
        return found

    def _geometry(
        self, geometry: Element, T: NDArray[np.float64], bound: Mapping[str, Element]
    ) -> Iterator[Surface]:
        mesh = geometry.find("mesh")
        for element in () if mesh is None else mesh:
            if not (polygons := polygons_of(element)):
                continue
            points = self._points(element, geometry)
            corners = np.concatenate([polygon.ravel() for polygon in polygons])
            if corners.min() < 0 or corners.max() >= len(points):
                wrong = corners.min() if corners.min() < 0 else corners.max()
                raise ValueError(
                    f"<{element.tag}> of geometry {geometry.get('id')!r} names vertex {wrong}; "
                    f"it has {len(points)}, counted from 0"
                )
            if not np.isfinite(T).all():
                raise ValueError("geometry hangs on a <lookat> or <skew>; write it as a matrix")
            triangles = np.concatenate([triangles_of(p, points, self._cut) for p in polygons])
            symbol = element.get("material", "")
            if np.linalg.det(T[:3, :3]) < 0:  # a mirror image: what was outside stays outside
                triangles = triangles[:, ::-1]
            color = self._color(bound.get(symbol, self._ids.get(("material", symbol))))
            yield Surface(points @ T[:3, :3].T + T[:3, 3], triangles, color)

    def _points(self, primitive: Element, geometry: Element) -> NDArray[np.float64]:
        """(V, 3) positions that a primitive's corners index."""
        where = f"<{primitive.tag}> of geometry {geometry.get('id')!r}"
        vertices = self._needed(input_of(primitive, "VERTEX", where), "source", "vertices")
        source = self._needed(input_of(vertices, "POSITION", where), "source", "source")
        accessor = source.find("technique_common/accessor")
        array = (
            source.find("float_array")
            if accessor is None
            else self._named(accessor, "source", "float_array")
        )
        if array is None or array.text is None:
            raise ValueError(f"{where} has no positions")
        stride, first, count = (_whole(accessor, key) for key in ("stride", "offset", "count"))
        names = [] if accessor is None else [e.get("name", "") for e in accessor.findall("param")]
        places = [names.index(n) if n in names else i for i, n in enumerate("XYZ")]
        width = 3 if stride is None else stride
        if max(places) >= width:
            raise ValueError(f"{where} has positions of {width} numbers; x, y and z are wanted")
        numbers = numbers_in(array)[first or 0 :]
        there = (len(numbers) + width - 1 - max(places)) // width
        rows = np.arange(there if count is None else min(count, there))[:, None]
        return numbers[rows * width + np.array(places)]

    def _color(self, material: Element | None) -> Color | None:
        """Of a material's diffuse light."""
        instance = None if material is None else material.find("instance_effect")
        effect = None if instance is None else self._named(instance, "url", "effect")
        diffuse = None if effect is None else next(effect.iter("diffuse"), None)
        if effect is None or diffuse is None:
            return None
        values = diffuse.find("color")
        if (reference := diffuse.find("param")) is not None:
            named = (p for p in effect.iter("newparam") if p.get("sid") == reference.get("ref"))
            values = next((child for p in named for child in p if child.tag[:5] == "float"), None)
        if values is None:
            return None
        if len(numbers := numbers_in(values)) < 3:
            return None
        red, green, blue = numbers[:3].clip(0, 1).tolist()
        return red, green, blue


def _whole(element: Element | None, key: str) -> int | None:
    """A count in an attribute; None where there is none."""
    text = None if element is None else element.get(key)
    if element is None or text is None:
        return None
    if not text.strip().isdecimal():
        raise ValueError(f"{key} of <{element.tag}> is {text!r}; a count is wanted")
    return int(text)


def _meters(unit: Element | None) -> float:
    """In one of the file's units."""
    text = "1" if unit is None else unit.get("meter", "1")
    try:
        meters = float(text)
    except ValueError:
        meters = 0.0
    if not 0 < meters < np.inf:
        raise ValueError(f"meter of <unit> is {text!r}; a number above 0 is wanted")
    return meters


def _transform(element: Element) -> NDArray[np.float64]:
    """(4, 4) of a node's child; the identity where it is none."""
    T = np.eye(4)
    match element.tag:
        case "matrix":
            T = numbers_in(element, 16).reshape(4, 4)
        case "translate":
            T[:3, 3] = numbers_in(element, 3)
        case "scale":
            T[:3, :3] = np.diag(numbers_in(element, 3))
        case "rotate":
            x, y, z, degrees = numbers_in(element, 4)
            if length := np.linalg.norm((x, y, z)):
                turn = np.array((x, y, z)) * np.radians(degrees) / length
                T[:3, :3] = Rotation.from_rotvec(turn).as_matrix()
        case "lookat" | "skew":  # of cameras; nothing can be seen in its place
            T = np.full((4, 4), np.nan)
    return T
