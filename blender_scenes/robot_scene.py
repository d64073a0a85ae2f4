"""The robot in Blender: built once, then posed, lit, seen and probed frame by frame.

    sync (touch what changed) -> render (the robot's box, in Cycles) -> read -> composite

Cycles draws the robot alone, on transparent film, within the box it covers; the background is laid
under it by `blender_scenes.background`. The same frame gives the same bytes in every process,
whatever was rendered before. Blender's state is global: one RobotScene at a time per process, and
making another ends the one before.
"""

import tempfile
import time
from pathlib import Path
from typing import ClassVar

import bpy
import numpy as np
from mathutils import Matrix, Vector
from mathutils.bvhtree import BVHTree
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from blender_scenes.appearance import Materials, SunLight, Surroundings
from blender_scenes.background import develop, over, view
from blender_scenes.meshes import LinkMesh, quiet, read_robot
from blender_scenes.spec import Camera, Frame, Rendered, RobotModel, SceneError

COLOR_SPACE = "sRGB"
"""Of every image, through Blender's view transform 'Standard': no film curve, clipped at white."""

SENSOR = 36.0
"""Width of Blender's sensor [mm]; any will do, the focal length goes with it."""

NEAR = 0.01
"""Nothing closer to the camera than this is drawn [m]."""

FAR = 1000.0
"""Nothing farther from the camera than this is drawn [m]."""

MARGIN = 2
"""Pixels around the robot's box that its filtered edges may reach."""

