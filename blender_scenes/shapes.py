"""Props and stands as Blender objects, out of a pool for each shape."""

# bpy and its companions bring no type stubs.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

from collections.abc import Sequence
from typing import get_args

import numpy as np

from blender_scenes.appearance import Surroundings
from blender_scenes.blender import bmesh, bpy, mathutils
from blender_scenes.figures import twin
from blender_scenes.solids import Shape, T_world_solid, shape
from blender_scenes.spec import Prop

SEGMENTS = 64
"""Of a round shape's circumference."""
FINE = 1000
"""Steps of metallic, which travels as a whole number."""


class Shapes:
    """All props of a scene; they share one material, which takes its look from the object.

    Changing an object's own numbers costs next to nothing; changing a material makes Cycles compile
    it anew.
    """

    def __init__(self, scene: bpy.types.Scene, surroundings: Surroundings) -> None:
        material = _material(surroundings)
        self._pools = {kind: _Pool(scene, kind, material) for kind in get_args(Shape)}

    def show(self, things: Sequence[Prop]) -> None:
        """Put these where they belong and hide what is left over."""
        for kind, pool in self._pools.items():
            pool.show([solid for solid in things if shape(solid) == kind])


class _Pool:
    """Objects of one shape."""

    def __init__(self, scene: bpy.types.Scene, kind: Shape, material: bpy.types.Material) -> None:
        self._scene = scene
        self._mesh = _mesh(kind)
        self._mesh.materials.append(material)
        self._objects: list[bpy.types.Object] = []
        self._shown: list[Prop | None] = []
        self._twin: bpy.types.Object | None = None

    def show(self, things: Sequence[Prop]) -> None:
        while len(self._objects) < len(things):
            self._grow()
        if self._twin is not None:
            self._twin.hide_render = not things
        wanted = (*things, *[None] * (len(self._objects) - len(things)))
        for i, (block, solid) in enumerate(zip(self._objects, wanted, strict=True)):
            if solid != self._shown[i]:
                _set(block, solid)
                self._shown[i] = solid

    def _grow(self) -> None:
        block = bpy.data.objects.new(self._mesh.name, self._mesh)
        block.hide_render = True
        block.visible_diffuse = block.visible_glossy = False
        self._scene.collection.objects.link(block)
        self._objects.append(block)
        self._shown.append(None)
        self._twin = self._twin or twin(self._scene, block)


def _set(block: bpy.types.Object, solid: Prop | None) -> None:
    block.hide_render = solid is None
    if solid is None:
        return
    block.matrix_world = mathutils.Matrix(T_world_solid(solid).tolist())
    block.color = (*solid.color, solid.roughness)
    block.pass_index = round(FINE * solid.metallic)


def _mesh(kind: Shape) -> bpy.types.Mesh:
    """A shape of unit size about its own origin."""
    made = bmesh.new()
    if kind == "box":
        bmesh.ops.create_cube(made, size=1.0)
    elif kind == "sphere":
        bmesh.ops.create_icosphere(made, subdivisions=4, radius=0.5)
    else:
        tip = 0.5 if kind == "cylinder" else 0.0
        bmesh.ops.create_cone(
            made, cap_ends=True, segments=SEGMENTS, radius1=0.5, radius2=tip, depth=1.0
        )
    block = bpy.data.meshes.new(kind)
    made.to_mesh(block)
    made.free()
    block.shade_smooth()
    block.set_sharp_from_angle(angle=np.radians(35))
    return block


def _material(surroundings: Surroundings) -> bpy.types.Material:
    """Colour and roughness from the object's colour and its alpha, metallic from its index."""
    material = bpy.data.materials.new("props")
    surface = surroundings.coat(material)
    tree = material.node_tree
    own = tree.nodes.new("ShaderNodeObjectInfo")
    share = tree.nodes.new("ShaderNodeMath")
    share.operation = "DIVIDE"
    share.inputs[1].default_value = FINE
    tree.links.new(own.outputs["Object Index"], share.inputs[0])
    tree.links.new(own.outputs["Color"], surface.inputs["Color"])
    tree.links.new(own.outputs["Alpha"], surface.inputs["Roughness"])
    tree.links.new(share.outputs[0], surface.inputs["Metallic"])
    return material
