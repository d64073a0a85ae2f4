"""The shader of everything that is drawn: light from all around looked up, suns sampled.

One node group serves robot, props and stands. It adds to a matt and a GGX surface, which the sun
lights, the emission

    irradiance(normal) colour (1 - metallic) + prefiltered(reflection, roughness) (F0 A + B)

whose parts lie in pictures (`blender_scenes.lightmaps`). Of further lamps both are worked out: they
have no grain and throw no shadows. One more sampled light would give every pixel grain, of which
two samples see one light each. A lamp mirrored in GGX is a spherical Gaussian about the reflection:
J. Wang et al., "All-Frequency Rendering of Dynamic, Spatially-Varying Reflectance" (SIGGRAPH Asia
2009). Environment and lamps are inputs of the group within each material: changing a group's own
nodes would cost far more.
"""

# bpy and its companions bring no type stubs.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from blender_scenes import lightmaps
from blender_scenes.blender import bpy
from blender_scenes.spec import Sun, Wear

DIELECTRIC = 0.04
"""F0 of what is no metal, of any colour."""

NARROWEST = 1e-3
"""Least spread of a mirrored lamp [rad^2]: of a ceiling light 7 degrees wide."""

SPOTS = 5.0
"""Contrast of the noise that makes spots: about -1 between them, 1 in their middle."""

Socket: TypeAlias = bpy.types.NodeSocket


def light_group(
    panoramas: Sequence[NDArray[np.float32]], lamps: int = 0, worn: bool = False
) -> bpy.types.NodeTree:
    """The node group. Inputs: Color, Roughness, Metallic, Light, those of lamps; output: Shader.

    Light is (turn, place, strength): see `light_input`. For each of so many lamps there are the
    inputs of `lamp_inputs`. Where surfaces are worn, there are Wear and Dust: see `wear_inputs`.
    """
    group = bpy.data.node_groups.new("looked-up light", "ShaderNodeTree")
    for name, kind in (
        ("Color", "Color"),
        ("Roughness", "Float"),
        ("Metallic", "Float"),
        ("Light", "Vector"),
        *((("Wear", "Vector"), ("Dust", "Color")) if worn else ()),
        *(entry for i in range(lamps) for entry in zip(lamp_names(i), LAMP_KINDS, strict=True)),
    ):
        group.interface.new_socket(name, in_out="INPUT", socket_type=f"NodeSocket{kind}")
    group.interface.new_socket("Shader", in_out="OUTPUT", socket_type="NodeSocketShader")
    nodes = _Nodes(group)
    color, roughness, metallic, light, *lamp = list(nodes.node("NodeGroupInput").outputs)[:-1]
    if worn:
        wear, dust, *lamp = lamp
        color, roughness = nodes.worn(color, roughness, wear, dust)
    atlas = _picture("lights", lightmaps.atlas(panoramas))
    table = _picture("split sum", lightmaps.split_sum()[::-1])  # roughness grows upwards
    sky = _Sky(nodes, atlas, len(panoramas), light)
    geometry = nodes.node("ShaderNodeNewGeometry").outputs
    normal, view = geometry["Normal"], geometry["Incoming"]

    gloss = nodes.math("ROUND", nodes.math("MULTIPLY", roughness, lightmaps.GLOSSES - 1))
    reflection = nodes.node("ShaderNodeTexCoord").outputs["Reflection"]
    mirrored = sky.at(reflection, gloss)
    received = sky.at(normal, lightmaps.GLOSSES)
    angle = nodes.node("ShaderNodeCombineXYZ", nodes.dot(normal, view), roughness).outputs[0]
    a, b, _ = nodes.split(nodes.lookup(table, angle, "EXTEND"))
    f0 = nodes.mix(metallic, (DIELECTRIC,) * 3, color)
    share = nodes.vector("MULTIPLY_ADD", f0, a, b)
    matt = nodes.scale(color, nodes.math("SUBTRACT", 1.0, metallic))
    glossy = nodes.vector("MULTIPLY", mirrored, share)
    emission = nodes.vector("MULTIPLY_ADD", received, matt, glossy)

    shine = nodes.node("ShaderNodeEmission", emission, sky.strength).outputs[0]
    if lamp:
        received, mirrored = nodes.lamps(lamp, normal, reflection, roughness)
        glossy = nodes.vector("MULTIPLY", mirrored, share)
        lamplight = nodes.vector("MULTIPLY_ADD", received, matt, glossy)
        more = nodes.node("ShaderNodeEmission", lamplight, 1.0).outputs[0]
        shine = nodes.node("ShaderNodeAddShader", shine, more).outputs[0]
    lit = nodes.node("ShaderNodeBsdfDiffuse", matt).outputs[0]
    glint = nodes.node("ShaderNodeBsdfAnisotropic", f0, roughness)
    glint.distribution = "GGX"
    both = nodes.node("ShaderNodeAddShader", lit, glint.outputs[0]).outputs[0]
    surface = nodes.node("ShaderNodeAddShader", shine, both)
    nodes.node("NodeGroupOutput", surface.outputs[0])
    return group


