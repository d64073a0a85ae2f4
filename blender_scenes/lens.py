"""The lens: Brown-Conrady distortion, its inverse, and pictures bent as the lens bends rays.

With (x, y) the pinhole's normalised coordinates and r^2 = x^2 + y^2, OpenCV's definition
(docs.opencv.org, module calib3d, "Detailed Description") is

    x' = x (1 + k1 r^2 + k2 r^4 + k3 r^6) + 2 p1 x y + p2 (r^2 + 2 x^2)
    y' = y (1 + k1 r^2 + k2 r^4 + k3 r^6) + p1 (r^2 + 2 y^2) + 2 p2 x y

The polynomial folds back far from the axis, where no lens does. Its Jacobian is symmetric, so on a
disc where it is positive definite no two rays meet in one pixel; what lies outside of that disc
counts as not seen.
"""

from dataclasses import dataclass, replace
from functools import cache, lru_cache

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import make_interp_spline

from blender_scenes.spec import Camera, Distortion
from jointloop.common.errors import SceneError

LEAST_STRETCH = 0.1
"""Smallest factor by which a lens may scale a neighbourhood; it squeezes no further than that."""
WIDEST = 5.0
"""Largest radius a distorting lens sees, 79 degrees off its axis."""
TOLERANCE = 1e-10
"""Of the inverse, in normalised coordinates."""
STEPS = 50
"""Of Newton's method, before giving up; five are usual."""
NODES = 24
"""Places along each side of a frame where the inverse is solved for; a spline runs in between."""


Values = NDArray[np.float64]


class LensError(SceneError):
    """A lens has no image of what was asked for."""


def distorts(camera: Camera) -> bool:
    """Whether the lens is more than a pinhole."""
    return any(camera.distortion)


@lru_cache(maxsize=64)
def limit(distortion: Distortion) -> float:
    """Radius of the disc of normalised coordinates that the lens sees.

    The radial part scales by 1 + k1 r^2 + k2 r^4 + k3 r^6 around the axis and by
    1 + 3 k1 r^2 + 5 k2 r^4 + 7 k3 r^6 along the radius; the tangential part adds at least
    -6 r |(p1, p2)| to either.
    """
    k1, k2, p1, p2, k3 = distortion
    r = np.linspace(0, WIDEST, 5001)
    around = 1 + k1 * r**2 + k2 * r**4 + k3 * r**6
    along = 1 + 3 * k1 * r**2 + 5 * k2 * r**4 + 7 * k3 * r**6
    folded = np.minimum(around, along) - 6 * r * np.hypot(p1, p2) < LEAST_STRETCH
    return float(r[max(int(folded.argmax()) - 1, 0)]) if folded.any() else WIDEST


def distort(camera: Camera, points: ArrayLike) -> NDArray[np.float64]:
    """Where rays meet the image plane behind the lens.

    Args:
        camera: whose lens it is.
        points: (N, 2) normalised coordinates of a pinhole, x / z and y / z.

    Returns:
        (N, 2) normalised coordinates; NaN for rays that the lens does not see.
    """
    given = np.asarray(points, np.float64)
    if not distorts(camera):
        return given
    x, y = given[:, 0], given[:, 1]
    bent = np.stack(_bent(camera.distortion, x, y), axis=1)
    return np.where((np.hypot(x, y) < limit(camera.distortion))[:, None], bent, np.nan)


def undistort(camera: Camera, points: ArrayLike) -> NDArray[np.float64]:
    """The inverse of `distort`, by Newton's method, to 1e-9.

    Args:
        camera: whose lens it is.
        points: (N, 2) normalised coordinates behind the lens.

    Returns:
        (N, 2) normalised coordinates of a pinhole.

    Raises:
        LensError: the lens shows nothing at one of the points.
    """
    given = np.asarray(points, np.float64)
    if not distorts(camera):
        return given
    most = limit(camera.distortion)
    x, y = _within(given[:, 0], given[:, 1], most)
    du, dv = _misses(camera.distortion, x, y, given)
    pace = np.ones(len(given))
    for _ in range(STEPS):
        if np.hypot(du, dv).max(initial=0) <= TOLERANCE:
            return np.stack([x, y], axis=1)
        a, b, d = _jacobian(camera.distortion, x, y)
        step = pace / (a * d - b * b)
        trial = _within(x - step * (d * du - b * dv), y - step * (a * dv - b * du), most)
        misses = _misses(camera.distortion, *trial, given)
        nearer = np.hypot(*misses) < np.hypot(du, dv)
        pace = np.where(nearer, 1.0, pace / 2)
        x, y = np.where(nearer, trial, (x, y))
        du, dv = np.where(nearer, misses, (du, dv))
    worst = given[int(np.hypot(du, dv).argmax())]
    raise LensError(
        f"a lens of distortion {camera.distortion} shows nothing at normalised coordinates "
        f"({worst[0]:.4g}, {worst[1]:.4g}): it sees rays up to {most:.4g} from its axis"
    )


