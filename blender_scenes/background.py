"""What stands behind the robot, and the robot over it.

    panorama (linear) --view--> picture (linear) --develop--> 8-bit sRGB --over--> image, mask
    photo --part--> picture (8-bit sRGB) --relight--> 8-bit sRGB         --over--> image, mask
    panorama --view, develop--> picture --strew, relight--> 8-bit sRGB   --over--> image, mask
    Blender's patch --light_of--> light --shared--> --through_lens-->    --over--> image, mask

Blender draws only the robot's box; everything else of an image comes from here, in numpy. The
panorama lies as Blender's environment texture does: its centre column looks along +x, azimuth
about +z grows to the left, its first row looks along +z.
"""

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from blender_scenes.clutter import strew
from blender_scenes.lens import Bend
from blender_scenes.photos import Photos
from blender_scenes.spec import Camera, Frame
from jointloop.common.errors import SceneError

COLOR_SPACE = "sRGB"
"""Of every image; Blender's view transform is 'Standard': no film curve, clipped at white."""

LEVELS = 1 << 14
"""Steps of linear light told apart while encoding; one 8-bit step is 5 of them in the dark."""


WHITEST = 64.0
"""Radiance above which a panorama's lights are cut; pictures are white from about 1 on."""
SWING = 0.02
"""Radiance below 0 that tells ringing."""

SHARES = (0.125, 0.75, 0.125)
"""What a pixel shows of those beside it, along rows and along columns."""


def backdrop(
    frame: Frame,
    panorama: Callable[[str], NDArray[np.float32]],
    photos: Photos | None,
    bent: Bend | None,
) -> NDArray[np.uint8]:
    """What a frame shows where nothing else stands.

    Args:
        frame: its camera, background and exposure matter.
        panorama: gives linear RGB (h, w, 3) by name.
        photos: the user's pictures.
        bent: the bend of the frame's camera, where that has a lens.

    Returns:
        (H, W, 3) sRGB.

    Raises:
        SceneError: there is no such panorama, or the background is not among the pictures.
    """
    background, camera = frame.background, frame.camera
    gain = background.brightness * 2.0**frame.exposure
    if background.theme == "photos":
        if photos is None:
            raise SceneError(
                f"background {background.image!r} is a photo, but no folder of photos is given"
            )
        return relight(photos.part(background, camera.width, camera.height), gain)
    seen = view(panorama(background.image), camera, background.rotation, bent)
    if not background.clutter:
        return develop(seen, gain)
    return relight(strew(develop(seen, 1.0), background.clutter), gain)


