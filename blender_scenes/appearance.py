"""How the robot looks and what lights it: materials, sun and surroundings of a Blender scene.

Each class owns its data blocks and touches only values that changed: every touched shader is
compiled anew for the next image.
"""

# bpy and its companions bring no type stubs.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from blender_scenes.blender import bpy, mathutils
from blender_scenes.spec import HDRIS, MATERIAL_SLOTS, Environment, Material, Sun
from jointloop.common.errors import SceneError

LIGHT_SIZE = (8, 4)
"""Width and height an HDRI is reduced to as a light [px]: with so smooth a sky four samples per
pixel come out with 60 % of the noise they have under one of 64 x 32, and satin surfaces show no
difference."""

LIGHT_LIMIT = 2.0
"""Radiance above this is cut from lights: HDRIs hold suns of 30,000, which few samples turn into
white specks. The scene has a sun of its own."""


@dataclass(frozen=True)
class Look:
    """A surface."""

    color: tuple[float, float, float]
    """Linear RGB."""
    roughness: float
    metallic: float


def base_look(color: tuple[float, float, float]) -> Look:
    """What a robot's part of this colour is made of, as far as its colour tells.

    Mesh files bring colours only. Mid greys are bare aluminium, tinted colours satin plastic,
    whites paint, darks rubber or plastic.
    """
    low, high = min(color), max(color)
    if high - low > 0.08:
        return Look(color, roughness=0.35, metallic=0.0)
    if high < 0.3:
        return Look(color, roughness=0.45, metallic=0.0)
    if high < 0.8:
        return Look(color, roughness=0.38, metallic=0.85)
    return Look(color, roughness=0.3, metallic=0.0)


class Materials:
    """The robot's materials: base looks, each drawn some way towards a frame's materials."""

    def __init__(self, colors: Sequence[tuple[float, float, float]]) -> None:
        """One material for each base colour (linear RGB)."""
        self.base = [base_look(color) for color in colors]
        self.blocks = [bpy.data.materials.new(f"base {i}") for i in range(len(colors))]
        for block in self.blocks:
            block.use_nodes = True
            block.use_backface_culling = False
        self._shown: list[Look | None] = [None] * len(colors)

    def show(self, drawn: Sequence[Material]) -> None:
        """Set every material to (1 - mix) base + mix drawn.

        Raises:
            SceneError: not `MATERIAL_SLOTS` materials.
        """
        if len(drawn) != MATERIAL_SLOTS:
            raise SceneError(f"a frame has {len(drawn)} materials, not {MATERIAL_SLOTS}")
        for i, (block, base) in enumerate(zip(self.blocks, self.base, strict=True)):
            look = _mix(base, drawn[i % MATERIAL_SLOTS])
            if look == self._shown[i]:
                continue
            inputs = block.node_tree.nodes["Principled BSDF"].inputs
            inputs["Base Color"].default_value = (*look.color, 1.0)
            inputs["Roughness"].default_value = look.roughness
            inputs["Metallic"].default_value = look.metallic
            block.diffuse_color = (*look.color, 1.0)  # which Workbench goes by
            block.roughness, block.metallic = look.roughness, look.metallic
            self._shown[i] = look


def _mix(base: Look, drawn: Material) -> Look:
    keep, take = 1 - drawn.mix, drawn.mix
    r, g, b = (keep * a + take * c for a, c in zip(base.color, drawn.color, strict=True))
    return Look(
        (r, g, b),
        keep * base.roughness + take * drawn.roughness,
        keep * base.metallic + take * drawn.metallic,
    )


class SunLight:
    """The sun lamp."""

    def __init__(self, scene: bpy.types.Scene) -> None:
        self.lamp = bpy.data.lights.new("sun", "SUN")
        self.block = bpy.data.objects.new("sun", self.lamp)
        scene.collection.objects.link(self.block)
        self._shown: Sun | None = None

    def show(self, sun: Sun) -> None:
        """Set direction, strength, softness and colour."""
        if sun == self._shown:
            return
        self.block.matrix_world = mathutils.Matrix(T_world_sun(sun).tolist())
        self.lamp.energy = sun.strength
        self.lamp.angle = sun.angle
        self.lamp.color = sun.color
        self._shown = sun


def T_world_sun(sun: Sun) -> NDArray[np.float64]:
    """(4, 4) pose whose +z points to the sun; Blender's sun shines along its -z."""
    azimuth, elevation = sun.azimuth, sun.elevation
    z = np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), 0])
    z[2] = np.sin(elevation)
    x = np.array([-np.sin(azimuth), np.cos(azimuth), 0])
    T = np.eye(4)
    T[:3, :3] = np.stack([x, np.cross(z, x), z], axis=1)
    return T


