"""Hidden variables of an image as named numbers and words, to compare images by.

    Hidden -> {"q.elbow_joint": 0.4, "view.elevation": 0.2, "background.theme": "photos", ...}

Names are the paths of the recorded JSON. Of a list of parts stands how many they are; of materials,
the mean over the robot's own; of a colour, its mean. What tells where a sample came from is left
out, and so is what has no order of its own, such as a point in space.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from simulator.randomization.hidden import Hidden

Factor = float | str | None
"""A number, a word, or None: the image has no such thing."""
LEFT_OUT = ("q", "bins", "provenance", "noise_seed", "view.look_at", "background.place")
MEANS = ("materials",)
"""Lists whose parts all images have."""


def factors(hidden: Hidden, angles: Sequence[str]) -> dict[str, Factor]:
    """The hidden variables of one image, by name.

    Args:
        hidden: all that was drawn for it.
        angles: (D,) names of the joint angles.
    """
    found: dict[str, Factor] = {f"q.{a}": q for a, q in zip(angles, hidden.q, strict=True)}
    _flatten(msgspec.to_builtins(hidden), "", found)
    return found


def _flatten(value: Any, path: str, found: dict[str, Factor]) -> None:
    if path in LEFT_OUT:
        return
    if isinstance(value, Mapping):
        for name, part in value.items():
            _flatten(part, f"{path}.{name}" if path else name, found)
    elif isinstance(value, (list, tuple)):
        _flatten_list(value, path, found)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        found[path] = float(value)
    else:
        found[path] = None if value is None else str(value)


def _flatten_list(values: Sequence[Any], path: str, found: dict[str, Factor]) -> None:
    if path in MEANS:
        for name in values[0]:
            found[f"{path}.{name}"] = float(np.mean([np.mean(part[name]) for part in values]))
    elif values and all(isinstance(value, (int, float)) for value in values):
        found[path] = float(np.mean(values))
    else:
        found[path] = float(len(values))
