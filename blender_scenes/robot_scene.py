"""The robot in Blender: built once, then posed, lit, seen and probed frame by frame.

    sync (touch what changed) -> render (the robot's box, in Cycles) -> read -> composite

Cycles draws the robot alone, on transparent film, within the box it covers; the background is laid
under it by `blender_scenes.background`. The same frame gives the same bytes in every process,
whatever was rendered before. Blender's state is global: one RobotScene at a time per process, and
making another ends the one before.
"""

# bpy and its companions bring no type stubs.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

import time
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import bpy
import numpy as np
from mathutils import Matrix, Vector
from mathutils.bvhtree import BVHTree
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from blender_scenes.appearance import Materials, SunLight, Surroundings
from blender_scenes.background import backdrop, over, through_lens
from blender_scenes.film import NEAR, Box, aim, configure, crop, read_tga, scratch_folder
from blender_scenes.lens import Bend, bend, distorts
from blender_scenes.meshes import LinkMesh, quiet, read_robot
from blender_scenes.photos import Photos
from blender_scenes.spec import Frame, Rendered, RobotModel, SceneError

MARGIN = 2
"""Pixels around the robot's box that its filtered edges may reach."""


class RobotScene:
    """A robot in Blender; see `blender_scenes.spec.Scene`."""

    _alive: ClassVar["RobotScene | None"] = None

    def __init__(
        self,
        model: RobotModel,
        *,
        samples: int = 4,
        detail: float | None = None,
        threads: int = 1,
        backgrounds: Photos | None = None,
    ) -> None:
        """Build the scene; Blender's current one is thrown away.

        Args:
            model: the robot.
            samples: Cycles' samples per pixel.
            detail: share of triangles kept, 0 to 1; None keeps all.
            threads: of Cycles. Several processes of one thread outrun one of several.
            backgrounds: the pictures that frames of theme "photos" name.

        Raises:
            SceneError: a mesh or HDRI is missing or unreadable, or an argument out of range.
        """
        if samples < 1 or threads < 1 or not 0 < (1.0 if detail is None else detail) <= 1:
            raise SceneError(
                f"samples={samples}, threads={threads}, detail={detail}: wanted at least 1, "
                "at least 1, and more than 0 up to 1"
            )
        self.model = model
        self.photos = backgrounds
        RobotScene._alive = self
        meshes, colors = read_robot(model)
        self.scene = bpy.context.scene
        configure(self.scene, samples, threads)
        self.materials = Materials(colors)
        self.sun = SunLight(self.scene)
        self.surroundings = Surroundings(self.scene)
        self.links = {
            link: _link_object(self.scene, model.links[link], mesh, self.materials, detail)
            for link, mesh in meshes.items()
        }
        """Blender's object of each visible link, by index into `model.links`."""
        self.camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
        self.scene.collection.objects.link(self.camera)
        self.scene.camera = self.camera
        self._hulls = {link: _hull(block) for link, block in self.links.items()}
        self._trees = {link: _tree(block) for link, block in self.links.items()}
        self._posed: dict[int, NDArray[np.float64]] = {}
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
        bent = bend(frame.camera) if distorts(frame.camera) else None
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

        Rays are cast in each link's own frame, where its search tree was built once.
        See `blender_scenes.spec.Scene.first_hits`.
        """
        distances = np.full(len(targets), np.inf)
        hits = np.full(len(targets), -1, np.int64)
        centre = frame.camera.T_world_camera[:3, 3]
        for link, tree in self._trees.items():
            T_link_world = np.linalg.inv(frame.T_world_link[link])
            origin = Vector(T_link_world[:3, :3] @ centre + T_link_world[:3, 3])
            rays = (targets - centre) @ T_link_world[:3, :3].T
            for i, ray in enumerate(rays):
                distance = tree.ray_cast(origin, Vector(ray))[3]
                if distance is not None and distance < distances[i]:
                    distances[i], hits[i] = distance, link
        return distances, hits

    def close(self) -> None:
        """Remove the temporary folder and, unless a newer scene has it, empty Blender."""
        self._folder.cleanup()
        if RobotScene._alive is self:
            RobotScene._alive = None
            with quiet():
                bpy.ops.wm.read_factory_settings(use_empty=True)

    def _sync(self, frame: Frame, box: Box) -> None:
        """Bring Blender's scene to the frame's state, touching what differs from the last."""
        for link, block in self.links.items():
            T = frame.T_world_link[link]
            if link not in self._posed or not np.array_equal(T, self._posed[link]):
                block.matrix_world = Matrix(T.tolist())
                self._posed[link] = T.copy()
        aim(self.camera, frame.camera)
        self.sun.show(frame.sun)
        self.surroundings.show(frame.environment)
        self.materials.show(frame.materials)
        self.scene.view_settings.exposure = frame.exposure
        self.scene.cycles.seed = frame.seed
        crop(self.scene.render, frame.camera, box)

    def _compose(
        self, frame: Frame, patch: NDArray[np.uint8] | None, box: Box | None, bent: Bend | None
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        image = backdrop(frame, self.surroundings.panoramas, self.photos, bent)
        if patch is None or box is None:
            return image, np.zeros(image.shape[:2], np.uint8)
        x, y = box[:2]
        if bent is not None:
            patch, x, y = through_lens(patch, x, y, bent)
        return over(image, patch, x, y)

    def _box(self, frame: Frame) -> Box | None:
        """The pixels that the robot can cover; None when it is out of sight."""
        if frame.T_world_link.shape != (len(self.model.links), 4, 4):
            raise SceneError(
                f"T_world_link has shape {frame.T_world_link.shape}, "
                f"{self.model.name} wants {(len(self.model.links), 4, 4)}"
            )
        camera = frame.camera
        T_camera_world = np.linalg.inv(camera.T_world_camera)
        seen = []
        for link, hull in self._hulls.items():
            T = T_camera_world @ frame.T_world_link[link]
            points = hull @ T[:3, :3].T + T[:3, 3]
            depth = points[:, 2]
            if depth.max() <= NEAR:
                continue
            if depth.min() <= NEAR:  # its outline has no finite bounds
                return 0, 0, camera.width, camera.height
            seen.append(points @ camera.K[:2].T / depth[:, None])
        if not seen:
            return None
        pixels = np.concatenate(seen)
        low = np.floor(pixels.min(0)).astype(int) - MARGIN
        high = np.ceil(pixels.max(0)).astype(int) + MARGIN + 1
        x0, y0 = np.maximum(low, 0)
        x1, y1 = np.minimum(high, (camera.width, camera.height))
        return (int(x0), int(y0), int(x1), int(y1)) if x0 < x1 and y0 < y1 else None


def _link_object(
    scene: bpy.types.Scene, name: str, mesh: LinkMesh, materials: Materials, detail: float | None
) -> bpy.types.Object:
    """One object with all of a link's geometry, thinned out to `detail`."""
    block = bpy.data.meshes.new(name)
    block.from_pydata(mesh.vertices, [], mesh.triangles.tolist())
    for material in materials.blocks:
        block.materials.append(material)
    block.polygons.foreach_set("material_index", mesh.materials)
    block.update()
    made = bpy.data.objects.new(name, block)
    scene.collection.objects.link(made)
    if detail is not None and detail < 1:
        made.modifiers.new("detail", "DECIMATE").ratio = detail
        thinned = bpy.data.meshes.new_from_object(
            made.evaluated_get(bpy.context.evaluated_depsgraph_get())
        )
        made.modifiers.clear()
        made.data = thinned
        bpy.data.meshes.remove(block)
    made.data.shade_smooth()
    made.data.set_sharp_from_angle(angle=np.radians(35))
    _twin(scene, made)
    return made


