"""The scene as sticks: the same interface in numpy, milliseconds per image, no Blender.

Every link is a capsule from its own origin to its child's, lit by the sun, before a gradient; props
and stand are cast ray by ray. For tests and studies of the loop itself; its images carry the same
labels, not the same difficulty.
"""

import time
import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from blender_scenes import outline, solids
from blender_scenes.clutter import strew
from blender_scenes.lens import Bend, bend, distorts
from blender_scenes.photos import Photos
from blender_scenes.scene import OTHER, Rendered
from blender_scenes.spec import Background, Camera, Frame, Material, RobotModel, Sun
from jointloop.common.errors import SceneError

RADIUS = 0.05
"""Of every stick [m]."""
BLOTS = 6
"""Rectangles strewn over the background, to be told from the robot."""
NEAR = 0.05
"""Sticks are cut this far before the camera [m]."""

NOISE = 0.01
"""Standard deviation of the picture's noise, of full brightness."""

Sticks = tuple[tuple[int, int], ...]
"""Pairs of links; a stick runs between their origins and belongs to the first."""


class StickScene:
    """A robot of sticks.

    Args:
        model: the robot.
        backgrounds: the pictures that frames of theme "photos" name.
        others: models of the further robots that frames may show, by name.
    """

    def __init__(
        self,
        model: RobotModel,
        backgrounds: Photos | None = None,
        others: Mapping[str, RobotModel] | None = None,
    ) -> None:
        self.model = model
        self._photos = backgrounds
        self._sticks = sticks_of(model)
        self._others = {name: sticks_of(other) for name, other in (others or {}).items()}

    def render(self, frame: Frame) -> Rendered:
        """Draw one frame: props and stand, then sticks, far ones first."""
        started = time.perf_counter()
        bent, camera = _lens(frame.camera)
        rng = np.random.default_rng(frame.seed)
        image = _backdrop(frame.background, camera, self._photos, rng)
        depth = _draw_solids(image, frame, camera)
        covered = np.isfinite(depth).astype(np.float32)
        shown = [
            (_paint(frame.materials, 100 * body + link), ends)
            for body, (sticks, poses) in enumerate(self._bodies(frame))
            for link, ends in _cuts(frame.camera, sticks, poses)
        ]
        for color, (start, end) in sorted(shown, key=lambda s: -(s[1][0] + s[1][1])[2]):
            window, across, alpha, distance = _capsule(camera, start, end)
            alpha = alpha * (distance < depth[window])
            lit = color * _light(frame.sun, across)[..., None] * 2.0**frame.exposure
            image[window] += alpha[..., None] * (lit - image[window])
            covered[window] = np.maximum(covered[window], alpha)
        if bent is not None:
            image, covered = bent.picture(image), bent.picture(covered)
        image += rng.standard_normal(image.shape, dtype=np.float32) * np.float32(NOISE)
        pixels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
        mask = np.rint(covered * 255).astype(np.uint8)
        return Rendered(pixels, mask, {"render": time.perf_counter() - started})

    def silhouette(self, frame: Frame) -> NDArray[np.bool_]:
        """Pixels that the robot covers; see `scene.Scene.silhouette`."""
        bent, camera = _lens(frame.camera)
        covered = np.zeros((camera.height, camera.width), np.float32)
        for _, ends in _cuts(frame.camera, self._sticks, frame.T_world_link):
            window, _, alpha, _ = _capsule(camera, *ends)
            covered[window] = np.maximum(covered[window], alpha)
        return (covered if bent is None else bent.picture(covered)) >= 0.5

    def first_hits(
        self, frame: Frame, targets: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """First capsule or solid along each ray; see `scene.Scene.first_hits`."""
        eye = frame.camera.T_world_camera[:3, 3]
        rays = targets - eye
        rays = rays / np.linalg.norm(rays, axis=1, keepdims=True)
        distance = solids.first_hits(solids.solids(frame), eye, rays)
        link = np.where(np.isfinite(distance), OTHER, -1)
        for body, (sticks, poses) in enumerate(self._bodies(frame)):
            for parent, child in sticks:
                hit = _ray_capsule(eye, rays, poses[parent, :3, 3], poses[child, :3, 3])
                nearer = hit < distance
                distance[nearer], link[nearer] = hit[nearer], OTHER if body else parent
        return distance, link

    def close(self) -> None:
        """Nothing to give back."""

    def _bodies(self, frame: Frame) -> list[tuple[Sticks, NDArray[np.float64]]]:
        """Sticks and poses of the robot, then of the others."""
        bodies = [(self._sticks, frame.T_world_link)]
        for other in frame.others:
            if other.name not in self._others:
                known = ", ".join(map(repr, self._others)) or "none"
                raise SceneError(f"another robot is {other.name!r}; the scene has {known}")
            bodies.append((self._others[other.name], other.T_world_link))
        return bodies


def sticks_of(model: RobotModel) -> Sticks:
    """Where a robot has sticks."""
    parents = model.parents
    bones = [(p, i) for i, p in enumerate(parents) if p >= 0 and parents[p] >= 0]
    # The root's own origin often coincides with its child's; its stick would only be a ball.
    return tuple(bones or [(p, i) for i, p in enumerate(parents) if p >= 0])


def _lens(camera: Camera) -> tuple[Bend | None, Camera]:
    """How the camera's lens bends, and the pinhole to draw with."""
    if not distorts(camera):
        return None, camera
    bent = bend(camera)
    return bent, bent.pinhole


def _draw_solids(image: NDArray[np.float32], frame: Frame, camera: Camera) -> NDArray[np.float64]:
    """Paint props and stand; their (H, W) depth along the viewing axis [m], inf beside them."""
    depth = np.full(image.shape[:2], np.inf)
    eye, R = camera.T_world_camera[:3, 3], camera.T_world_camera[:3, :3]
    azimuth, elevation = frame.sun.azimuth, frame.sun.elevation
    level = np.cos(elevation)
    sunward = np.array([level * np.cos(azimuth), level * np.sin(azimuth), np.sin(elevation)])
    strength = (0.4 + 0.15 * frame.sun.strength) * 2.0**frame.exposure
    for solid in solids.solids(frame):
        box = outline.box(camera, solids.bounds([solid]), NEAR, 0)
        if box is None:
            continue
        window = np.s_[box[1] : box[3], box[0] : box[2]]
        v, u = np.mgrid[window]
        pixels = np.stack([u, v, np.ones_like(u)], axis=-1).reshape(-1, 3)
        rays = pixels @ np.linalg.inv(camera.K).T @ R.T  # of depth 1
        hit = solids.first_hits([solid], eye, rays).reshape(u.shape)
        nearer = hit < depth[window]
        out = eye + hit[nearer][:, None] * rays[nearer.ravel()] - solid.position
        facing = out @ sunward / np.maximum(np.linalg.norm(out, axis=1), 1e-9)
        image[window][nearer] = strength * (0.6 + 0.4 * facing)[:, None] * np.sqrt(solid.color)
        depth[window][nearer] = hit[nearer]
    return depth


def _cuts(
    camera: Camera, sticks: Sticks, T_world_link: NDArray[np.float64]
) -> list[tuple[int, tuple[NDArray[np.float64], NDArray[np.float64]]]]:
    """Link and both ends, in the camera's frame, of the sticks before the camera."""
    cuts = ((stick[0], _cut(camera, T_world_link[list(stick), :3, 3])) for stick in sticks)
    return [(link, ends) for link, ends in cuts if ends is not None]


def _cut(
    camera: Camera, ends: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Both ends of a stick in the camera's frame, cut at `NEAR`; None where all lies behind."""
    T_camera_world = camera.T_camera_world
    ends = ends @ T_camera_world[:3, :3].T + T_camera_world[:3, 3]
    a, b = sorted(ends, key=lambda p: p[2])
    if b[2] <= NEAR:
        return None
    if a[2] < NEAR:
        a = a + (b - a) * (NEAR - a[2]) / (b[2] - a[2])
    return a, b


def _capsule(
    camera: Camera, start: NDArray[np.float64], end: NDArray[np.float64]
) -> tuple[tuple[slice, slice], NDArray[np.float32], NDArray[np.float32], NDArray[np.float64]]:
    """The window a stick touches; in it, the place across the stick (-1 to 1), coverage, depth."""
    (p, r_p), (q, r_q) = (
        ((camera.K @ point)[:2] / point[2], RADIUS * camera.K[1, 1] / point[2])
        for point in (start, end)
    )
    low = np.floor(np.minimum(p - r_p, q - r_q) - 1).clip(0)
    high = np.ceil(np.maximum(p + r_p, q + r_q) + 2).clip(0, (camera.width, camera.height))
    window = (slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0])))
    y, x = np.ogrid[window]
    along = q - p
    length2 = max(float(along @ along), 1e-9)
    t = np.clip(((x - p[0]) * along[0] + (y - p[1]) * along[1]) / length2, 0, 1)
    dx, dy = x - p[0] - t * along[0], y - p[1] - t * along[1]
    distance = np.hypot(dx, dy)
    radius = (1 - t) * r_p + t * r_q  # inverse depth is linear in the image
    side = np.where(along[0] * dy - along[1] * dx < 0, -1, 1)
    across = side * np.clip(distance / radius, 0, 1)
    alpha = np.clip(radius - distance + 0.5, 0, 1)
    depth = 1 / ((1 - t) / start[2] + t / end[2]) - RADIUS * np.sqrt(1 - across**2)
    return window, across.astype(np.float32), alpha.astype(np.float32), depth


