"""What a report is made from: a run folder's files, read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class RunData:
    """One run, finished or not."""

    name: str
    """Of the run folder."""
    config: Mapping[str, Any]
    """The resolved config."""
    robot: Mapping[str, Any] | None
    """`name`, `keypoints`, `skeleton`, `angle_names`, `lower` and `upper` [rad]."""
    epochs: Sequence[Mapping[str, Any]]
    """One row per epoch, growing; epoch 0 is the untrained network."""
    history: Sequence[Mapping[str, Any]]
    """Entries of the prior history, oldest first."""
    gallery: Mapping[str, NDArray[Any]] | None
    """Held-out images with truth and prediction."""
    summary: Mapping[str, Any] | None
    """Written when the run ends."""

    @property
    def keypoints(self) -> list[str]:
        """Names, from the robot or else from the metrics."""
        if self.robot:
            return list(self.robot["keypoints"])
        return list(value(self.last, "held_out.joints") or ()) if self.epochs else []

    @property
    def first(self) -> Mapping[str, Any]:
        """The first epoch's row; empty before there is one."""
        return self.epochs[0] if self.epochs else {}

    @property
    def last(self) -> Mapping[str, Any]:
        """The latest epoch's row; empty before there is one."""
        return self.epochs[-1] if self.epochs else {}

    @property
    def angle_names(self) -> list[str]:
        """Of the joint angles."""
        count = len(self.history[0]["alpha"]) if self.history else 0
        return (
            list(self.robot["angle_names"]) if self.robot else [f"joint {i}" for i in range(count)]
        )

    def ends(self, angle: int) -> tuple[float, float]:
        """Range of a joint angle [deg], from the prior history."""
        lower, upper = (np.degrees(self.history[0][k][angle]) for k in ("lower", "upper"))
        return float(lower), float(upper)


def value(row: Mapping[str, Any], path: str) -> Any:
    """What lies at a dotted path in nested mappings; None where the path ends early."""
    found: Any = row
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found
