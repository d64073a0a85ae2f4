"""Props and stands in Blender: all of a frame's in one mesh, so that many cost little.

Objects cost Cycles time one by one, their triangles hardly any. The mesh is built in numpy; every
vertex carries its prop's look, which the one material reads.
"""

# bpy and its companions bring no type stubs.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from blender_scenes.appearance import Surroundings
from blender_scenes.blender import bmesh, bpy
from blender_scenes.solids import Shape, T_world_solids, shape
from blender_scenes.spec import Prop

FINENESS = ((0.015, 8, 2), (0.1, 24, 3), (np.inf, 64, 4))
"""Diameters [m] up to which round solids have so many sides, and spheres so many subdivisions."""
COLOR, FINISH = "prop_color", "prop_finish"
"""Attributes of vertices: linear RGB, and (roughness, metallic, 0). Cycles reads none of the plain
name color."""

Unit = tuple[NDArray[np.float32], NDArray[np.int32]]
"""Vertices (V, 3) and triangles (T, 3) of a shape of unit size about its own origin. Faces that
meet at an edge share no vertices, so that all may be shaded smooth."""


class Shapes:
    """All props of a scene."""

    def __init__(self, scene: bpy.types.Scene, surroundings: Surroundings) -> None:
        self._mesh = bpy.data.meshes.new("props")
        self._mesh.materials.append(_material(surroundings))
        self._block = bpy.data.objects.new("props", self._mesh)
        self._block.hide_render = True
        self._block.visible_diffuse = self._block.visible_glossy = False
        scene.collection.objects.link(self._block)
        self._shown: tuple[Prop, ...] = ()

    def show(self, things: Sequence[Prop]) -> None:
        """Put these where they belong, and none else."""
        things = tuple(things)
        if things == self._shown:
            return
        self._shown = things
        self._block.hide_render = not things
        if things:
            _fill(self._mesh, things)


def _fill(mesh: bpy.types.Mesh, things: Sequence[Prop]) -> None:
    """Make a mesh anew of these solids."""
    units = [unit(shape(solid), *_fineness(solid)) for solid in things]
    counts = [len(vertices) for vertices, _ in units]
    starts = np.cumsum([0, *counts[:-1]])
    poses = zip(units, T_world_solids(things), strict=True)
    vertices = np.concatenate([v @ T[:3, :3].T + T[:3, 3] for (v, _), T in poses])
    corners = np.concatenate(
        [triangles + start for (_, triangles), start in zip(units, starts, strict=True)]
    )
    mesh.clear_geometry()
    mesh.vertices.add(len(vertices))
    mesh.vertices.foreach_set("co", vertices.astype(np.float32).ravel())
    mesh.loops.add(corners.size)
    mesh.loops.foreach_set("vertex_index", corners.astype(np.int32).ravel())
    mesh.polygons.add(len(corners))
    mesh.polygons.foreach_set("loop_start", np.arange(0, corners.size, 3, dtype=np.int32))
    colors = np.array([solid.color for solid in things], np.float32)
    finishes = np.array([(s.roughness, s.metallic, 0.0) for s in things], np.float32)
    for name, looks in ((COLOR, colors), (FINISH, finishes)):
        own = mesh.attributes.new(name, "FLOAT_VECTOR", "POINT")
        own.data.foreach_set("vector", np.repeat(looks, counts, axis=0).ravel())
    mesh.update(calc_edges=True)


def _fineness(solid: Prop) -> tuple[int, int]:
    """Sides about its axis and steps of its icosphere, by how thick a solid is."""
    thick = max(solid.size if solid.kind == "sphere" else solid.size[:2])
    return next((sides, steps) for least, sides, steps in FINENESS if thick <= least)


@cache
def unit(kind: Shape, sides: int, steps: int) -> Unit:
    """A shape of so many sides, or a sphere of so many subdivisions."""
    if kind == "box":
        return _box()
    if kind == "sphere":
        return _sphere(steps)
    return _round(sides, 0.5 if kind == "cylinder" else 0.0)


def _box() -> Unit:
    """Six sides of four vertices each."""
    square = np.array([[1, -1, -1], [1, 1, -1], [1, 1, 1], [1, -1, 1]]) / 2
    positive = [np.roll(square, axis, axis=1) for axis in range(3)]
    faces = np.array([*positive, *(-side[::-1] for side in positive)])
    quad = np.array([[0, 1, 2], [0, 2, 3]])
    triangles = quad + 4 * np.arange(6)[:, None, None]
    return faces.reshape(-1, 3).astype(np.float32), triangles.reshape(-1, 3).astype(np.int32)


def _round(sides: int, tip: float) -> Unit:
    """A cylinder, or with tip 0 a cone: the side, then both caps; a cone's tip once a side."""
    angle = np.arange(sides) * 2 * np.pi / sides
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    low = np.column_stack([0.5 * circle, np.full(sides, -0.5)])
    high = np.column_stack([tip * circle, np.full(sides, 0.5)])
    here, after = np.arange(sides), np.roll(np.arange(sides), -1)
    wall = np.concatenate(
        [
            np.stack([here, after, sides + here], axis=1),
            np.stack([after, sides + after, sides + here], axis=1)[: sides if tip else 0],
        ]
    )
    fan = np.stack([0 * here[2:], here[1:-1], here[2:]], axis=1)
    vertices, triangles = [low, high, low], [wall, fan[:, ::-1] + 2 * sides]
    if tip:
        vertices.append(high)
        triangles.append(fan + 3 * sides)
    return np.concatenate(vertices).astype(np.float32), np.concatenate(triangles).astype(np.int32)


def _sphere(steps: int) -> Unit:
    made = bmesh.new()
    bmesh.ops.create_icosphere(made, subdivisions=steps, radius=0.5)
    vertices = np.array([vertex.co for vertex in made.verts], np.float32)
    triangles = np.array([[v.index for v in face.verts] for face in made.faces], np.int32)
    made.free()
    return vertices, triangles


def _material(surroundings: Surroundings) -> bpy.types.Material:
    """Colour, roughness and metallic from the vertices."""
    material = bpy.data.materials.new("props")
    surface = surroundings.coat(material)
    tree = material.node_tree
    sources = []
    for name in (COLOR, FINISH):
        source = tree.nodes.new("ShaderNodeAttribute")
        source.attribute_name = name
        sources.append(source.outputs["Vector"])
    finish = tree.nodes.new("ShaderNodeSeparateXYZ")
    tree.links.new(sources[1], finish.inputs[0])
    tree.links.new(sources[0], surface.inputs["Color"])
    tree.links.new(finish.outputs["X"], surface.inputs["Roughness"])
    tree.links.new(finish.outputs["Y"], surface.inputs["Metallic"])
    return material
