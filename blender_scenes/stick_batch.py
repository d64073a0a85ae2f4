"""Many pictures of sticks at once: what `stick_scene` draws one by one, of a bare robot.

No props, no stand, no other robots, no lens and no photos: what studies of many trainings need. The
pictures are those of the stick scene but for the rounding of single precision.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blender_scenes.spec import RobotModel
from blender_scenes.stick_scene import NEAR, NOISE, RADIUS, sticks_of, strew_blots

CHUNK = 64
"""Pictures that are drawn at once: their arrays fit the processor's cache."""
Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class StickFrames:
    """What N pictures show."""

    T_world_link: NDArray[np.float64]
    """(N, L, 4, 4) link poses."""
    T_camera_world: NDArray[np.float64]
    """(N, 4, 4), OpenCV axes."""
    K: NDArray[np.float64]
    """(N, 3, 3) intrinsics [px]."""
    colors: Array
    """(N, L, 3) of each link's stick."""
    light: Array
    """(N, 2) azimuth [rad] and strength of the sun."""
    exposure: Array
    """(N,) stops."""
    gradient: Array
    """(N, 2, 3) colours of the background, its brightness applied."""
    rotation: Array
    """(N,) of the background [rad]."""
    seeds: NDArray[np.int64]
    """(N,) of blots and noise."""

    def __len__(self) -> int:
        return len(self.seeds)

    def part(self, where: slice) -> "StickFrames":
        """Some of them."""
        return StickFrames(*(array[where] for array in vars(self).values()))


def render_sticks(
    model: RobotModel, frames: StickFrames, width: int, height: int
) -> NDArray[np.uint8]:
    """(N, height, width, 3) RGB pictures."""
    pictures = np.empty((len(frames), height, width, 3), np.uint8)
    for start in range(0, len(frames), CHUNK):
        part = slice(start, start + CHUNK)
        pictures[part] = _render(model, frames.part(part), width, height)
    return pictures


def _render(model: RobotModel, frames: StickFrames, width: int, height: int) -> NDArray[np.uint8]:
    rngs = [np.random.default_rng(seed) for seed in frames.seeds.tolist()]
    image = _backdrops(frames, width, height)
    for picture, rng in zip(image, rngs, strict=True):
        strew_blots(picture, rng)
    sticks = np.array(sticks_of(model))
    start, end, there = _cut(_in_camera(frames, sticks[:, 0]), _in_camera(frames, sticks[:, 1]))
    order = np.argsort(-(start + end)[..., 2], axis=1, kind="stable")
    rows, size = np.arange(len(frames)), height * width
    amounts = np.empty((len(frames), size, len(sticks)), np.float32)
    left = np.ones((len(frames), height, width), np.float32)  # of what lies behind
    for place in reversed(range(len(sticks))):  # the nearest first
        stick = order[:, place]
        across, alpha = _capsules(frames, start[rows, stick], end[rows, stick], width, height)
        alpha *= left * there[rows, stick][:, None, None]
        left -= alpha
        amounts[:, :, place] = (alpha * _light(frames, across)).reshape(len(frames), size)
    colors = frames.colors[rows[:, None], sticks[order, 0]]
    colors = colors * np.exp2(frames.exposure)[:, None, None]
    image *= left[..., None]
    image += (amounts @ colors).reshape(image.shape)
    noise = [rng.standard_normal(image.shape[1:], dtype=np.float32) for rng in rngs]
    image += np.stack(noise) * np.float32(NOISE)
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def _backdrops(frames: StickFrames, width: int, height: int) -> Array:
    """(n, H, W, 3) gradients between two colours."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    turn = frames.rotation[:, None, None]
    waves = np.sin(turn + 3 * (np.cos(turn) * x + np.sin(turn) * y) / width)
    top, bottom = frames.gradient[:, :1, None], frames.gradient[:, 1:, None]
    return top + (0.5 + 0.5 * waves.astype(np.float32))[..., None] * (bottom - top)


def _in_camera(frames: StickFrames, links: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n, S, 3) origins of links in the camera's frame."""
    world = frames.T_world_link[:, links][:, :, :3, 3]
    T = frames.T_camera_world
    return np.einsum("nab,nsb->nsa", T[:, :3, :3], world) + T[:, None, :3, 3]


def _cut(
    a: NDArray[np.float64], b: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float32]]:
    """Nearer and farther ends (n, S, 3) of sticks, cut at `NEAR`, and (n, S) 1 where one shows."""
    swap = (b[..., 2] < a[..., 2])[..., None]
    near: NDArray[np.float64] = np.where(swap, b, a)
    far: NDArray[np.float64] = np.where(swap, a, b)
    there = (far[..., 2] > NEAR).astype(np.float32)
    far = np.where(there[..., None] > 0, far, [0.0, 0.0, 1.0])
    depth = far[..., 2] - near[..., 2]
    share = np.where(near[..., 2] < NEAR, (NEAR - near[..., 2]) / np.where(depth > 0, depth, 1), 0)
    return near + (far - near) * share[..., None], far, there


def _capsules(
    frames: StickFrames,
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    width: int,
    height: int,
) -> tuple[Array, Array]:
    """(n, H, W) places across one stick of each picture (-1 to 1), and its coverage."""
    (p, r_p), (q, r_q) = (_projected(frames.K, point) for point in (start, end))
    y, x = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)
    along = q - p
    length2 = np.maximum((along**2).sum(axis=1), 1e-9)[:, None, None]
    px, py, ax, ay = (v[:, None, None] for v in (p[:, 0], p[:, 1], along[:, 0], along[:, 1]))
    dx, dy = x - px, y - py
    t = np.clip((dx * ax + dy * ay) / length2, 0, 1)
    side = np.where(ax * dy - ay * dx < 0, np.float32(-1), np.float32(1))
    dx, dy = dx - t * ax, dy - t * ay
    distance = np.sqrt(dx**2 + dy**2)
    radius = (1 - t) * r_p[:, None, None] + t * r_q[:, None, None]
    across = side * np.clip(distance / radius, 0, 1)
    return across, np.clip(radius - distance + 0.5, 0, 1)


def _projected(K: NDArray[np.float64], points: NDArray[np.float64]) -> tuple[Array, Array]:
    """(n, 2) pixels of points in the camera's frame, and (n,) radius of a stick there [px]."""
    pixels = np.einsum("nab,nb->na", K[:, :2], points) / points[:, 2:]
    radius = RADIUS * K[:, 1, 1] / points[:, 2]
    return pixels.astype(np.float32), radius.astype(np.float32)


def _light(frames: StickFrames, across: Array) -> Array:
    azimuth, strength = frames.light.T[..., None, None]
    lean = np.float32(0.6) * np.sin(azimuth)
    lit = np.float32(0.4) + np.float32(0.15) * strength
    return lit * (0.5 + 0.5 * np.sqrt(np.clip(1 - (across - lean) ** 2, 0, 1)))
