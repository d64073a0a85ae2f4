"""Many pictures of sticks at once: what `stick_scene` draws one by one, of a bare robot.

No props, no stand, no other robots, no lens and no photos: what studies of many trainings need. The
pictures are those of the stick scene but for the rounding of single precision.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blender_scenes.spec import RobotModel
from blender_scenes.stick_scene import NEAR, NOISE, RADIUS, sticks_of, strew_blots

CHUNK = 32
"""Pictures that are drawn at once: their arrays fit the processor's cache."""
POINT = np.float32(1e-4)
"""Length of a stick that is seen from its end [px]."""
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
    amounts = np.empty((len(frames), len(sticks), size), np.float32)
    left = np.ones((len(frames), height, width), np.float32)  # of what lies behind
    for place in reversed(range(len(sticks))):  # the nearest first
        stick = order[:, place]
        across, alpha = _capsules(frames, start[rows, stick], end[rows, stick], width, height)
        alpha *= left * there[rows, stick][:, None, None]
        left -= alpha
        alpha *= _light(frames, across)
        amounts[:, place] = alpha.reshape(len(frames), size)
    colors = frames.colors[rows[:, None], sticks[order, 0]]
    colors = colors * np.exp2(frames.exposure)[:, None, None]
    planes = colors.transpose(0, 2, 1) @ amounts
    image *= left[..., None]
    image += planes.reshape(len(frames), 3, height, width).transpose(0, 2, 3, 1)
    noise = np.empty_like(image)
    for one, rng in zip(noise, rngs, strict=True):
        rng.standard_normal(out=one, dtype=np.float32)
    noise *= np.float32(NOISE)
    image += noise
    np.clip(image, 0, 1, out=image)
    image *= np.float32(255)
    return np.rint(image, out=image).astype(np.uint8)


def _backdrops(frames: StickFrames, width: int, height: int) -> Array:
    """(n, H, W, 3) gradients between two colours."""
    # Of a sum, the sine is a sum of products: one per row and column in place of one per pixel.
    turn = frames.rotation[:, None]
    column = turn + 3 * np.cos(turn) * np.arange(width, dtype=np.float32) / width
    row = 3 * np.sin(turn) * np.arange(height, dtype=np.float32) / width
    sines = np.stack([np.sin(column), np.cos(column)], axis=1)
    waves = np.stack([np.cos(row), np.sin(row)], axis=2) @ sines
    top, bottom = frames.gradient[:, :1, None], frames.gradient[:, 1:, None]
    return (top + bottom) / 2 + waves[..., None] * ((bottom - top) / 2)


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
    along = q - p
    length = np.maximum(np.sqrt((along**2).sum(axis=1)), POINT)
    # One without length is a disc, whatever its direction.
    point = length <= POINT
    ahead = np.where(point[:, None], np.array([1, 0], np.float32), along / length[:, None])
    ax, ay = ahead.T[..., None, None]
    px, py, r_p, r_q, length = (v[:, None, None] for v in (p[:, 0], p[:, 1], r_p, r_q, length))
    dx = np.arange(width, dtype=np.float32) - px
    dy = np.arange(height, dtype=np.float32)[:, None] - py
    past = ax * dx + ay * dy  # how far along the stick, then how far beyond an end of it
    aside = ax * dy - ay * dx
    on = np.minimum(np.maximum(past, 0), length)
    past -= on
    past *= past
    past += aside * aside
    distance = np.sqrt(past, out=past)
    radius = on
    radius *= (r_q - r_p) / length
    radius += r_p
    across = np.minimum(distance / radius, 1)
    np.copysign(across, aside, out=across)
    across[point] = np.abs(across[point])
    radius -= distance
    radius += np.float32(0.5)
    return across, np.clip(radius, 0, 1, out=radius)


def _projected(K: NDArray[np.float64], points: NDArray[np.float64]) -> tuple[Array, Array]:
    """(n, 2) pixels of points in the camera's frame, and (n,) radius of a stick there [px]."""
    pixels = np.einsum("nab,nb->na", K[:, :2], points) / points[:, 2:]
    radius = RADIUS * K[:, 1, 1] / points[:, 2]
    return pixels.astype(np.float32), radius.astype(np.float32)


def _light(frames: StickFrames, across: Array) -> Array:
    azimuth, strength = frames.light.T[..., None, None]
    lean = np.float32(0.6) * np.sin(azimuth)
    lit = np.float32(0.4) + np.float32(0.15) * strength
    light = across - lean
    light *= light
    np.subtract(1, light, out=light)
    np.sqrt(np.maximum(light, 0, out=light), out=light)
    light += 1
    light *= lit * np.float32(0.5)
    return light