def _ray_capsule(
    eye: NDArray[np.float64],
    rays: NDArray[np.float64],
    start: NDArray[np.float64],
    end: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(N,) distance along unit rays (N, 3) to a capsule of `RADIUS`, inf where they miss."""
    hits = [_ray_sphere(eye, rays, start), _ray_sphere(eye, rays, end)]
    axis = end - start
    length = float(np.linalg.norm(axis))
    if length > 1e-9:
        axis = axis / length
        out = eye - start
        d = rays - (rays @ axis)[:, None] * axis
        o = out - (out @ axis) * axis
        a = np.einsum("ij,ij->i", d, d)
        b, c = d @ o, float(o @ o) - RADIUS**2
        root = b**2 - a * c
        with np.errstate(divide="ignore", invalid="ignore"):
            near = (-b - np.sqrt(root)) / a
        place = out @ axis + near * (rays @ axis)
        on = (root >= 0) & (near >= 0) & (place >= 0) & (place <= length)
        hits.append(np.where(on, near, np.inf))
    return np.min(hits, axis=0)


def _ray_sphere(
    eye: NDArray[np.float64], rays: NDArray[np.float64], centre: NDArray[np.float64]
) -> NDArray[np.float64]:
    b = rays @ (eye - centre)
    root = b**2 - (float((eye - centre) @ (eye - centre)) - RADIUS**2)
    near = -b - np.sqrt(np.maximum(root, 0))
    return np.where((root >= 0) & (near >= 0), near, np.inf)


def _paint(materials: tuple[Material, ...], link: int) -> NDArray[np.float32]:
    """(3,) colour of a link: its own, mixed with its material slot."""
    material = materials[link % len(materials)]
    mixed = (1 - material.mix) * own_color(link) + material.mix * np.array(material.color)
    return mixed.astype(np.float32)


def own_color(link: int) -> NDArray[np.float64]:
    """(3,) colour of a link's stick without any material."""
    return np.random.default_rng(link).uniform(0.2, 0.9, 3)


def _light(sun: Sun, across: NDArray[np.float32]) -> NDArray[np.float32]:
    """Brightness over a stick's round, brightest where it faces the sun."""
    lean = np.float32(0.6 * np.sin(sun.azimuth))
    strength = np.float32(0.4 + 0.15 * sun.strength)
    return strength * (0.5 + 0.5 * np.sqrt(np.clip(1 - (across - lean) ** 2, 0, 1)))


def _backdrop(
    background: Background, camera: Camera, photos: Photos | None, rng: np.random.Generator
) -> NDArray[np.float32]:
    """(H, W, 3) photo, or gradient between two colours of the background's name, with blots."""
    if photos is not None and background.theme == "photos":
        photo = photos.part(background, camera.width, camera.height).astype(np.float32)
        return photo * np.float32(min(background.brightness, 1.1) / 255)
    top, bottom = ends_of(background.image) * min(background.brightness, 1.1)
    y, x = np.ogrid[: camera.height, : camera.width]
    turn = background.rotation
    waves = np.sin(turn + 3 * (np.cos(turn) * x + np.sin(turn) * y) / camera.width)
    image = top + (0.5 + 0.5 * waves.astype(np.float32))[..., None] * (bottom - top)
    strew_blots(image, rng)
    if background.clutter:
        picture = np.rint(image.clip(0, 1) * 255).astype(np.uint8)
        image = strew(picture, background.clutter).astype(np.float32) / np.float32(255)
    return image


def ends_of(name: str) -> NDArray[np.float32]:
    """(2, 3) the two colours of a background's name."""
    own = np.random.default_rng(zlib.crc32(name.encode()))
    return own.uniform(0.1, 0.9, (2, 3)).astype(np.float32)


def strew_blots(image: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Strew rectangles over a background (H, W, 3), in place."""
    height, width = image.shape[:2]
    for _ in range(BLOTS):
        cx, cy = int(rng.integers(width)), int(rng.integers(height))
        size = rng.integers(2, width // 6, 2)
        window = np.s_[max(cy - size[1], 0) : cy + size[1], max(cx - size[0], 0) : cx + size[0]]
        image[window] = rng.uniform(0, 1, 3)