class Surroundings:
    """The world: light from all around, out of one small picture that holds all HDRIs.

    With the HDRIs stacked in a single texture, choosing or turning one changes two numbers in a
    shader. Swapping an image instead costs tens of milliseconds each time.
    """

    def __init__(self, scene: bpy.types.Scene) -> None:
        world = bpy.data.worlds.new("surroundings")
        world.use_nodes = True
        # No importance map: every light sample then goes to the sun, whose light has no noise.
        world.cycles.sampling_method = "NONE"
        scene.world = world
        self.panoramas = {name: load_hdri(name) for name in HDRIS}
        """Linear RGB (h, w, 3) float32 of each HDRI, first row up."""
        self._nodes = _sky_nodes(world.node_tree, _light_atlas(list(self.panoramas.values())))
        self._shown: Environment | None = None

    def show(self, environment: Environment) -> None:
        """Set HDRI, rotation and strength.

        Raises:
            SceneError: an HDRI that is not known.
        """
        if environment == self._shown:
            return
        if environment.hdri not in self.panoramas:
            raise SceneError(f"hdri {environment.hdri!r} is not one of {', '.join(HDRIS)}")
        row = len(HDRIS) - 1 - HDRIS.index(environment.hdri)  # textures count rows from below
        u, v, background = self._nodes
        u.inputs[2].default_value = 0.5 + environment.rotation / (2 * np.pi)
        v.inputs[2].default_value = (row + 0.5) / len(HDRIS)
        background.inputs["Strength"].default_value = environment.strength
        self._shown = environment


def load_hdri(name: str) -> NDArray[np.float32]:
    """(h, w, 3) linear RGB of an HDRI that ships with Blender, first row up.

    Raises:
        SceneError: Blender's data folder lacks it.
    """
    folder = Path(bpy.utils.resource_path("LOCAL")) / "datafiles" / "studiolights" / "world"
    path = folder / f"{name}.exr"
    try:
        image = bpy.data.images.load(str(path))
    except RuntimeError as error:
        raise SceneError(f"HDRI {path} cannot be read: {str(error).strip()}") from error
    width, height = image.size
    pixels = np.empty(height * width * 4, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    return np.ascontiguousarray(pixels.reshape(height, width, 4)[::-1, :, :3])


def _light_atlas(panoramas: Sequence[NDArray[np.float32]]) -> bpy.types.Image:
    """All panoramas as lights in one picture, the first on top."""
    small = [
        cv2.resize(np.minimum(p, LIGHT_LIMIT), LIGHT_SIZE, interpolation=cv2.INTER_AREA)
        for p in panoramas
    ]
    stack = np.concatenate(small)[::-1]
    pixels = np.dstack([stack, np.ones(stack.shape[:2], np.float32)])
    image = bpy.data.images.new("lights", pixels.shape[1], pixels.shape[0], float_buffer=True)
    image.colorspace_settings.name = "Linear Rec.709"
    image.pixels.foreach_set(pixels.ravel())
    image.pack()
    return image


def _sky_nodes(
    tree: bpy.types.NodeTree, atlas: bpy.types.Image
) -> tuple[bpy.types.Node, bpy.types.Node, bpy.types.Node]:
    """Direction -> azimuth, elevation -> (u, v) in the atlas -> background.

    Returns:
        the nodes that hold the offset of u, the offset of v, and the strength.
    """
    tree.nodes.clear()

    def node(kind: str, *sources: bpy.types.NodeSocket) -> bpy.types.Node:
        made = tree.nodes.new(f"ShaderNode{kind}")
        for socket, source in zip(made.inputs, sources, strict=False):
            tree.links.new(source, socket)
        return made

    def math(operation: str, *sources: bpy.types.NodeSocket) -> bpy.types.Node:
        made = node("Math", *sources)
        made.operation = operation
        return made

    direction = node("TexCoord").outputs["Generated"]
    x, y, z = node("SeparateXYZ", direction).outputs
    u = math("MULTIPLY_ADD", math("ARCTAN2", y, x).outputs[0])
    u.inputs[1].default_value = -0.5 / np.pi
    v = math("MULTIPLY_ADD", math("ARCSINE", z).outputs[0])
    v.inputs[1].default_value = 1 / (np.pi * len(HDRIS))
    texture = node("TexImage", node("CombineXYZ", u.outputs[0], v.outputs[0]).outputs[0])
    texture.image = atlas
    background = node("Background", texture.outputs["Color"])
    node("OutputWorld", background.outputs[0])
    return u, v, background
