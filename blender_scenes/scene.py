"""What every engine's scene can do: draw frames, and tell which surface a ray meets first.

Conventions are those of `spec`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from blender_scenes.spec import Frame, RobotModel

OTHER = -2
"""In place of a link's index: a surface that is not the robot's."""


@dataclass(frozen=True)
class Rendered:
    """What a scene makes of a frame."""

    image: NDArray[np.uint8]
    """(H, W, 3) RGB, C-contiguous."""
    mask: NDArray[np.uint8]
    """(H, W) coverage of the image by what stands before the background, 0 to 255."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Wall time by stage: sync, render, read, composite."""


class Scene(Protocol):
    """A robot that can be posed, seen and probed. Built once, rendered many times."""

    model: RobotModel

    def render(self, frame: Frame) -> Rendered:
        """Draw one frame."""
        ...

    def silhouette(self, frame: Frame) -> NDArray[np.bool_]:
        """(H, W) pixels whose centre the robot covers, as if nothing stood before it."""
        ...

    def first_hits(
        self, frame: Frame, targets: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """What a ray from the camera centre through each target meets first.

        Args:
            frame: the scene's state; need not have been rendered.
            targets: (N, 3) points in the world [m].

        Returns:
            (N,) distance from the camera centre to the first surface [m], inf where there is none,
            and (N,) index of the link it belongs to, `OTHER` for what is not the robot, -1 where
            there is none.
        """
        ...

    def close(self) -> None:
        """Give back what the scene holds (temporary files, data blocks)."""
        ...
