"""How far poses are off where the truth is known, each figure with what it is over.

ADD is the mean distance of a robot's keypoints from their true places before the camera; its area
under the curve to 0.1 m is what DREAM reports (Lee et al., "Camera-to-Robot Pose Estimation from a
Single Image", 2020): an image that has no pose counts as infinitely far off.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.robot import Robot
from trainer.metrics.bootstrap import LEVEL, Bootstrap, middle
from trainer.pose.problem import Array, base_points, turns
from trainer.pose.start import LEAST

REACH = 0.1
"""Of the curve that the area is under [m]."""
DEFINITIONS = {
    "add_mm": "mean distance of an image's keypoints from their true places before the camera; "
    "the median over images with a pose",
    "add_auc": f"area under the share of images with ADD under t, t from 0 to {REACH:g} m, as a "
    f"share; over images with {LEAST} keypoints in the frame, infinite where no pose is found",
    "mpjpe_mm": "mean distance of keypoints from their true places once the first keypoint is "
    "moved to its own; the mean over images with a pose",
    "angle_error_deg": "of the angles that keypoints can tell and that were not given, over images "
    "with a pose; whole turns do not count",
    "interval": f"bootstrap over images, the middle {LEVEL:.0%}",
}


@dataclass(frozen=True, eq=False)
class Truth:
    """What is true of one image."""

    T_camera_base: Array
    """(4, 4)."""
    q: Array
    """(D,) [rad] or [m]."""


@dataclass(frozen=True, eq=False)
class Found:
    """What was found in one image, beside the truth."""

    truth: Truth
    possible: bool
    """Whether enough keypoints lie in the frame."""
    T_camera_base: Array | None = None
    """(4, 4); None where there is no pose. Where it hangs on angles that are held, with these."""
    q: Array | None = None
    """(D,)."""
    told: NDArray[np.bool_] | None = None
    """(D,) the angles that were found."""


def accuracy(robot: Robot, found: Sequence[Found], seed: int = 0) -> dict[str, Any]:
    """All figures over images, ready for JSON.

    Args:
        robot: whose keypoints they are.
        found: of every image.
        seed: of the bootstrap.
    """
    posed = np.array([i for i, one in enumerate(found) if one.T_camera_base is not None], np.int64)
    possible = np.array([one.possible for one in found])
    distances = np.full((len(found), len(robot.keypoints)), np.inf)
    rooted = distances.copy()
    errors, joints, images = [], [], []
    for i in posed.tolist():
        distances[i], rooted[i] = _distances(robot, found[i])
        off = angle_errors(robot, found[i])
        errors += off[~np.isnan(off)].tolist()
        joints += np.flatnonzero(~np.isnan(off)).tolist()
        images += [i] * int((~np.isnan(off)).sum())
    over = _Over(Bootstrap.over(max(len(found), 1), seed=seed))
    add = distances.mean(axis=1)
    share = np.clip(1 - add / REACH, 0, None)
    asked = np.flatnonzero(possible)
    angle, joint, image = np.array(errors), np.array(joints, int), np.array(images, np.int64)
    return {
        "images": len(found),
        "possible": int(possible.sum()),
        "posed": len(posed),
        "add_mm": over.median(1e3 * add[posed], posed),
        "add_auc": over.mean(share[asked], asked),
        "mpjpe_mm": over.mean(1e3 * rooted[posed].mean(axis=1), posed),
        "angle_error_deg": {
            "median": over.median(angle, image),
            "mean": over.mean(angle, image),
            "joints": {
                robot.angle_names[j]: over.median(angle[joint == j], image[joint == j])
                for j in sorted(set(joints))
            },
        },
        "definitions": DEFINITIONS,
    }


def _distances(robot: Robot, one: Found) -> tuple[Array, Array]:
    """(J,) distances of the keypoints [m], and those with the first one moved to its place."""
    assert one.T_camera_base is not None
    assert one.q is not None
    true, places = (
        base_points(robot, q) @ T[:3, :3].T + T[:3, 3]
        for T, q in ((one.truth.T_camera_base, one.truth.q), (one.T_camera_base, one.q))
    )
    off = places - true
    return np.linalg.norm(off, axis=1), np.linalg.norm(off - off[0], axis=1)


def angle_errors(robot: Robot, one: Found) -> Array:
    """(D,) errors of the angles found [deg]; NaN for all others, and for lengths."""
    assert one.q is not None
    assert one.told is not None
    off = one.q - one.truth.q
    off = np.where(turns(robot), (off + np.pi) % (2 * np.pi) - np.pi, off)
    return np.where(one.told & ~robot.slides, np.degrees(np.abs(off)), np.nan)


@dataclass(frozen=True)
class _Over:
    """Figures with their intervals."""

    bootstrap: Bootstrap

    def mean(self, values: Array, image: NDArray[np.int64]) -> dict[str, Any]:
        spread = self.bootstrap.means(values, image) if len(values) else values
        return _figure(float(values.mean()) if len(values) else None, spread, image)

    def median(self, values: Array, image: NDArray[np.int64]) -> dict[str, Any]:
        spread = self.bootstrap.quantiles(values, image, 0.5) if len(values) else values
        return _figure(float(np.median(values)) if len(values) else None, spread, image)


def _figure(value: float | None, spread: Array, image: NDArray[np.int64]) -> dict[str, Any]:
    spread = spread[~np.isnan(spread)]
    varies = len(spread) > 0 and len(set(image.tolist())) > 1
    return {"value": value, "interval": list(middle(spread)) if varies else None, "n": len(image)}
