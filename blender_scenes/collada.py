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

from blender_scenes.blender import mathutils
from jointloop.common.errors import SceneError
from jointloop.common.markup import MarkupError, read_markup

Color = tuple[float, float, float]
Polygons = list[NDArray[np.int64]]
"""Indices of the corners of each, or (N, 3) and (N, 4) of many at once."""

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


def read_collada(path: Path) -> list[Surface]:
    """The surfaces of a Collada file; none where it shows nothing.

    Raises:
        SceneError: it is no Collada, or what it shows is not all there; says why.
    """
    try:
        root = read_markup(path)
        if root.tag.rpartition(":")[2] != "COLLADA":
            raise ValueError(f"its element is <{root.tag}>; <COLLADA> is wanted")
        return list(_Document(root).surfaces())
    except (OSError, MarkupError, ValueError) as error:
        raise SceneError(f"mesh file {path} cannot be read: {error}") from error


class _Document:
    """One file; faults are ValueErrors that name the element."""

    def __init__(self, root: Element) -> None:
        self._root = root
        self._ids: dict[str, Element] = {}
        for element in root.iter():
            element.tag = element.tag.rpartition(":")[2]
            if (name := element.get("id")) is not None:
                self._ids.setdefault(name, element)

    def surfaces(self) -> Iterator[Surface]:
        unit = self._root.find("asset/unit")
        T = np.diag([*[float(unit.get("meter", 1)) if unit is not None else 1.0] * 3, 1.0])
        scene = self._root.find("scene/instance_visual_scene")
        shown = None if scene is None else self._named(scene, "url")
        if shown is None:
            shown = self._root.find("library_visual_scenes/visual_scene")
        if shown is not None:
            for node in shown.findall("node"):
                yield from self._node(node, T, 0)
        else:
            for geometry in self._root.findall("library_geometries/geometry"):
                yield from self._geometry(geometry, T, {})

    def _named(self, element: Element, key: str) -> Element | None:
        """The element that an attribute refers to."""
        return self._ids.get(element.get(key, "").removeprefix("#"))

    def _needed(self, element: Element, key: str) -> Element:
        found = self._named(element, key)
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
                    yield from self._node(self._needed(element, "url"), T, depth + 1)
                case "instance_geometry":
                    geometry = self._needed(element, "url")
                    yield from self._geometry(geometry, T, self._bound(element))
                case "instance_controller":
                    yield from self._skin(self._needed(element, "url"), T, self._bound(element))

    def _skin(
        self, controller: Element, T: NDArray[np.float64], bound: Mapping[str, Element]
    ) -> Iterator[Surface]:
        """A skin as it was bound to its bones."""
        skin = controller.find("skin")
        if skin is not None:
            pose = skin.find("bind_shape_matrix")
            T = T if pose is None else T @ _numbers(pose, 16).reshape(4, 4)
            yield from self._geometry(self._needed(skin, "source"), T, bound)

    def _bound(self, instance: Element) -> dict[str, Element]:
        """Materials by the symbols that stand for them in a geometry."""
        found = {}
        for binding in instance.iter("instance_material"):
            material = self._named(binding, "target")
            if material is not None:
                found[binding.get("symbol", "")] = material
        return found

    def _geometry(
        self, geometry: Element, T: NDArray[np.float64], bound: Mapping[str, Element]
    ) -> Iterator[Surface]:
        mesh = geometry.find("mesh")
        for element in () if mesh is None else mesh:
            read = _PRIMITIVES.get(element.tag)
            polygons = [] if read is None else read(element)
            if not polygons:
                continue
            points = self._points(element, geometry)
            corners = np.concatenate([polygon.ravel() for polygon in polygons])
            if corners.min() < 0 or corners.max() >= len(points):
                raise ValueError(
                    f"<{element.tag}> of geometry {geometry.get('id')!r} names vertex "
                    f"{corners.max()}; it has {len(points)}"
                )
            if not np.isfinite(T).all():
                raise ValueError("geometry hangs on a <lookat> or <skew>; write it as a matrix")
            triangles = np.concatenate([_triangles(polygon, points) for polygon in polygons])
            symbol = element.get("material", "")
            color = self._color(bound.get(symbol, self._ids.get(symbol)))
            yield Surface(points @ T[:3, :3].T + T[:3, 3], triangles, color)

    def _points(self, primitive: Element, geometry: Element) -> NDArray[np.float64]:
        """(V, 3) positions that a primitive's corners index."""
        where = f"<{primitive.tag}> of geometry {geometry.get('id')!r}"
        vertices = self._needed(_input(primitive, "VERTEX", where), "source")
        source = self._needed(_input(vertices, "POSITION", where), "source")
        accessor = source.find("technique_common/accessor")
        array = source.find("float_array") if accessor is None else self._named(accessor, "source")
        if array is None or array.text is None:
            raise ValueError(f"{where} has no positions")
        get = {} if accessor is None else accessor.attrib
        stride, first = int(get.get("stride", 3)), int(get.get("offset", 0))
        numbers = _numbers(array)[first:]
        count = min(int(get.get("count", len(numbers))), (len(numbers) + stride - 3) // stride)
        rows = np.arange(count)[:, None] * stride + np.arange(3)
        return numbers[rows]

    def _color(self, material: Element | None) -> Color | None:
        """Of a material's diffuse light."""
        instance = None if material is None else material.find("instance_effect")
        effect = None if instance is None else self._named(instance, "url")
        diffuse = None if effect is None else next(effect.iter("diffuse"), None)
        if effect is None or diffuse is None:
            return None
        values = diffuse.find("color")
        if (reference := diffuse.find("param")) is not None:
            named = (p for p in effect.iter("newparam") if p.get("sid") == reference.get("ref"))
            values = next((child for p in named for child in p if child.tag[:5] == "float"), None)
        if values is None:
            return None
        red, green, blue = _numbers(values)[:3].tolist()
        return red, green, blue


def _numbers(element: Element, count: int | None = None) -> NDArray[np.float64]:
    """The finite numbers in an element's text."""
    try:
        values = np.array((element.text or "").split(), np.float64)
    except ValueError as error:
        raise ValueError(f"<{element.tag}>: {error}") from None
    if not np.isfinite(values).all() or count not in (None, len(values)):
        wanted = "finite numbers" if count is None else f"{count} finite numbers"
        raise ValueError(f"<{element.tag}> holds {len(values)} numbers; {wanted} wanted")
    return values


def _transform(element: Element) -> NDArray[np.float64]:
    """(4, 4) of a node's child; the identity where it is none."""
    T = np.eye(4)
    match element.tag:
        case "matrix":
            T = _numbers(element, 16).reshape(4, 4)
        case "translate":
            T[:3, 3] = _numbers(element, 3)
        case "scale":
            T[:3, :3] = np.diag(_numbers(element, 3))
        case "rotate":
            x, y, z, degrees = _numbers(element, 4)
            if length := np.linalg.norm((x, y, z)):
                turn = np.array((x, y, z)) * np.radians(degrees) / length
                T[:3, :3] = Rotation.from_rotvec(turn).as_matrix()
        case "lookat" | "skew":  # of cameras; nothing can be seen in its place
            T = np.full((4, 4), np.nan)
    return T


def _input(element: Element, semantic: str, where: str) -> Element:
    found = (e for e in element.findall("input") if e.get("semantic") == semantic)
    if (first := next(found, None)) is None:
        raise ValueError(f"{where} has no <input> of {semantic}")
    return first


def _corners(primitive: Element, p: Element) -> NDArray[np.int64]:
    """Vertex of each corner that a <p> lists, among indices of normals and the like."""
    offsets = [int(e.get("offset", 0)) for e in primitive.findall("input")]
    own = int(_input(primitive, "VERTEX", f"<{primitive.tag}>").get("offset", 0))
    return _numbers(p).astype(np.int64)[own :: max(offsets) + 1]


def _of_triangles(primitive: Element) -> Polygons:
    corners = [_corners(primitive, p) for p in primitive.findall("p")]
    return [c[: len(c) // 3 * 3].reshape(-1, 3) for c in corners if len(c) >= 3]


def _of_polylist(primitive: Element) -> Polygons:
    p, vcount = primitive.find("p"), primitive.find("vcount")
    if p is None or vcount is None:
        return []
    corners, counts = _corners(primitive, p), _numbers(vcount).astype(np.int64)
    ends = np.cumsum(counts)
    if len(ends) and ends[-1] > len(corners):
        raise ValueError(f"<polylist> counts {ends[-1]} corners and lists {len(corners)}")
    polygons = []
    for n in np.unique(counts[counts >= 3]).tolist():
        starts = (ends - counts)[counts == n]
        many = corners[starts[:, None] + np.arange(n)]
        polygons += [many] if n < 5 else list(many)
    return polygons


def _of_polygons(primitive: Element) -> Polygons:
    """Holes are filled."""
    corners = [_corners(primitive, p) for p in primitive.findall("p")]
    corners += [_corners(primitive, p) for p in primitive.findall("ph/p")]
    return [c[None] if len(c) < 5 else c for c in corners if len(c) >= 3]


def _of_strips(primitive: Element) -> Polygons:
    polygons = []
    for p in primitive.findall("p"):
        c = _corners(primitive, p)
        strip = np.stack([c[:-2], c[1:-1], c[2:]], axis=1)
        strip[1::2] = strip[1::2, ::-1]
        polygons.append(strip)
    return [strip for strip in polygons if len(strip)]


def _of_fans(primitive: Element) -> Polygons:
    fans = []
    for p in primitive.findall("p"):
        c = _corners(primitive, p)
        fans.append(np.stack([np.full(len(c) - 2, c[0]), c[1:-1], c[2:]], axis=1))
    return [fan for fan in fans if len(fan)]


_PRIMITIVES = {
    "triangles": _of_triangles,
    "polylist": _of_polylist,
    "polygons": _of_polygons,
    "tristrips": _of_strips,
    "trifans": _of_fans,
}


def _triangles(polygon: NDArray[np.int64], points: NDArray[np.float64]) -> NDArray[np.int64]:
    """(T, 3) of many triangles (N, 3), many quads (N, 4), or the corners (M,) of one polygon."""
    if polygon.ndim == 1:
        cut = mathutils.geometry.tessellate_polygon([points[polygon].tolist()])
        return polygon[np.array(cut, np.int64).reshape(-1, 3)]
    if polygon.shape[1] == 3:
        return polygon
    a, b, c, d = (points[polygon[:, i]] for i in range(4))
    one, other = np.cross(b - a, c - a), np.cross(c - a, d - a)
    dented = (one * other).sum(axis=1) < 0  # the first diagonal lies outside
    first = polygon[:, [0, 1, 2, 0, 2, 3]]
    second = polygon[:, [1, 2, 3, 1, 3, 0]]
    return np.where(dented[:, None], second, first).reshape(-1, 3)
