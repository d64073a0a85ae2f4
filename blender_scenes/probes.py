"""Blender's own answers to what labels claim: where points are drawn, and what a ray meets first.

`Balls` renders glowing balls in place of a robot, through the same camera, lens and film as any
image. `Identity` has a scene's renderer say link and distance for single rays. Neither shares code
with the projection, the ray casting or the visibility rule that make the labels.
"""

# bpy and its companions bring no type stubs.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from blender_scenes.blender import bpy
from blender_scenes.robot_scene import RobotScene
from blender_scenes.scene import OTHER
from blender_scenes.spec import (
    MATERIAL_SLOTS,
    NO_STAND,
    NO_WEAR,
    Camera,
    Frame,
    Material,
    RobotModel,
    Visual,
)
from jointloop.common.errors import SceneError

PROBE = 9
"""Width and height of the picture of which `Identity` reads the middle pixel [px]."""
PROBE_FOCAL = 2000.0
"""Its focal length: a pixel is half a milliradian wide, and the ray a hundredth of that [px]."""
MARK = "link"
"""Property of Blender's objects that the shader reads; those without have 0."""
BLACK = Material((0.0, 0.0, 0.0), 1.0, 1.0, 0.0)


class Balls(RobotScene):
    """A scene of glowing balls instead of a robot."""

    def __init__(self, count: int, spp: int = 16) -> None:
        """Build `count` balls; Blender's current scene is thrown away."""
        ball = ("sphere", (1.0,))
        model = RobotModel(
            "balls",
            tuple(f"ball {i}" for i in range(count)),
            (-1,) * count,
            tuple(Visual(i, np.eye(4), primitive=ball, color=(0, 0, 0)) for i in range(count)),
        )
        super().__init__(model, spp=spp)
        for block in self.robot.materials.blocks:
            tree = block.node_tree
            glow = tree.nodes.new("ShaderNodeEmission")
            tree.links.new(glow.outputs[0], tree.nodes["Material Output"].inputs["Surface"])

    def light(
        self, frame: Frame, points: NDArray[np.float64], radius: float, shown: Sequence[int]
    ) -> NDArray[np.float64]:
        """Render some of the balls, alone in the dark.

        Args:
            frame: for its camera; the rest of it is left out.
            points: (J, 3) centres of all balls in the world [m].
            radius: on the picture [px].
            shown: which balls to show.

        Returns:
            (H, W) light, 0 to 1.
        """
        camera = frame.camera
        depth = np.linalg.norm(points - camera.T_world_camera[:3, 3], axis=1)
        behind = camera.T_world_camera[:3, 3] - 10 * camera.T_world_camera[:3, 2]
        T = np.tile(np.eye(4), (len(points), 1, 1))
        T[:, :3, 3] = behind
        for i in shown:
            T[i, :3, :3] *= radius * depth[i] / camera.K[0, 0]
            T[i, :3, 3] = points[i]
        dark = replace(
            alone(frame),
            T_world_link=T,
            sun=replace(frame.sun, strength=0.0),
            environment=replace(frame.environment, strength=0.0),
            exposure=0.0,
            materials=(BLACK,) * MATERIAL_SLOTS,
            background=replace(frame.background, brightness=0.0),
            lamps=(),
            wear=NO_WEAR,
            stains=NO_WEAR,
        )
        code = self.render(dark).image.mean(axis=2) / 255
        return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)  # sRGB


def alone(frame: Frame) -> Frame:
    """The frame with nothing but the robot before its background."""
    return replace(frame, stand=NO_STAND, props=(), others=())


class Identity:
    """Asks a scene's renderer what rays meet first: paints link and distance as colours."""

    def __init__(self, scene: RobotScene, farthest: float) -> None:
        """Turn a scene into one of flat colours; it renders no images of use afterwards.

        Args:
            scene: whose geometry is asked.
            farthest: distance that is still told apart [m].

        Raises:
            SceneError: a robot of more links than an 8-bit channel can number.
        """
        if len(scene.model.links) > 253:
            raise SceneError(
                f"{scene.model.name} has {len(scene.model.links)} links; up to 253 fit"
            )
        self._scene, self._farthest = scene, farthest
        for link, block in scene.links.items():
            block[MARK] = float(link + 1)
            block.update_tag()  # Cycles keeps what it knows of objects that do not move
        settings, cycles = scene.scene.view_settings, scene.scene.cycles
        settings.view_transform = "Raw"  # bytes are the shader's numbers times 255
        scene.shares = False
        cycles.samples = 1
        cycles.pixel_filter_type, cycles.filter_width = "BLACKMAN_HARRIS", 0.01
        for layer in scene.scene.view_layers:
            layer.material_override = _identity_material(farthest)

    def hit(self, frame: Frame, target: NDArray[np.float64]) -> tuple[float, int]:
        """What the ray from the camera's centre through a point (3,) meets first.

        Returns:
            Distance [m] or inf, and link, `OTHER` or -1, as `Scene.first_hits` has them.
        """
        plain = replace(
            frame,
            camera=_facing(frame.camera, target),
            exposure=0.0,
            background=replace(frame.background, brightness=0.0),
        )
        middle = self._scene.render(plain).image[PROBE // 2, PROBE // 2]
        index, high, low = (int(value) for value in middle)
        if index == 0:
            return np.inf, -1
        distance = self._farthest * (high + low / 255) / 256
        return distance, index - 2 if index > 1 else OTHER


def _facing(camera: Camera, target: NDArray[np.float64]) -> Camera:
    """A small camera in the same place whose middle pixel looks at a point."""
    centre = camera.T_world_camera[:3, 3]
    forward = (target - centre) / np.linalg.norm(target - centre)
    right = np.cross(forward, (0, 0, 1) if abs(forward[2]) < 0.9 else (1, 0, 0))
    right /= np.linalg.norm(right)
    T = np.eye(4)
    T[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    T[:3, 3] = centre
    middle = float(PROBE // 2)
    K = np.array([[PROBE_FOCAL, 0, middle], [0, PROBE_FOCAL, middle], [0, 0, 1]])
    return Camera(PROBE, PROBE, K, T)


def _identity_material(farthest: float) -> bpy.types.Material:
    """Red: (object's mark + 1) / 255; green and blue: high and low byte of the distance."""
    material = bpy.data.materials.new("identity")
    material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()

    def math(
        operation: str, value: bpy.types.NodeSocket, by: float = 0.0, plus: float = 0.0
    ) -> bpy.types.NodeSocket:
        node = tree.nodes.new("ShaderNodeMath")
        node.operation = operation
        tree.links.new(value, node.inputs[0])
        node.inputs[1].default_value, node.inputs[2].default_value = by, plus
        return node.outputs[0]

    own = tree.nodes.new("ShaderNodeAttribute")
    own.attribute_type, own.attribute_name = "OBJECT", MARK
    steps = math(
        "MULTIPLY", tree.nodes.new("ShaderNodeCameraData").outputs["View Distance"], 256 / farthest
    )
    combine = tree.nodes.new("ShaderNodeCombineColor")
    channels = (
        math("MULTIPLY_ADD", own.outputs["Fac"], 1 / 255, 1 / 255),
        math("DIVIDE", math("FLOOR", steps), 255.0),
        math("FRACT", steps),
    )
    for source, channel in zip(channels, combine.inputs, strict=True):
        tree.links.new(source, channel)
    emission = tree.nodes.new("ShaderNodeEmission")
    tree.links.new(combine.outputs[0], emission.inputs["Color"])
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    tree.links.new(emission.outputs[0], output.inputs["Surface"])
    return material
