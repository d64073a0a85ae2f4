"""Reads a robot's visuals and joins them to one plain mesh per link.

    RobotModel --read--> parts (vertices, triangles, colour) --join--> LinkMesh per link

Collada is read by `blender_scenes.collada`, everything else by Blender's importers. Whatever axes a
file names, its vertices are taken as they stand in it.
"""

# bpy and its companions bring no type stubs.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

import ctypes
import os
import sys
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from blender_scenes.blender import bmesh, bpy, mathutils
from blender_scenes.collada import Color, read_collada
from blender_scenes.mesh_files import MESHES, colored_materials, fault, is_sound
from blender_scenes.spec import RobotModel, Visual
from jointloop.common.errors import SceneError

_LIBC = ctypes.CDLL(None)

DEFAULT_COLOR: Color = (0.6, 0.6, 0.6)
"""Linear RGB of a visual for which neither mesh file nor URDF names a colour."""

SAME_COLOR = 0.1
"""Colours closer than this in every channel become one material: few shaders sync fast."""

WELD = 1e-5
"""Vertices closer than this [m] become one; mesh files store them once per face or normal."""

LARGEST = 100.0
"""No visual is larger [m]: one that is comes in millimetres."""

CRUMB = 1e-4
"""Pieces of fewer than four triangles and less than this area are left out [m^2]."""


@dataclass(frozen=True)
class Part:
    """Triangles of one colour in their link's frame."""

    vertices: NDArray[np.float64]
    """(V, 3) [m]."""
    triangles: NDArray[np.int64]
    """(T, 3) indices into `vertices`."""
    color: Color


@dataclass(frozen=True)
class LinkMesh:
    """All that is seen of one link, in the link's frame."""

    vertices: NDArray[np.float64]
    """(V, 3) [m]."""
    triangles: NDArray[np.int64]
    """(T, 3) indices into `vertices`."""
    materials: NDArray[np.int32]
    """(T,) index of each triangle's base colour."""


@contextmanager
def quiet() -> Iterator[None]:
    """Send what C code writes to standard output and error to nowhere: Blender reports to either.

    Python's own errors are raised, not written, so nothing of them is lost.
    """
    _flush()
    kept = [(number, os.dup(number)) for number in (1, 2)]
    _silence()
    try:
        yield
    finally:
        _flush()  # what C still buffers would come out later
        for number, copy in kept:
            os.dup2(copy, number)
            os.close(copy)


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    _LIBC.fflush(None)


def _silence() -> None:
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    os.close(sink)


def read_robot(model: RobotModel) -> tuple[dict[int, LinkMesh], list[Color]]:
    """The mesh of each link that shows something, and its base colours, largest area first.

    Blender is left empty.

    Raises:
        SceneError: a mesh file is missing, unreadable or of a kind that is not known, or the robot
            has nothing to see.
    """
    parts = [
        (visual.link, part) for visual in model.visuals for part in _read_visual(visual, model)
    ]
    with quiet():
        bpy.ops.wm.read_factory_settings(use_empty=True)
    colors, index = _merge_colors([part for _, part in parts])
    meshes = {}
    for link in sorted({link for link, _ in parts}):
        own = [(part, i) for (at, part), i in zip(parts, index, strict=True) if at == link]
        mesh = _join(own)
        if len(mesh.triangles):
            meshes[link] = mesh
    if not meshes:
        raise SceneError(f"robot {model.name!r} has no visual geometry, so nothing could be seen")
    return meshes, colors