def covers(camera: Camera) -> bool:
    """Whether the lens shows something at every pixel."""
    if not distorts(camera):
        return True
    most = limit(camera.distortion)
    k1, k2, p1, p2, k3 = camera.distortion
    # The edge of what the lens sees comes at least as close to the axis as this:
    shown = most * (1 + k1 * most**2 + k2 * most**4 + k3 * most**6)
    shown -= 3 * most**2 * float(np.hypot(p1, p2))
    x = np.array([-0.5, camera.width - 0.5])
    y = np.array([-0.5, camera.height - 0.5])
    (fx, _, cx), (_, fy, cy) = camera.K[:2]
    corner = np.hypot(np.abs((x - cx) / fx).max(), np.abs((y - cy) / fy).max())
    return bool(corner < shown)


@dataclass(frozen=True, eq=False)
class Bend:
    """How to make the lens' picture out of a pinhole's."""

    pinhole: Camera
    """Same place, same focal lengths, no distortion; its frame holds all that the lens shows."""
    x: NDArray[np.float32]
    """(H, W) column of the pinhole's frame that each of the lens' pixels shows [px]."""
    y: NDArray[np.float32]
    """(H, W) row likewise."""

    def picture(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """The lens' picture (H, W, C) out of the pinhole's, linear between pixels."""
        return cv2.remap(image, self.x, self.y, cv2.INTER_LINEAR).astype(np.float32, copy=False)


def bend(camera: Camera) -> Bend:
    """The pinhole to render with, and how its picture is bent.

    Raises:
        LensError: the lens does not cover the frame, or the axes are skewed.
    """
    if not covers(camera):
        raise LensError(
            f"a lens of distortion {camera.distortion} does not cover a frame of "
            f"{camera.width} x {camera.height} px with K = {camera.K.tolist()}"
        )
    (fx, skew, cx), (_, fy, cy) = camera.K[:2]
    if skew:
        raise LensError(f"K = {camera.K.tolist()}: wanted no skew")
    (u, to_columns), (v, to_rows) = _spline(camera.width), _spline(camera.height)
    bent = np.stack(np.meshgrid((u - cx) / fx, (v - cy) / fy), axis=-1)
    straight = undistort(camera, bent.reshape(-1, 2)).reshape(bent.shape) * (fx, fy) + (cx, cy)
    nodes = straight.astype(np.float32)
    x, y = (to_rows @ nodes[..., i] @ to_columns.T for i in range(2))
    low = np.floor([x.min(), y.min()]).astype(int) - 1
    high = np.ceil([x.max(), y.max()]).astype(int) + 2
    K = camera.K.copy()
    K[:2, 2] -= low
    width, height = (int(n) for n in high - low)
    pinhole = replace(camera, width=width, height=height, K=K, distortion=(0.0,) * 5)
    return Bend(pinhole, (x - low[0]).astype(np.float32), (y - low[1]).astype(np.float32))


@cache
def _spline(length: int) -> tuple[Values, NDArray[np.float32]]:
    """(NODES,) places along a side, and (length, NODES) weights of their values at each pixel."""
    nodes = np.linspace(0, length - 1, NODES)
    weights = make_interp_spline(nodes, np.eye(NODES), k=5)(np.arange(length))
    return nodes, weights.astype(np.float32)


def _bent(distortion: Distortion, x: Values, y: Values) -> tuple[Values, Values]:
    k1, k2, p1, p2, k3 = distortion
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    return (
        x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
        y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
    )


def _misses(distortion: Distortion, x: Values, y: Values, wanted: Values) -> tuple[Values, Values]:
    u, v = _bent(distortion, x, y)
    return u - wanted[:, 0], v - wanted[:, 1]


def _jacobian(distortion: Distortion, x: Values, y: Values) -> tuple[Values, Values, Values]:
    """d x'/dx, d x'/dy = d y'/dx, d y'/dy."""
    k1, k2, p1, p2, k3 = distortion
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    slope = 2 * (k1 + r2 * (2 * k2 + 3 * k3 * r2))
    return (
        radial + slope * x * x + 2 * p1 * y + 6 * p2 * x,
        slope * x * y + 2 * p1 * x + 2 * p2 * y,
        radial + slope * y * y + 6 * p1 * y + 2 * p2 * x,
    )


def _within(x: Values, y: Values, radius: float) -> tuple[Values, Values]:
    shrink = np.minimum(1, radius / np.maximum(np.hypot(x, y), 1e-12))
    return x * shrink, y * shrink
