"""What is seen of a robot as plain triangles, read without Blender.

Collada is read by `blender_scenes.collada`, everything else by trimesh. Small pieces that float
beside a link are left out, as they are where it is rendered.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray

from blender_scenes.collada import read_collada
from blender_scenes.collada_polygons import fanned
from blender_scenes.mesh_files import MESHES, fault, is_sound
from blender_scenes.spec import RobotModel, Visual
from jointloop.common.errors import SceneError
from simulator.robot.errors import RobotError

CRUMB_TRIANGLES, CRUMB = 4, 1e-4
"""Pieces of fewer triangles and of less area [m^2] are left out."""
DIGITS = 5
"""Decimals of a metre that vertices are rounded to, so that every processor finds the same."""
ROUND = 24
"""Corners of the polygon around a circle."""

Faces = NDArray[np.float64]
"""(F, 3, 3) corners of triangles [m]."""


@dataclass(frozen=True, eq=False)
class Surface:
    """All that is seen of one link, in the link's frame."""

    vertices: NDArray[np.float64]
    """(V, 3) [m]."""
    triangles: NDArray[np.int64]
    """(T, 3) indices into `vertices`."""


def surfaces(model: RobotModel) -> dict[int, Surface]:
    """The surface of each link that shows something.

    Raises:
        RobotError: a mesh file cannot be read.
    """
    parts: dict[int, list[Faces]] = {}
    for visual in model.visuals:
        parts.setdefault(visual.link, []).append(_of_visual(visual))
    joined = {link: _whole(np.concatenate(faces)) for link, faces in parts.items()}
    return {link: surface for link, surface in joined.items() if len(surface.triangles)}


def _of_visual(visual: Visual) -> Faces:
    faces = _primitive(visual) if visual.mesh is None else read_mesh(visual.mesh)
    A = visual.T_link_visual[:3, :3] * np.asarray(visual.scale)
    return (faces @ A.T + visual.T_link_visual[:3, 3]).round(DIGITS)


def _primitive(visual: Visual) -> Faces:
    """A box as it is; a polyhedron about a cylinder or a sphere."""
    kind, size = visual.primitive or ("box", (0.0, 0.0, 0.0))
    if kind == "box":
        return _faces(trimesh.creation.box(size))
    if kind == "cylinder":
        radius, length = size[0] / np.cos(np.pi / ROUND), size[1]
        return _faces(trimesh.creation.cylinder(radius, length, sections=ROUND))
    return _faces(trimesh.creation.icosphere(subdivisions=2, radius=size[0]))


def read_mesh(path: Path) -> Faces:
    """The triangles of a mesh file, as they stand in it.

    Raises:
        RobotError: it cannot be read.
    """
    kind = path.suffix.lower()
    try:
        if why := fault(path):
            raise RobotError(f"mesh file {path} cannot be read: {why}")
        if kind == ".dae":
            read = read_collada(path, fanned)
            return np.concatenate([np.empty((0, 3, 3)), *(s.vertices[s.triangles] for s in read)])
        if kind not in MESHES:
            raise RobotError(f"mesh file {path} is {kind!r}; {', '.join(MESHES)} are known")
        faces = _faces(trimesh.load_mesh(path, process=False))
        if not len(faces) and not is_sound(path):
            raise RobotError(f"mesh file {path} cannot be read: it is no {kind}")
        if not np.isfinite(faces).all():
            raise RobotError(f"mesh file {path} has corners that are no finite numbers")
        return faces
    except SceneError as error:
        raise RobotError(str(error)) from error
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise RobotError(f"mesh file {path} cannot be read: {error}") from error


def _faces(mesh: trimesh.Trimesh) -> Faces:
    return np.asarray(mesh.triangles, np.float64)


def _whole(faces: Faces) -> Surface:
    """One surface of triangles, without the crumbs that hang on few others."""
    mesh = trimesh.Trimesh(faces.reshape(-1, 3), np.arange(3 * len(faces)).reshape(-1, 3))
    pieces = trimesh.graph.connected_component_labels(mesh.edges, node_count=len(mesh.vertices))
    piece = pieces[mesh.faces[:, 0]]
    few = np.bincount(piece) < CRUMB_TRIANGLES
    crumbs = few & (np.bincount(piece, mesh.area_faces) < CRUMB)
    return Surface(np.asarray(mesh.vertices), np.asarray(mesh.faces, np.int64)[~crumbs[piece]])
