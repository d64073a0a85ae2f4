"""How the robot looks and what lights it: materials, sun and surroundings of a Blender scene.

Each class owns its data blocks and touches only values that changed: every touched shader is
compiled anew for the next image.
"""

# bpy and its companions bring no type stubs.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from blender_scenes.background import mended
from blender_scenes.blender import bpy, mathutils
from blender_scenes.shading import lamp_inputs, lamp_names, light_group, light_input, wear_inputs
from blender_scenes.spec import (
    HDRIS,
    MATERIAL_SLOTS,
    NO_WEAR,
    PLACES,
    Environment,
    Material,
    Sun,
    Wear,
)
from jointloop.common.errors import SceneError

FOLDER = Path(__file__).parent / "places"
"""Of the panoramas that come with the package."""


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

    def __init__(
        self, colors: Sequence[tuple[float, float, float]], surroundings: "Surroundings"
    ) -> None:
        """One material for each base colour (linear RGB)."""
        self.base = [base_look(color) for color in colors]
        self.blocks = [bpy.data.materials.new(f"base {i}") for i in range(len(colors))]
        self._coats = [surroundings.coat(block, robot=True) for block in self.blocks]
        for block in self.blocks:
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
            inputs = self._coats[i].inputs
            inputs["Color"].default_value = (*look.color, 1.0)
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
    """The sun lamp, the one light that is sampled.

    Its disc is sampled with it. Points in its place have no noise, but four of them draw a shadow's
    edge in steps, and a pixel of two samples sees two of the four.
    """

    def __init__(self, scene: bpy.types.Scene) -> None:
        self.lamp = bpy.data.lights.new("sun", "SUN")
        self.lamp.cycles.use_multiple_importance_sampling = False  # no reflected ray is followed
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
    """Light from all around, which materials look up in one picture of all HDRIs."""

    def __init__(self, scene: bpy.types.Scene, lamps: int = 0, worn: bool = False) -> None:
        """Room for so many lamps, and for wear; every one costs, dark or not."""
        scene.world = None  # all light from there is looked up
        self.panoramas = {name: load_hdri(name) for name in HDRIS}
        """Linear RGB (h, w, 3) float32 of each HDRI, first row up."""
        self._group = light_group(list(self.panoramas.values()), lamps, worn)
        self._places: dict[str, NDArray[np.float32]] = {}
        self._worn = worn
        self._coats: list[bpy.types.Node] = []
        self._robots: list[bpy.types.Node] = []
        self._shown_wear: tuple[Wear, Wear] | None = None
        self._shown: Environment | None = None
        self._lamps: list[Sun | None] = [None] * lamps

    def coat(self, material: bpy.types.Material, robot: bool = False) -> bpy.types.Node:
        """Have a material, a robot's or not, shine in this light; its node takes Color, Roughness
        and Metallic."""
        material.use_nodes = True
        material.cycles.emission_sampling = "NONE"  # it passes light on, it is no lamp
        tree = material.node_tree
        tree.nodes.clear()
        made = tree.nodes.new("ShaderNodeGroup")
        made.node_tree = self._group
        output = tree.nodes.new("ShaderNodeOutputMaterial")
        tree.links.new(made.outputs[0], output.inputs["Surface"])
        self._coats.append(made)
        if robot:
            self._robots.append(made)
        return made

    def panorama(self, name: str) -> NDArray[np.float32]:
        """Linear RGB (h, w, 3) float32 of one of `HDRIS` or `PLACES`, first row up.

        Raises:
            SceneError: there is no such panorama, or it cannot be read.
        """
        if name in self.panoramas:
            return self.panoramas[name]
        if name not in PLACES:
            known = ", ".join((*HDRIS, *PLACES))
            raise SceneError(f"background {name!r} is not one of {known}")
        if name not in self._places:
            self._places[name] = mended(read_exr(FOLDER / f"{name}.exr"))
        return self._places[name]

    def show(self, environment: Environment) -> None:
        """Set HDRI, rotation and strength.

        Raises:
            SceneError: an HDRI that is not known.
        """
        if environment == self._shown:
            return
        if environment.hdri not in self.panoramas:
            raise SceneError(f"hdri {environment.hdri!r} is not one of {', '.join(HDRIS)}")
        place = HDRIS.index(environment.hdri)
        light = light_input(place, len(HDRIS), environment.rotation, environment.strength)
        for coat in self._coats:
            coat.inputs["Light"].default_value = light
        self._shown = environment

    def show_wear(self, robots: Wear, others: Wear) -> None:
        """Set how worn robots are, and all that stands around.

        Raises:
            SceneError: there is wear, and the scene was built for none.
        """
        wanted = robots, others
        if not self._worn and wanted != (NO_WEAR, NO_WEAR):
            raise SceneError("a frame shows wear; the scene was built for none")
        if not self._worn or wanted == self._shown_wear:
            return
        for coat in self._coats:
            wear, dust = wear_inputs(robots if coat in self._robots else others)
            coat.inputs["Wear"].default_value = wear
            coat.inputs["Dust"].default_value = dust
        self._shown_wear = wanted

    def show_lamps(self, lamps: Sequence[Sun]) -> None:
        """Set the lamps beside the sun.

        Raises:
            SceneError: more than the scene was built for.
        """
        room = len(self._lamps)
        if len(lamps) > room:
            raise SceneError(f"a frame has {len(lamps)} lamps; the scene was built for {room}")
        wanted = [*lamps, *([None] * (room - len(lamps)))]
        for i, (lamp, shown) in enumerate(zip(wanted, self._lamps, strict=True)):
            if lamp == shown:
                continue
            for coat in self._coats:
                for name, value in zip(lamp_names(i), lamp_inputs(lamp), strict=True):
                    coat.inputs[name].default_value = value
        self._lamps = wanted


def load_hdri(name: str) -> NDArray[np.float32]:
    """(h, w, 3) linear RGB of an HDRI that ships with Blender, first row up.

    Raises:
        SceneError: Blender's data folder lacks it.
    """
    folder = Path(bpy.utils.resource_path("LOCAL")) / "datafiles" / "studiolights" / "world"
    return read_exr(folder / f"{name}.exr")


def read_exr(path: Path) -> NDArray[np.float32]:
    """(h, w, 3) linear RGB of a panorama, first row up.

    Raises:
        SceneError: it cannot be read.
    """
    try:
        image = bpy.data.images.load(str(path))
    except RuntimeError as error:
        raise SceneError(f"HDRI {path} cannot be read: {str(error).strip()}") from error
    width, height = image.size
    pixels = np.empty(height * width * 4, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    return np.ascontiguousarray(pixels.reshape(height, width, 4)[::-1, :, :3])
