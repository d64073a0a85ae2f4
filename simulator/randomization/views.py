"""Where a camera stands and looks: a `View`, and the camera that it makes of an image size."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blender_scenes import spec


@dataclass(frozen=True)
class View:
    """Where the camera stands and looks."""

    distance: spec.Finite
    """From the look-at point [m]."""
    azimuth: spec.Finite
    """Of the camera, about +z [rad]."""
    elevation: spec.Finite
    """Above the look-at point's horizon [rad]."""
    roll: spec.Finite
    """About the viewing axis [rad]."""
    look_at: spec.Vector
    """In the world [m]."""
    focal: spec.Finite
    """Focal length over image height."""
    distortion: spec.Distortion = (0.0, 0.0, 0.0, 0.0, 0.0)
    """Of the lens; see `spec.Camera`."""


Three = tuple[float, float, float]
Four = tuple[float, float, float, float]


def camera(view: View, width: int, height: int) -> spec.Camera:
    """The camera of a view, looking from its place towards its look-at point.

    The principal point is the image centre, ((width - 1) / 2, (height - 1) / 2).
    """
    K, T = rows(view, width, height)
    return spec.Camera(width, height, np.array(K), np.array(T), view.distortion)


def rows(
    view: View, width: int, height: int
) -> tuple[tuple[Three, Three, Three], tuple[Four, Four, Four, Four]]:
    """K and T_world_camera of that camera, as plain numbers."""
    turned, f = _axes(view), view.focal * height

    def placed(i: int) -> Four:
        return *turned[i], view.look_at[i] - view.distance * turned[i][2]

    K = (f, 0.0, (width - 1) / 2), (0.0, f, (height - 1) / 2), (0.0, 0.0, 1.0)
    return K, (placed(0), placed(1), placed(2), (0.0, 0.0, 0.0, 1.0))


def axes(view: View) -> NDArray[np.float64]:
    """(3, 3) the camera's axes in the world, as columns: right, down, forward."""
    return np.array(_axes(view))


def _axes(view: View) -> tuple[Three, Three, Three]:
    level, up = math.cos(view.elevation), math.sin(view.elevation)
    x, y = math.cos(view.azimuth), math.sin(view.azimuth)
    forward = (-(level * x), -(level * y), -up)
    right = (-y, x, 0.0)
    down = (
        forward[1] * right[2] - forward[2] * right[1],
        forward[2] * right[0] - forward[0] * right[2],
        forward[0] * right[1] - forward[1] * right[0],
    )
    cosine, sine = math.cos(view.roll), math.sin(view.roll)

    def turned(i: int) -> Three:
        r, d = right[i], down[i]
        return cosine * r + sine * d, cosine * d - sine * r, forward[i]

    return turned(0), turned(1), turned(2)