def light_input(place: int, count: int, rotation: float, strength: float) -> tuple[float, ...]:
    """The group's input Light.

    Args:
        place: the HDRI's among those of the group.
        count: of those.
        rotation: about +z [rad].
        strength: factor on its radiance.
    """
    rows = lightmaps.TILES * lightmaps.HEIGHT
    middle = place * rows + (lightmaps.HEIGHT - 1) / 2 + 0.5
    turn = rotation / (2 * np.pi) + 0.5 + 0.5 / lightmaps.WIDTH
    return turn, 1 - middle / (count * rows), strength


def wear_inputs(wear: Wear) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The group's inputs Wear, (dust, spots a metre, roughness), and Dust."""
    return (wear.dust, 1 / wear.size, wear.roughness), (*wear.color, 1.0)


LAMP_KINDS = ("Vector", "Vector", "Float")
"""Of a lamp's inputs: where its light comes from, how much of it, how far it is spread."""


def lamp_names(i: int) -> tuple[str, str, str]:
    """The inputs of lamp i."""
    return f"From {i}", f"Shine {i}", f"Spread {i}"


def lamp_inputs(lamp: Sun | None) -> tuple[tuple[float, ...], tuple[float, ...], float]:
    """The values of a lamp's inputs; None is dark."""
    if lamp is None:
        return (0.0, 0.0, 1.0), (0.0, 0.0, 0.0), 0.0
    level = np.cos(lamp.elevation)
    direction = (
        float(level * np.cos(lamp.azimuth)),
        float(level * np.sin(lamp.azimuth)),
        float(np.sin(lamp.elevation)),
    )
    shine = tuple(lamp.strength * channel / np.pi for channel in lamp.color)
    return direction, shine, lamp.angle**2 / 16  # the variance of a disc along one axis