def _twin(scene: bpy.types.Scene, block: bpy.types.Object) -> None:
    """Give a mesh a second, invisible user, tiny and underground.

    Cycles bakes the pose into a mesh with one user and builds its search tree anew each frame; a
    shared mesh keeps its tree and only its instance moves. That halves the time of a frame.
    """
    twin = bpy.data.objects.new(f"{block.name} twin", block.data)
    twin.location, twin.scale = (0, 0, -5), (1e-3, 1e-3, 1e-3)
    twin.visible_camera = twin.visible_diffuse = twin.visible_glossy = False
    twin.visible_shadow = twin.visible_transmission = twin.visible_volume_scatter = False
    scene.collection.objects.link(twin)


def _vertices(block: bpy.types.Object) -> NDArray[np.float64]:
    flat = np.empty(3 * len(block.data.vertices), np.float32)
    block.data.vertices.foreach_get("co", flat)
    return flat.reshape(-1, 3).astype(np.float64)


def _hull(block: bpy.types.Object) -> NDArray[np.float64]:
    """(N, 3) points of a mesh that bound it in every view."""
    points = _vertices(block)
    try:
        return points[ConvexHull(points).vertices]
    except QhullError:  # flat or too few points: they bound themselves
        return points


def _tree(block: bpy.types.Object) -> BVHTree:
    triangles = [tuple(polygon.vertices) for polygon in block.data.polygons]
    return BVHTree.FromPolygons(_vertices(block).tolist(), triangles)
