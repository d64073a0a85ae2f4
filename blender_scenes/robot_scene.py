"""The robot in Blender: built once, then posed, lit, seen and probed frame by frame.

    sync (touch what changed) -> render (the foreground's box, in Cycles) -> read -> composite

Cycles draws the robot and what stands around it, on transparent film, within the box they cover;
`blender_scenes.background` lays the background under it. The same frame gives the same bytes in
every process, whatever was rendered before. Blender's state is global: one RobotScene at a time per
process, and making another ends the one before.
"""

# bpy and its companions bring no type stubs.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from blender_scenes import outline, solids
from blender_scenes.appearance import SunLight, Surroundings
from blender_scenes.background import backdrop, light_of, over, shared, through_lens
from blender_scenes.blender import bpy
from blender_scenes.figures import Crowd, Figure
from blender_scenes.film import NEAR, Box, aim, configure, crop, read_tga, scratch_folder, seeing
from blender_scenes.lens import Bend, bend, distorts
from blender_scenes.meshes import quiet, read_robot
from blender_scenes.photos import Photos
from blender_scenes.scene import OTHER, Rendered
from blender_scenes.shapes import Shapes
from blender_scenes.spec import SPP, Camera, Device, Engine, Frame, RobotModel
from jointloop.common.errors import SceneError

MARGIN = 2
"""Pixels around the foreground's box that its filtered edges may reach."""


def _check(spp: int, detail: float | None) -> None:
    """Refuse what is out of range.

    Raises:
        SceneError: says what was wanted.
    """
    if spp < 1 or not 0 < (1.0 if detail is None else detail) <= 1:
        raise SceneError(f"spp={spp}, detail={detail}: wanted at least 1, and more than 0 up to 1")


