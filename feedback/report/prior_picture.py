"""How the prior evolved, as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from feedback.history import marginals
from simulator.drawing.captions import captioned, text_bar
from simulator.drawing.drawing import Image, PlotError, write_png

LEAST = (280, 160)
"""Width and height of the smallest panel [px]."""
CELL = 4
"""Side of a bin of one version, where that makes larger ones [px]."""


def prior_captions(robot: Mapping[str, Any]) -> list[str]:
    """A caption for every joint angle of a run's robot.json: its name and range, from the bottom
    of the panel to its top."""
    bounds = (np.rad2deg(robot[end]) for end in ("lower", "upper"))
    ranges = zip(robot["angle_names"], *bounds, strict=True)
    return [f"{name} {lower:.0f}..{upper:.0f} deg" for name, lower, upper in ranges]


def prior_picture(history: Sequence[Mapping[str, Any]], captions: Sequence[str]) -> Image:
    """The prior's evolution as an RGB picture: a panel per joint, time to the right, bins upwards.

    Grey is uniform, orange above it, blue below; the strongest colour is the largest factor seen.

    Args:
        history: entries of `feedback.history.read_history`.
        captions: (D,) of the joint angles.

    Raises:
        PlotError: the history is empty, or of another number of joints.
    """
    if not history:
        raise PlotError("the prior history is empty: there is nothing to draw yet")
    p = marginals(history)
    versions, _, bins = p.shape
    strength = np.log2(p * bins)
    strength = strength / max(float(np.abs(strength).max()), 1e-9)
    neutral, more, less = (
        np.array(c, float) for c in ((232, 232, 232), (217, 72, 1), (8, 81, 156))
    )
    ends = np.where(strength[..., None] > 0, more, less)
    colours = neutral + (ends - neutral) * np.abs(strength[..., None])
    panels = np.rint(colours).astype(np.uint8).transpose(1, 2, 0, 3)[:, ::-1]  # joint, bin, version
    size = (max(LEAST[0], CELL * versions), max(LEAST[1], CELL * bins))
    large = [cv2.resize(q, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8) for q in panels]
    picture = captioned(large, captions)
    legend = (
        f"to the right: prior versions 0 to {versions - 1}, one per epoch; upwards: the angle's "
        "bins; grey: uniform, orange: drawn more often, blue: less"
    )
    return np.concatenate([picture, text_bar(legend, picture.shape[1])])


def prior_png(history: Sequence[Mapping[str, Any]], captions: Sequence[str], path: Path) -> Path:
    """Write `prior_picture` to a PNG file, beside first and then renamed; returns the path."""
    return write_png(prior_picture(history, captions), path)
