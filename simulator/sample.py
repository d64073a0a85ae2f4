"""One sample: (image, belief map, hidden variables), and how a scene makes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from blender_scenes.processing import process
from blender_scenes.scene import Scene
from simulator import labels
from simulator.randomization.hidden import Hidden, frame
from simulator.randomization.settings import SampleSettings
from simulator.robot import Robot


@dataclass(frozen=True, eq=False)
class Labels:
    """What is true of one image."""

    pixels: NDArray[np.float64]
    """(J, 2) keypoints [px]; NaN behind the camera."""
    visibility: NDArray[np.uint8]
    """(J,) 0 outside the frame, 1 inside but hidden, 2 visible."""
    points: NDArray[np.float64]
    """(J, 3) keypoints in the world [m]."""
    box: tuple[float, float, float, float]
    """x, y, width, height of the robot within the frame, as if nothing stood before it [px]; zeros
    where it is out of the frame."""
    area: float
    """Of the robot within the frame, as if nothing stood before it [px^2]."""


@dataclass(frozen=True, eq=False)
class Sample:
    """What a simulator publishes."""

    image: NDArray[np.uint8]
    """(H, W, 3) RGB."""
    mask: NDArray[np.uint8]
    """(H, W) coverage by the robot and all that stands around it, 0 to 255: what is no background.
    255 all over where a recording does not tell."""
    belief: NDArray[np.uint8]
    """(J, H / stride, W / stride) in levels of 1/255, 255 at a keypoint; see `belief_map`."""
    labels: Labels
    hidden: Hidden
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Wall time by stage of its making; not part of what the sample is."""


def simulate(scene: Scene, robot: Robot, settings: SampleSettings, hidden: Hidden) -> Sample:
    """Render the hidden variables and label the image."""
    shown = frame(robot, hidden, settings.width, settings.height)
    rendered = scene.render(shown)
    points = robot.keypoints_world(shown.T_world_link)
    pixels, _ = labels.project(shown.camera, points)
    visibility = labels.visibility(
        robot, shown.camera, points, pixels, scene.first_hits(shown, points)
    )
    belief = labels.belief_map(
        pixels,
        visibility > labels.OUTSIDE,
        settings.width,
        settings.height,
        settings.stride,
        settings.sigma,
    )
    box, area = _extent(scene.silhouette(shown))
    return Sample(
        image=process(rendered.image, shown.sensor, shown.film, shown.seed),
        mask=rendered.mask,
        belief=belief,
        labels=Labels(pixels, visibility, points, box, area),
        hidden=hidden,
        seconds=rendered.seconds,
    )


def _extent(mask: NDArray[np.bool_]) -> tuple[tuple[float, float, float, float], float]:
    """Bounding box (x, y, width, height) of the pixels set, and how many they are."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return (0.0, 0.0, 0.0, 0.0), 0.0
    x, y = float(columns[0]), float(rows[0])
    box = (x, y, float(columns[-1]) - x + 1, float(rows[-1]) - y + 1)
    return box, float(mask.sum())