_FLIP = np.diag([1.0, -1.0, -1.0, 1.0])  # OpenCV's camera axes to Blender's

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 [px], the end excluded."""


def detail_for(height: int) -> float:
    """The share of triangles that an image of this height [px] can show."""
    return float(np.clip(0.1 * (height / 120) ** 1.5, 0.05, 1.0))


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
    ) -> None:
        """Build the scene; Blender's current one is thrown away.

        Args:
            model: the robot.
            samples: Cycles' samples per pixel.
            detail: share of triangles kept, 0 to 1; None keeps all. See `detail_for`.
            threads: of Cycles. Several processes of one thread outrun one of several.

        Raises:
            SceneError: a mesh or HDRI is missing or unreadable, or an argument out of range.
        """
        if samples < 1 or threads < 1 or not 0 < (1.0 if detail is None else detail) <= 1:
            raise SceneError(
                f"samples={samples}, threads={threads}, detail={detail}: wanted at least 1, "
                "at least 1, and more than 0 up to 1"
            )
        self.model = model
        RobotScene._alive = self
        meshes, colors = read_robot(model)
        self.scene = bpy.context.scene
        _configure(self.scene, samples, threads)
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
        fast = Path("/dev/shm")
        self._folder = tempfile.TemporaryDirectory(
            prefix="jointloop-", dir=fast if fast.is_dir() else None
        )
        self._file = Path(self._folder.name) / "robot.tga"
        self.scene.render.filepath = str(self._file)

    def render(self, frame: Frame) -> Rendered:
        """Draw one frame; exposure brightens robot and background alike, as a camera's does.

        Raises:
            SceneError: the frame does not fit the robot, its camera is no pinhole with square
                axes, or Blender wrote no picture.
        """
        if RobotScene._alive is not self:
            raise SceneError("this scene was closed, or ended by a newer one in the same process")
        start = time.perf_counter()
        box = self._box(frame)
        if box is not None:
            self._sync(frame, box)
        synced = time.perf_counter()
        if box is not None:
            with quiet():
                bpy.ops.render.render(write_still=True)
        rendered = time.perf_counter()
        patch = None if box is None else _read_tga(self._file, box)
        read = time.perf_counter()
        image, mask = self._compose(frame, patch, box)
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
        _aim(self.camera, frame.camera)
        self.sun.show(frame.sun)
        self.surroundings.show(frame.environment)
        self.materials.show(frame.materials)
        self.scene.view_settings.exposure = frame.exposure
        self.scene.cycles.seed = frame.seed
        _crop(self.scene.render, frame.camera, box)

    def _compose(
        self, frame: Frame, patch: NDArray[np.uint8] | None, box: Box | None
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        background = frame.background
        panorama = self.surroundings.panoramas.get(background.image)
        if panorama is None:
            known = ", ".join(self.surroundings.panoramas)
            raise SceneError(f"background {background.image!r} is not one of {known}")
        gain = background.brightness * 2.0**frame.exposure
        backdrop = develop(view(panorama, frame.camera, background.rotation), gain)
        if patch is None or box is None:
            return backdrop, np.zeros(backdrop.shape[:2], np.uint8)
        return over(backdrop, patch, box[0], box[1])

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


def _configure(scene: bpy.types.Scene, samples: int, threads: int) -> None:
    """Cycles on CPU for few, cheap, reproducible samples, and plain 8-bit sRGB out of it."""
    render, cycles = scene.render, scene.cycles
    render.engine = "CYCLES"
    render.threads_mode, render.threads = "FIXED", threads
    render.use_persistent_data = True
    render.film_transparent = True
    render.use_border = render.use_crop_to_border = True
    render.resolution_percentage = 100
    render.use_compositing = render.use_sequencer = False
    render.dither_intensity = 0.0
    cycles.device = "CPU"
    cycles.samples = samples
    cycles.use_adaptive_sampling = cycles.use_denoising = False
    cycles.use_light_tree = False
    cycles.use_auto_tile = False
    cycles.caustics_reflective = cycles.caustics_refractive = False
    # One bounce: light from the robot on itself changed its mean brightness by 0.1 %.
    cycles.max_bounces = cycles.diffuse_bounces = cycles.glossy_bounces = 1
    cycles.transmission_bounces = cycles.volume_bounces = 0
    cycles.sample_clamp_indirect = 4.0
    view_settings = scene.view_settings
    scene.display_settings.display_device = COLOR_SPACE
    view_settings.view_transform, view_settings.look = "Standard", "None"
    view_settings.gamma = 1.0
    picture = render.image_settings
    picture.file_format, picture.color_mode = "TARGA_RAW", "RGBA"


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
    return made


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


def _aim(block: bpy.types.Object, camera: Camera) -> None:
    """Set Blender's camera to a pinhole's pose and intrinsics.

    Raises:
        SceneError: focal lengths that are not positive, or skewed axes.
    """
    (fx, skew, cx), (_, fy, cy) = camera.K[:2]
    if skew != 0 or fx <= 0 or fy <= 0:
        raise SceneError(f"K = {camera.K.tolist()}: wanted focal lengths above 0 and no skew")
    render = bpy.context.scene.render
    render.resolution_x, render.resolution_y = camera.width, camera.height
    ratio = fx / fy  # a pixel's height over its width
    render.pixel_aspect_x, render.pixel_aspect_y = max(1 / ratio, 1.0), max(ratio, 1.0)
    lens = block.data
    lens.sensor_fit = "HORIZONTAL"
    lens.sensor_width = SENSOR
    lens.lens = fx * SENSOR / camera.width
    # Blender measures from the image's border, where our first pixel centre is at 0.
    lens.shift_x = 0.5 - (cx + 0.5) / camera.width
    lens.shift_y = ((cy + 0.5) - camera.height / 2) * ratio / camera.width
    lens.clip_start, lens.clip_end = NEAR, FAR
    block.matrix_world = Matrix((camera.T_world_camera @ _FLIP).tolist())


def _crop(render: bpy.types.RenderSettings, camera: Camera, box: Box) -> None:
    """Have Blender draw a box of pixels only; it rounds fractions down, so aim inside them."""
    x0, y0, x1, y1 = box
    width, height = camera.width, camera.height
    render.border_min_x, render.border_max_x = (x0 + 0.01) / width, (x1 + 0.01) / width
    render.border_min_y = (height - y1 + 0.01) / height
    render.border_max_y = (height - y0 + 0.01) / height


def _read_tga(file: Path, box: Box) -> NDArray[np.uint8]:
    """(h, w, 4) RGBA with straight alpha out of an uncompressed TGA file.

    Raises:
        SceneError: the file is missing or not the picture that was asked for.
    """
    x0, y0, x1, y1 = box
    data = np.fromfile(file, np.uint8)
    header, body = data[:18], data[18:]
    width, height = header[12:16].view("<u2")
    if (width, height) != (x1 - x0, y1 - y0) or header[2] != 2 or header[16] != 32:
        raise SceneError(
            f"Blender wrote {width} x {height} px of TGA type {header[2]}, {header[16]} bit, "
            f"instead of {x1 - x0} x {y1 - y0} px of type 2, 32 bit"
        )
    rows = body[: 4 * int(width) * int(height)].reshape(height, width, 4)
    if not header[17] & 0x20:  # rows run upwards
        rows = rows[::-1]
    return rows[..., [2, 1, 0, 3]]
