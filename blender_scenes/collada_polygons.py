"""The elements of a Collada file that list polygons: their corners, and triangles in their place.

Faults are ValueErrors that name the element.
"""

from collections.abc import Callable
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

Polygons = list[NDArray[np.int64]]
"""Indices of the corners of each, or (N, 3) and (N, 4) of many at once."""
Cut = Callable[[NDArray[np.int64], NDArray[np.float64]], NDArray[np.int64]]
"""Corners (M,) of a polygon, among points (V, 3) -> (T, 3) triangles in its place."""


def polygons_of(primitive: Element) -> Polygons:
    """What an element lists; nothing where it is of a kind that has no surface."""
    read = _PRIMITIVES.get(primitive.tag)
    return [] if read is None else read(primitive)


def tessellated(polygon: NDArray[np.int64], points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Triangles that fill a polygon, dented ones too; takes Blender."""
    from blender_scenes.blender import mathutils

    cut = mathutils.geometry.tessellate_polygon([points[polygon].tolist()])
    return polygon[np.array(cut, np.int64).reshape(-1, 3)]


def fanned(
    polygon: NDArray[np.int64], points: NDArray[np.float64] | None = None
) -> NDArray[np.int64]:
    """Triangles about a polygon's first corner: they hold it, and no more than its convex hull."""
    first = np.full(len(polygon) - 2, polygon[0])
    return np.stack([first, polygon[1:-1], polygon[2:]], axis=1)


def triangles_of(
    polygon: NDArray[np.int64], points: NDArray[np.float64], cut: Cut = tessellated
) -> NDArray[np.int64]:
    """(T, 3) of many triangles (N, 3), many quads (N, 4), or the corners (M,) of one polygon."""
    if polygon.ndim == 1:
        return cut(polygon, points)
    if polygon.shape[1] == 3:
        return polygon
    a, b, c, d = (points[polygon[:, i]] for i in range(4))
    one, other = np.cross(b - a, c - a), np.cross(c - a, d - a)
    dented = (one * other).sum(axis=1) < 0  # the first diagonal lies outside
    first = polygon[:, [0, 1, 2, 0, 2, 3]]
    second = polygon[:, [1, 2, 3, 1, 3, 0]]
    return np.where(dented[:, None], second, first).reshape(-1, 3)


def numbers_in(element: Element, count: int | None = None) -> NDArray[np.float64]:
    """The finite numbers in an element's text."""
    try:
        values = np.array((element.text or "").split(), np.float64)
    except ValueError as error:
        raise ValueError(f"<{element.tag}>: {error}") from None
    if not np.isfinite(values).all() or count not in (None, len(values)):
        wanted = "finite numbers" if count is None else f"{count} finite numbers"
        raise ValueError(f"<{element.tag}> holds {len(values)} numbers; {wanted} wanted")
    return values


def input_of(element: Element, semantic: str, where: str) -> Element:
    """The first <input> of that kind in what errors call `where`."""
    found = (e for e in element.findall("input") if e.get("semantic") == semantic)
    if (first := next(found, None)) is None:
        raise ValueError(f"{where} has no <input> of {semantic}")
    return first


def _corners(primitive: Element, p: Element) -> NDArray[np.int64]:
    """Vertex of each corner that a <p> lists, among indices of normals and the like."""
    offsets = [int(e.get("offset", 0)) for e in primitive.findall("input")]
    own = int(input_of(primitive, "VERTEX", f"<{primitive.tag}>").get("offset", 0))
    return numbers_in(p).astype(np.int64)[own :: max(offsets) + 1]


def _of_triangles(primitive: Element) -> Polygons:
    corners = [_corners(primitive, p) for p in primitive.findall("p")]
    return [c[: len(c) // 3 * 3].reshape(-1, 3) for c in corners if len(c) >= 3]


def _of_polylist(primitive: Element) -> Polygons:
    p, vcount = primitive.find("p"), primitive.find("vcount")
    if p is None or vcount is None:
        return []
    corners, counts = _corners(primitive, p), numbers_in(vcount).astype(np.int64)
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
        if len(c) >= 3:
            strip = np.stack([c[:-2], c[1:-1], c[2:]], axis=1)
            strip[1::2] = strip[1::2, ::-1]
            polygons.append(strip)
    return polygons


def _of_fans(primitive: Element) -> Polygons:
    corners = [_corners(primitive, p) for p in primitive.findall("p")]
    return [fanned(c) for c in corners if len(c) >= 3]


_PRIMITIVES = {
    "triangles": _of_triangles,
    "polylist": _of_polylist,
    "polygons": _of_polygons,
    "tristrips": _of_strips,
    "trifans": _of_fans,
}
