"""What verbs are told of pictures beside their keypoints: intrinsics, joint angles."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jointloop.common.errors import JointloopError

if TYPE_CHECKING:
    from simulator.robot import Robot
    from trainer.pose.problem import Array
    from trainer.pose.shots import Shot


def with_lens(shots: list["Shot"], K: str | None, needed: bool = False) -> list["Shot"]:
    """All images with the lens that is given, where one is.

    Args:
        shots: the images.
        K: as a command line says it.
        needed: every image has to have a lens.

    Raises:
        JointloopError: it is for pictures of another size, or missing.
    """
    from trainer.pose.arrange import lens_for
    from trainer.pose.lenses import lens_in
    from trainer.pose.shots import loaded

    if K is None:
        return [replace(shot, lens=lens_for(shot)) for shot in shots] if needed else shots
    lens, size = lens_in(K)
    if size is not None and (image := loaded(shots[0])) is not None:
        height, width = image.shape[:2]
        if (width, height) != size:
            raise JointloopError(
                f"{K} is for pictures of {size[0]}x{size[1]}, but {shots[0].name} is "
                f"{width}x{height}"
            )
    return [replace(shot, lens=lens) for shot in shots]


def check_joints(joints: str | None, unit: str | None) -> None:
    """A file of joint angles goes with their unit.

    Raises:
        JointloopError: it is missing.
    """
    if joints not in (None, "truth") and unit is None:
        raise JointloopError(f"--joints {joints}: give --angles-in deg or --angles-in rad")


def angles(robot: "Robot", shots: list["Shot"], joints: str | None, unit: Any) -> "Array | None":
    """(N, D) the angles that are given.

    Raises:
        JointloopError: the file cannot be read or does not fit, or nobody knows the truth.
    """
    import numpy as np

    from trainer.pose.joints import read_joints

    if joints is None:
        return None
    if joints != "truth":
        return read_joints(Path(joints), robot, unit, [shot.name for shot in shots])
    true = [shot.truth.q for shot in shots if shot.truth is not None]
    if len(true) < len(shots):
        raise JointloopError("--joints truth: only a recording knows it; expected a file")
    return np.array(true)