class RobotScene:
    """A robot in Blender; see `blender_scenes.scene.Scene`."""

    shares = True
    """Whether pixels give their neighbours a share of their light."""

    _alive: ClassVar["RobotScene | None"] = None

    def __init__(
        self,
        model: RobotModel,
        *,
        spp: int = SPP,
        detail: float | None = None,
        backgrounds: Photos | None = None,
        others: Mapping[str, RobotModel] | None = None,
        lamps: int = 0,
        worn: bool = False,
        engine: Engine = "cycles",
        device: Device = "cpu",
    ) -> None:
        """Build the scene; Blender's current one is thrown away.

        Args:
            model: the robot.
            spp: Cycles' samples per pixel.
            detail: share of triangles kept, 0 to 1; None keeps all.
            backgrounds: the pictures that frames of theme "photos" name.
            others: models of the further robots that frames may show, by name.
            lamps: most lamps beside the sun that frames may show.
            worn: whether frames may show wear.
            engine: one of Blender's; only Cycles on the CPU draws the same bytes everywhere.
            device: that Cycles computes on; the others draw with what OpenGL there is.

        Raises:
            SceneError: a mesh or HDRI is missing or unreadable, an argument out of range, or no GPU
                there for Cycles.
        """
        _check(spp, detail)
        self.model, self.photos = model, backgrounds
        RobotScene._alive = self
        read = read_robot(model)
        read_others = {
            name: (other, read if other is model else read_robot(other))
            for name, other in (others or {}).items()
        }
        self.scene = bpy.context.scene
        configure(self.scene, spp, engine, device)
        self.sun = SunLight(self.scene)
        self.surroundings = Surroundings(self.scene, lamps, worn)
        self.robot = Figure.built(self.scene, model, read, detail, self.surroundings)
        self.links = self.robot.links
        """Blender's object of each visible link, by index into `model.links`."""
        self._crowd = Crowd(
            self.scene,
            {
                name: Figure.built(self.scene, other, made, detail, self.surroundings)
                for name, (other, made) in read_others.items()
            },
        )
        self._shapes = Shapes(self.scene, self.surroundings)
        self.camera = seeing(self.scene)
        self._bent: tuple[Camera, Bend | None] | None = None
        self._folder = scratch_folder()
        self._file = Path(self._folder.name) / "robot.tga"
        self.scene.render.filepath = str(self._file)

    def render(self, frame: Frame) -> Rendered:
        """Draw one frame; exposure brightens robot and background alike, as a camera's does.

        Blender draws what a pinhole sees; where the camera has a lens, that picture is bent.

        Raises:
            SceneError: the frame does not fit the robot, its camera has skewed axes or a lens
                that does not cover it, or Blender wrote no picture.
        """
        if RobotScene._alive is not self:
            raise SceneError("this scene was closed, or ended by a newer one in the same process")
        start = time.perf_counter()
        bent = self._bend(frame.camera)
        straight = frame if bent is None else replace(frame, camera=bent.pinhole)
        box = self._box(straight)
        if box is not None:
            self._sync(straight, box)
        synced = time.perf_counter()
        if box is not None:
            with quiet():
                bpy.ops.render.render(write_still=True)
        rendered = time.perf_counter()
        patch = None if box is None else read_tga(self._file, box)
        read = time.perf_counter()
        image, mask = self._compose(frame, patch, box, bent)
        end = time.perf_counter()
        seconds = {
            "sync": synced - start,
            "render": rendered - synced,
            "read": read - rendered,
            "composite": end - read,
        }
        return Rendered(image, mask, seconds)

    def first_hits(
        self, frame: Frame, targets: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """What a ray from the camera centre through each target meets first.

        See `blender_scenes.scene.Scene.first_hits`.
        """
        eye = frame.camera.T_world_camera[:3, 3]
        rays = targets - eye
        distances, hits = self.robot.first_hits(frame.T_world_link, eye, rays)
        lengths = np.linalg.norm(rays, axis=1)
        before = [lengths * solids.first_hits(solids.solids(frame), eye, rays)]
        for figure, T_world_link in self._crowd.of(frame.others):
            before.append(figure.first_hits(T_world_link, eye, rays)[0])
        nearest = np.min(before, axis=0)
        return np.minimum(distances, nearest), np.where(nearest < distances, OTHER, hits)

    def silhouette(self, frame: Frame) -> NDArray[np.bool_]:
        """Pixels that the robot covers; see `blender_scenes.scene.Scene.silhouette`."""
        bent = self._bend(frame.camera)
        camera = frame.camera if bent is None else bent.pinhole
        points, faces = self.robot.surface(camera.T_camera_world @ frame.T_world_link)
        mask = outline.covered(camera, points, faces, NEAR)
        return mask if bent is None else bent.picture(mask.astype(np.float32)) >= 0.5

    def close(self) -> None:
        """Remove the temporary folder and, unless a newer scene has it, empty Blender."""
        self._folder.cleanup()
        if RobotScene._alive is self:
            RobotScene._alive = None
            with quiet():
                bpy.ops.wm.read_factory_settings(use_empty=True)

    def _sync(self, frame: Frame, box: Box) -> None:
        """Bring Blender's scene to the frame's state, touching what differs from the last."""
        self.robot.pose(frame.T_world_link)
        self._crowd.show(frame.others, frame.materials)
        self._shapes.show(solids.solids(frame))
        aim(self.camera, frame.camera)
        self.sun.show(frame.sun)
        self.surroundings.show(frame.environment)
        self.surroundings.show_lamps(frame.lamps)
        self.surroundings.show_wear(frame.wear, frame.stains)
        self.robot.materials.show(frame.materials)
        self.scene.view_settings.exposure = frame.exposure
        self.scene.cycles.seed = frame.seed
        crop(self.scene.render, frame.camera, box)

    def _compose(
        self, frame: Frame, patch: NDArray[np.uint8] | None, box: Box | None, bent: Bend | None
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        image = backdrop(frame, self.surroundings.panorama, self.photos, bent)
        if patch is None or box is None:
            return image, np.zeros(image.shape[:2], np.uint8)
        light, (x, y) = light_of(patch), box[:2]
        if self.shares:
            light = shared(light)
        if bent is not None:
            light, x, y = through_lens(light, x, y, bent)
        return over(image, light, x, y)

    def _bend(self, camera: Camera) -> Bend | None:
        """How the camera's lens bends, None for a pinhole; the last one is kept."""
        if self._bent is None or self._bent[0] is not camera:
            self._bent = camera, bend(camera) if distorts(camera) else None
        return self._bent[1]

    def _box(self, frame: Frame) -> Box | None:
        """The pixels that robot, props, stand and others can cover; None when none can be seen."""
        self.robot.check(frame.T_world_link)
        bodies = self.robot.bounds(frame.T_world_link)
        bodies += solids.bounds(solids.solids(frame))
        for figure, T_world_link in self._crowd.of(frame.others):
            bodies += figure.bounds(T_world_link)
        return outline.box(frame.camera, bodies, NEAR, MARGIN)