def view(
    panorama: NDArray[np.float32],
    camera: Camera,
    rotation: float = 0.0,
    bent: Bend | None = None,
) -> NDArray[np.float32]:
    """The panorama as a camera sees it from its centre.

    Args:
        panorama: (h, w, 3) equirectangular, linear, first row up.
        camera: only its rotation and intrinsics matter, the panorama is infinitely far away.
        rotation: turns the panorama about +z [rad].
        bent: the bend of the camera's lens; None sees without.

    Returns:
        (H, W, 3) linear colours.
    """
    height, width = panorama.shape[:2]
    pinhole = camera if bent is None else bent.pinhole
    to_world = camera.T_world_camera[:3, :3] @ np.linalg.inv(pinhole.K)
    u, v = np.arange(camera.width), np.arange(camera.height)[:, None]
    if bent is not None:
        u, v = bent.x, bent.y
    x, y, z = ((row[0] * u + row[1] * v + row[2]).astype(np.float32) for row in to_world)
    azimuth = np.arctan2(y, x) - np.float32(rotation)
    elevation = np.arctan2(z, np.sqrt(x * x + y * y))
    column = (np.float32(0.5) - azimuth * np.float32(0.5 / np.pi)) % 1 * width - np.float32(0.5)
    row = (np.float32(0.5) - elevation * np.float32(1 / np.pi)) * height - np.float32(0.5)
    row = np.clip(row, 0, height - 1)  # a wrapped picture has no row beyond its poles
    seen = cv2.remap(panorama, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return seen.astype(np.float32, copy=False)


def mended(panorama: NDArray[np.float32]) -> NDArray[np.float32]:
    """A panorama (h, w, 3) without the ringing that lossy compression leaves at bright lights.

    Next to a lamp light swings below 0, far beyond what is dark there: such pixels, and those that
    have sunk with them, take the brightest of their neighbours.
    """
    light = np.clip(panorama, 0, WHITEST)
    swings = (panorama < -SWING).any(axis=2).astype(np.uint8)
    near = cv2.dilate(swings, np.ones((3, 3), np.uint8)).astype(bool)[..., None]
    bright = cv2.dilate(light, np.ones((3, 3), np.uint8))
    return np.where(near, bright, light).astype(np.float32)


def develop(linear: NDArray[np.float32], gain: float) -> NDArray[np.uint8]:
    """Linear colours times a gain, clipped to [0, 1] and encoded as 8-bit sRGB, shape kept."""
    level = np.clip(linear * np.float32(gain * (LEVELS - 1)) + np.float32(0.5), 0, LEVELS - 1)
    return _srgb()[level.astype(np.uint16)]


def relight(picture: NDArray[np.uint8], gain: float) -> NDArray[np.uint8]:
    """An sRGB picture of that much more or less light, clipped at white."""
    return develop(_linear(), gain)[picture]


def light_of(patch: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(h, w, 4) linear light times coverage, and coverage 0 to 1, of sRGB with straight alpha."""
    coverage = patch[..., 3:].astype(np.float32) / np.float32(255)
    return np.concatenate([_linear()[patch[..., :3]] * coverage, coverage], axis=-1)


def shared(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Light (h, w, 4) of which every pixel gives its neighbours a share.

    Two samples a pixel leave jagged edges; those of nine pixels together do not. The samples of a
    pixel spread by 0.29 px, this makes it 0.58: a sharp camera's.
    """
    kernel = np.array(SHARES, np.float32)
    given = cv2.sepFilter2D(light, -1, kernel, kernel, borderType=cv2.BORDER_REPLICATE)
    return given.astype(np.float32, copy=False)


def through_lens(
    light: NDArray[np.float32], x: int, y: int, bent: Bend
) -> tuple[NDArray[np.float32], int, int]:
    """What the lens makes of a patch of the pinhole's frame.

    Args:
        light: (h, w, 4) as `light_of` has it.
        x: column of the pinhole's frame where the patch begins [px].
        y: row likewise.
        bent: of the camera.

    Returns:
        the same of the camera's frame: a patch, its column and its row.
    """
    height, width = light.shape[:2]
    near = (bent.x > x - 1) & (bent.x < x + width) & (bent.y > y - 1) & (bent.y < y + height)
    columns, rows = np.flatnonzero(near.any(axis=0)), np.flatnonzero(near.any(axis=1))
    if not rows.size:
        return np.zeros((0, 0, 4), np.float32), 0, 0
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    place = bent.x[window] - np.float32(x), bent.y[window] - np.float32(y)
    seen = cv2.remap(light, *place, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return seen.astype(np.float32, copy=False), int(columns[0]), int(rows[0])


def over(
    backdrop: NDArray[np.uint8], light: NDArray[np.float32], x: int, y: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Lay a patch on a backdrop, mixing light (not its encoding) at the edges.

    Args:
        backdrop: (H, W, 3) sRGB; painted upon.
        light: (h, w, 4) as `light_of` has it.
        x: column of the backdrop where the patch begins [px].
        y: row of the backdrop where the patch begins [px].

    Returns:
        the backdrop, and the (H, W) coverage of it, 0 to 255.
    """
    mask = np.zeros(backdrop.shape[:2], np.uint8)
    window = np.s_[y : y + light.shape[0], x : x + light.shape[1]]
    coverage = light[..., 3:]
    mask[window] = np.rint(coverage[..., 0] * np.float32(255))
    area, touched = backdrop[window], mask[window] > 0
    rest = np.float32(1) - coverage[touched]
    area[touched] = develop(light[touched][:, :3] + rest * _linear()[area[touched]], 1.0)
    return backdrop, mask


@cache
def _srgb() -> NDArray[np.uint8]:
    """(LEVELS,) 8-bit sRGB of linear light 0 to 1 (IEC 61966-2-1)."""
    light = np.linspace(0, 1, LEVELS)
    code = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(255 * code).astype(np.uint8)


@cache
def _linear() -> NDArray[np.float32]:
    """(256,) linear light of each 8-bit sRGB code (IEC 61966-2-1)."""
    code = np.arange(256) / 255
    light = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)
