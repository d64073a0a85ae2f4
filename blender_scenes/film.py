"""Blender's camera and film: settings, a pinhole's pose and intrinsics, a box of pixels, bytes.

configure (once) -> aim, crop (per frame) -> Blender renders to a file -> read_tga
"""

# bpy and its companions bring no type stubs.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from blender_scenes.background import COLOR_SPACE
from blender_scenes.blender import bpy, mathutils
from blender_scenes.spec import Camera, Device, Engine
from jointloop.common.errors import SceneError

SENSOR = 36.0
"""Width of Blender's sensor [mm]; any will do, the focal length goes with it."""

NEAR = 0.01
"""Nothing closer to the camera than this is drawn [m]."""

FAR = 1000.0
"""Nothing farther from the camera than this is drawn [m]."""

_FLIP = np.diag([1.0, -1.0, -1.0, 1.0])  # OpenCV's camera axes to Blender's

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 [px], the end excluded."""


ENGINES: dict[Engine, str] = {
    "cycles": "CYCLES",
    "eevee": "BLENDER_EEVEE_NEXT",
    "workbench": "BLENDER_WORKBENCH",
}
"""Blender's names of its engines."""

COMPUTE = ("OPTIX", "CUDA", "HIP", "ONEAPI")
"""What Cycles reaches GPUs through, the fastest first."""


def configure(
    scene: bpy.types.Scene,
    spp: int,
    engine: Engine = "cycles",
    device: Device = "cpu",
) -> None:
    """Few, cheap samples a pixel, on Cycles' CPU reproducible, and plain 8-bit sRGB out of it.

    Raises:
        SceneError: an engine that Blender does not have, or no GPU that Cycles can use.
    """
    if engine not in ENGINES:
        raise SceneError(f"engine {engine!r} is none of Blender's: {', '.join(ENGINES)}")
    render = scene.render
    render.engine = ENGINES[engine]
    # Several processes of one thread outrun one of several.
    render.threads_mode, render.threads = "FIXED", 1
    render.use_persistent_data = True
    render.film_transparent = True
    render.use_border = render.use_crop_to_border = True
    render.resolution_percentage = 100
    render.use_compositing = render.use_sequencer = False
    render.dither_intensity = 0.0
    view_settings = scene.view_settings
    scene.display_settings.display_device = COLOR_SPACE
    view_settings.view_transform, view_settings.look = "Standard", "None"
    view_settings.gamma = 1.0
    picture = render.image_settings
    picture.file_format, picture.color_mode = "TARGA_RAW", "RGBA"
    if engine == "cycles":
        _cycles(scene.cycles, spp, device)
    elif engine == "eevee":
        scene.eevee.taa_render_samples = spp
        scene.eevee.use_raytracing = False
    else:
        _workbench(scene.display, spp)


def _cycles(cycles: bpy.types.PropertyGroup, spp: int, device: Device) -> None:
    cycles.device = device.upper()
    if device == "gpu":
        _enable_gpus()
    cycles.samples = spp
    cycles.use_adaptive_sampling = cycles.use_denoising = False
    cycles.use_light_tree = False
    cycles.use_auto_tile = False
    cycles.caustics_reflective = cycles.caustics_refractive = False
    # All other light is looked up by the materials.
    cycles.max_bounces = cycles.diffuse_bounces = cycles.glossy_bounces = 0
    cycles.transmission_bounces = cycles.volume_bounces = 0
    cycles.pixel_filter_type = "BOX"
    cycles.sampling_pattern = "BLUE_NOISE"  # what noise there is differs from pixel to pixel


def _workbench(display: bpy.types.SceneDisplay, spp: int) -> None:
    """Flat shades of the materials' colours, under a light of its own."""
    steps = (5, 8, 11, 16, 32)
    display.render_aa = str(next((step for step in steps if step >= spp), steps[-1]))
    display.shading.light, display.shading.color_type = "STUDIO", "MATERIAL"
    display.shading.show_object_outline = False


def _enable_gpus() -> None:
    preferences = bpy.context.preferences.addons["cycles"].preferences
    for kind in COMPUTE:
        try:
            devices = preferences.get_devices_for_type(kind)
        except ValueError:  # not built into this Blender
            continue
        gpus = [found for found in devices if found.type == kind]
        if gpus:
            preferences.compute_device_type = kind
            for found in devices:
                found.use = found.type == kind
            return
    raise SceneError(
        "device 'gpu': Cycles finds no GPU here that speaks OptiX, CUDA, HIP or oneAPI; use device "
        "'cpu'"
    )


def seeing(scene: bpy.types.Scene) -> bpy.types.Object:
    """A camera that the scene is seen through."""
    block = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(block)
    scene.camera = block
    return block


def aim(block: bpy.types.Object, camera: Camera) -> None:
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
    block.matrix_world = mathutils.Matrix((camera.T_world_camera @ _FLIP).tolist())


def crop(render: bpy.types.RenderSettings, camera: Camera, box: Box) -> None:
    """Have Blender draw a box of pixels only; it rounds fractions down, so aim inside them."""
    x0, y0, x1, y1 = box
    width, height = camera.width, camera.height
    render.border_min_x, render.border_max_x = (x0 + 0.01) / width, (x1 + 0.01) / width
    render.border_min_y = (height - y1 + 0.01) / height
    render.border_max_y = (height - y0 + 0.01) / height


def read_tga(file: Path, box: Box) -> NDArray[np.uint8]:
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


def scratch_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder in memory where there is one; removes those that killed processes left behind."""
    memory = Path("/dev/shm")
    base = memory if os.access(memory, os.W_OK) else Path(tempfile.gettempdir())
    for left in base.glob("jointloop-*"):
        pid = left.name.split("-")[1]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(left, ignore_errors=True)
    return tempfile.TemporaryDirectory(prefix=f"jointloop-{os.getpid()}-", dir=base)