def _read_visual(visual: Visual, model: RobotModel) -> list[Part]:
    """The parts of one visual, moved into its link's frame.

    Raises:
        SceneError: its mesh file cannot be read, or it is too large to be seen.
    """
    parts = _primitive(visual) if visual.mesh is None else _read_file(visual.mesh, visual.color)
    A = visual.T_link_visual[:3, :3] * np.asarray(visual.scale)
    largest = max((np.ptp(part.vertices @ A.T, axis=0).max() for part in parts), default=0.0)
    if largest > LARGEST:
        what = visual.mesh or f"a {visual.primitive and visual.primitive[0]}"
        raise SceneError(
            f"{what} of link {model.links[visual.link]!r} is {largest:g} m large; wanted at most "
            f"{LARGEST:g} m. "
            'A mesh in millimetres needs scale="0.001 0.001 0.001" in its URDF'
        )
    mirrored = np.linalg.det(A) < 0
    return [
        Part(
            part.vertices @ A.T + visual.T_link_visual[:3, 3],
            part.triangles[:, ::-1] if mirrored else part.triangles,
            part.color,
        )
        for part in parts
    ]


def _primitive(visual: Visual) -> list[Part]:
    if visual.primitive is None:
        raise SceneError(f"a visual of link {visual.link} has neither a mesh nor a primitive")
    kind, size = visual.primitive
    bm = bmesh.new()
    if kind == "box":
        bmesh.ops.create_cube(bm, size=1.0, matrix=mathutils.Matrix.Diagonal((*size, 1.0)))
    elif kind == "cylinder":
        radius, length = size
        bmesh.ops.create_cone(
            bm, cap_ends=True, segments=64, radius1=radius, radius2=radius, depth=length
        )
    else:
        bmesh.ops.create_icosphere(bm, subdivisions=4, radius=size[0])
    mesh = bpy.data.meshes.new(kind)
    bm.to_mesh(mesh)
    bm.free()
    vertices, triangles, _ = _arrays(mesh)
    bpy.data.meshes.remove(mesh)
    return [Part(vertices, triangles, visual.color or DEFAULT_COLOR)]


def _read_file(path: Path, color: Color | None) -> list[Part]:
    """The triangles of a mesh file by colour; none where it is sound and has none."""
    if not path.is_file():
        raise SceneError(f"mesh file {path} does not exist")
    if why := fault(path):
        raise SceneError(f"mesh file {path} cannot be read: {why}")
    if path.suffix.lower() == ".dae":
        return [
            Part(surface.vertices, surface.triangles, surface.color or color or DEFAULT_COLOR)
            for surface in read_collada(path)
        ]
    try:
        with quiet():
            bpy.ops.wm.read_factory_settings(use_empty=True)
            _import(path)
    except RuntimeError as error:
        raise SceneError(f"mesh file {path} cannot be read: {str(error).strip()}") from error
    bpy.context.view_layer.update()
    meshes = [block for block in bpy.data.objects if block.type == "MESH"]
    # Blender makes up a grey for materials that nothing defines.
    known = colored_materials(path) if path.suffix.lower() == ".obj" else set()
    parts = [part for block in meshes for part in _parts(block, color, known)]
    if not parts and not is_sound(path):
        raise SceneError(f"mesh file {path} cannot be read: it is no {path.suffix}")
    return parts


def _import(path: Path) -> None:
    match path.suffix.lower():
        case ".stl":
            bpy.ops.wm.stl_import(filepath=str(path), forward_axis="Y", up_axis="Z")
        case ".obj":
            bpy.ops.wm.obj_import(filepath=str(path), forward_axis="Y", up_axis="Z")
        case ".ply":
            bpy.ops.wm.ply_import(filepath=str(path), forward_axis="Y", up_axis="Z")
        case suffix:
            raise SceneError(f"mesh file {path} is {suffix!r}; {', '.join(MESHES)} are known")


def _parts(obj: bpy.types.Object, color: Color | None, known: Set[str]) -> list[Part]:
    """The triangles of an imported object by material, in the file's coordinates.

    Args:
        obj: the object.
        color: of what has none of its own.
        known: names of the materials that have one.
    """
    vertices, triangles, slots = _arrays(obj.data)
    pose = np.array(obj.matrix_world)
    vertices = vertices @ pose[:3, :3].T + pose[:3, 3]
    parts = []
    for slot in np.unique(slots):
        materials = obj.data.materials
        material = materials[slot] if slot < len(materials) else None
        own = _base_color(material) if material is not None and material.name in known else None
        part = own or color or DEFAULT_COLOR
        parts.append(Part(vertices, triangles[slots == slot], part))
    return parts