class _Nodes:
    """Adds nodes to a tree; sources are sockets, or numbers that stay."""

    def __init__(self, tree: bpy.types.NodeTree) -> None:
        self._tree = tree

    def node(self, kind: str, *sources: "Socket | float | Sequence[float]") -> bpy.types.Node:
        made = self._tree.nodes.new(kind)
        for socket, source in zip(made.inputs, sources, strict=False):
            if isinstance(source, Socket):
                self._tree.links.new(source, socket)
            else:
                socket.default_value = source
        return made

    def math(self, operation: str, *sources: "Socket | float") -> Socket:
        made = self.node("ShaderNodeMath", *sources)
        made.operation = operation
        return made.outputs[0]

    def vector(self, operation: str, *sources: "Socket | Sequence[float]") -> Socket:
        made = self.node("ShaderNodeVectorMath", *sources)
        made.operation = operation
        return made.outputs[0]

    def dot(self, a: Socket, b: Socket) -> Socket:
        made = self.node("ShaderNodeVectorMath", a, b)
        made.operation = "DOT_PRODUCT"
        return made.outputs["Value"]

    def scale(self, a: Socket, by: Socket) -> Socket:
        made = self.node("ShaderNodeVectorMath", a)
        made.operation = "SCALE"
        self._tree.links.new(by, made.inputs["Scale"])
        return made.outputs[0]

    def split(self, vector: Socket) -> Sequence[Socket]:
        return list(self.node("ShaderNodeSeparateXYZ", vector).outputs)

    def mix(self, share: Socket, low: "Socket | Sequence[float]", high: Socket) -> Socket:
        made = self.node("ShaderNodeMix")
        made.data_type = "VECTOR"
        factor, a, b = (
            next(s for s in made.inputs if s.identifier == name)
            for name in ("Factor_Float", "A_Vector", "B_Vector")
        )
        self._tree.links.new(share, factor)
        if isinstance(low, Socket):
            self._tree.links.new(low, a)
        else:
            a.default_value = low
        self._tree.links.new(high, b)
        return next(s for s in made.outputs if s.identifier == "Result_Vector")

    def worn(
        self, color: Socket, roughness: Socket, wear: Socket, dust: Socket
    ) -> tuple[Socket, Socket]:
        """Colour and roughness of a surface with spots of dust, and of polish between them."""
        share, scale, rough = self.split(wear)
        noise = self.node("ShaderNodeTexNoise", self.node("ShaderNodeTexCoord").outputs["Object"])
        self._tree.links.new(scale, noise.inputs["Scale"])
        noise.inputs["Detail"].default_value = 2.0
        signed = self.math("MULTIPLY_ADD", noise.outputs["Fac"], SPOTS, -SPOTS / 2)
        rougher = self.math("MULTIPLY_ADD", signed, rough, roughness)
        rougher.node.use_clamp = True
        spots = self.math("MULTIPLY", signed, share)
        spots.node.use_clamp = True
        return self.mix(spots, color, dust), rougher

    def lamps(
        self, inputs: Sequence[Socket], normal: Socket, reflection: Socket, roughness: Socket
    ) -> tuple[Socket, Socket]:
        """What all lamps send to a matt surface, and to one that mirrors, over pi."""
        own = self.math("MULTIPLY", 2.0, self.math("POWER", roughness, 4.0))
        received = mirrored = None
        for place in range(0, len(inputs), len(LAMP_KINDS)):
            direction, shine, spread = inputs[place : place + len(LAMP_KINDS)]
            falling = self.math("MAXIMUM", self.dot(normal, direction), 0.0)
            width = self.math("MAXIMUM", self.math("ADD", own, spread), NARROWEST)
            off = self.math("SUBTRACT", self.dot(reflection, direction), 1.0)
            lobe = self.math("EXPONENT", self.math("DIVIDE", off, width))
            peak = self.math("DIVIDE", self.math("MULTIPLY", lobe, 0.5), width)
            facing = self.math("GREATER_THAN", falling, 0.0)
            matt = self.scale(shine, falling)
            glossy = self.scale(shine, self.math("MULTIPLY", peak, facing))
            received = matt if received is None else self.vector("ADD", received, matt)
            mirrored = glossy if mirrored is None else self.vector("ADD", mirrored, glossy)
        assert received is not None
        assert mirrored is not None
        return received, mirrored

    def lookup(self, image: bpy.types.Image, place: Socket, beyond: str) -> Socket:
        made = self.node("ShaderNodeTexImage", place)
        made.image, made.extension = image, beyond
        return made.outputs["Color"]


class _Sky:
    """Direction -> azimuth, elevation -> place in the atlas -> light."""

    def __init__(self, nodes: _Nodes, atlas: bpy.types.Image, count: int, light: Socket) -> None:
        self._nodes, self._atlas = nodes, atlas
        self._rows = count * lightmaps.TILES * lightmaps.HEIGHT
        self._turn, self._place, self.strength = nodes.split(light)

    def at(self, direction: Socket, tile: "Socket | float") -> Socket:
        nodes = self._nodes
        x, y, z = nodes.split(direction)
        azimuth, elevation = nodes.math("ARCTAN2", y, x), nodes.math("ARCSINE", z)
        down = lightmaps.HEIGHT / self._rows
        middle = nodes.math("MULTIPLY_ADD", tile, -down, self._place)
        u = nodes.math("MULTIPLY_ADD", azimuth, -0.5 / np.pi, self._turn)
        steep = (lightmaps.HEIGHT - 1) / np.pi / self._rows
        v = nodes.math("MULTIPLY_ADD", elevation, steep, middle)
        place = nodes.node("ShaderNodeCombineXYZ", u, v).outputs[0]
        return nodes.lookup(self._atlas, place, "REPEAT")


def _picture(name: str, rows: NDArray[np.float16]) -> bpy.types.Image:
    """Numbers (h, w, 1 to 3) as a picture that shaders read as they are, first row up."""
    height, width, channels = rows.shape
    pixels = np.ones((height, width, 4), np.float32)
    pixels[..., channels:3] = 0
    pixels[..., :channels] = rows[::-1]
    image = bpy.data.images.new(name, width, height, float_buffer=True)
    image.colorspace_settings.name = "Non-Color"
    image.pixels.foreach_set(pixels.ravel())
    image.pack()
    return image
