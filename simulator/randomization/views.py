"""Where a camera stands and looks: a `View`, and the camera that it makes of an image size."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blender_scenes import spec


@dataclass(frozen=True)
class View:
    """Where the camera stands and looks."""

    distance: float
    """From the look-at point [m]."""
    azimuth: float
    """Of the camera, about +z [rad]."""
    elevation: float
    """Above the look-at point's horizon [rad]."""
    roll: float
    """About the viewing axis [rad]."""
    look_at: tuple[float, float, float]
    """In the world [m]."""
    focal: float
    """Focal length over image height."""
    distortion: spec.Distortion = (0.0, 0.0, 0.0, 0.0, 0.0)
    """Of the lens; see `spec.Camera`."""


def camera(view: View, width: int, height: int) -> spec.Camera:
    """The camera of a view, looking from its place towards its look-at point.

    The principal point is the image centre, ((width - 1) / 2, (height - 1) / 2).
    """
    T = np.eye(4)
    T[:3, :3] = axes(view)
    T[:3, 3] = np.asarray(view.look_at) - view.distance * T[:3, 2]
    f = view.focal * height
    K = np.array([[f, 0, (width - 1) / 2], [0, f, (height - 1) / 2], [0, 0, 1.0]])
    return spec.Camera(width, height, K, T, view.distortion)


def axes(view: View) -> NDArray[np.float64]:
    """(3, 3) the camera's axes in the world, as columns: right, down, forward."""
    elevation = (math.cos(view.elevation), math.sin(view.elevation))
    back = np.array(
        [elevation[0] * math.cos(view.azimuth), elevation[0] * math.sin(view.azimuth), elevation[1]]
    )
    right = np.array([-math.sin(view.azimuth), math.cos(view.azimuth), 0.0])
    down = np.cross(-back, right)
    cosine, sine = math.cos(view.roll), math.sin(view.roll)
    return np.stack([cosine * right + sine * down, cosine * down - sine * right, -back], axis=1)