def _base_color(material: bpy.types.Material) -> Color | None:
    if not material.use_nodes:
        return None
    node = material.node_tree.nodes.get("Principled BSDF")
    return None if node is None else tuple(node.inputs["Base Color"].default_value[:3])


def _arrays(
    mesh: bpy.types.Mesh,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int32]]:
    """Vertices (V, 3), triangles (T, 3) and the material slot (T,) of each triangle."""
    mesh.calc_loop_triangles()
    vertices = np.empty(3 * len(mesh.vertices), np.float32)
    triangles = np.empty(3 * len(mesh.loop_triangles), np.int32)
    slots = np.empty(len(mesh.loop_triangles), np.int32)
    mesh.vertices.foreach_get("co", vertices)
    mesh.loop_triangles.foreach_get("vertices", triangles)
    mesh.loop_triangles.foreach_get("material_index", slots)
    return (
        vertices.reshape(-1, 3).astype(np.float64),
        triangles.reshape(-1, 3).astype(np.int64),
        slots,
    )


def _merge_colors(parts: Sequence[Part]) -> tuple[list[Color], list[int]]:
    """The colours that stand for all parts, largest area first, and which one each part takes."""
    area: dict[Color, float] = {}
    for part in parts:
        a, b, c = (part.vertices[part.triangles[:, i]] for i in range(3))
        size = float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)
        area[part.color] = area.get(part.color, 0.0) + size
    colors: list[Color] = []
    index: dict[Color, int] = {}
    for color in sorted(area, key=lambda c: -area[c]):
        near = [np.abs(np.subtract(color, other)).max() for other in colors]
        if near and min(near) < SAME_COLOR:
            index[color] = int(np.argmin(near))
        else:
            index[color] = len(colors)
            colors.append(color)
    return colors, [index[part.color] for part in parts]


def _join(parts: Sequence[tuple[Part, int]]) -> LinkMesh:
    """One mesh of all parts, vertices welded, without collapsed triangles and crumbs."""
    offsets = np.cumsum([0] + [len(part.vertices) for part, _ in parts])
    vertices = np.concatenate([part.vertices for part, _ in parts])
    triangles = np.concatenate(
        [part.triangles + offset for (part, _), offset in zip(parts, offsets, strict=False)]
    )
    materials = np.repeat([i for _, i in parts], [len(part.triangles) for part, _ in parts])
    _, first, inverse = np.unique(
        np.round(vertices / WELD).astype(np.int64), axis=0, return_index=True, return_inverse=True
    )
    triangles = inverse.reshape(-1)[triangles]
    a, b, c = triangles.T
    real = (a != b) & (b != c) & (c != a)
    vertices, triangles, materials = vertices[first], triangles[real], materials[real]
    kept = ~_crumbs(vertices, triangles)
    used, compact = np.unique(triangles[kept], return_inverse=True)
    return LinkMesh(vertices[used], compact.reshape(-1, 3), materials[kept].astype(np.int32))


def _crumbs(vertices: NDArray[np.float64], triangles: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(T,) small triangles that hang on so few others that they enclose nothing.

    Mesh files hold some, far from everything: one floats 6 cm beside the UR10's upper arm.
    """
    corners = np.roll(triangles, 1, axis=1)
    edges = np.ones(triangles.size), (triangles.ravel(), corners.ravel())
    _, piece = connected_components(coo_matrix(edges, shape=(len(vertices),) * 2), directed=False)
    piece = piece[triangles[:, 0]]
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    few = np.bincount(piece) < 4
    return (few & (np.bincount(piece, area) < CRUMB))[piece]
