"""Which images are one problem: each alone, all of a still camera, or all of several."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePath

import numpy as np

from jointloop.common.files import shown
from simulator.robot import Robot
from trainer.pose.errors import PoseError
from trainer.pose.lenses import lens_of, read_mapping, same_lens
from trainer.pose.problem import Array, Lens, Problem, View
from trainer.pose.shots import Shot


@dataclass(frozen=True, eq=False)
class Task:
    """One problem, and the images that it is made of."""

    problem: Problem
    q: Array
    """(T, D) the angles that are known."""
    shots: tuple[int, ...]
    """(V,) the image that each view is."""


@dataclass(frozen=True, eq=False)
class Rig:
    """Cameras that stand still, by name."""

    lenses: dict[str, Lens]
    patterns: dict[str, str]
    """That the names of each one's images fit."""

    @classmethod
    def read(cls, path: Path) -> "Rig":
        """Cameras of a JSON or YAML file: name -> images (a pattern), K, distortion_coefficients.

        Raises:
            PoseError: it is no such file.
        """
        said = read_mapping(path)
        lenses, patterns = {}, {}
        for name, one in said.items():
            where = f"{shown(path)}, camera {name}"
            if not isinstance(one, dict) or not isinstance(one.get("images"), str):
                raise PoseError(f"{where} lacks images, a pattern of their names such as 'left/*'")
            lenses[str(name)], _ = lens_of(one, where)
            patterns[str(name)] = one["images"]
        if not lenses:
            raise PoseError(f"{shown(path)} names no camera")
        return cls(lenses, patterns)

    def shots(self, names: Sequence[str]) -> list[list[int]]:
        """The images of every camera, in their order; as many for each.

        Raises:
            PoseError: an image is no camera's or of two, or one camera has more than another.
        """
        of: list[list[int]] = [[] for _ in self.patterns]
        for i, name in enumerate(names):
            fits = [c for c, pattern in enumerate(self.patterns.values()) if _fits(name, pattern)]
            if len(fits) != 1:
                raise PoseError(
                    f"image {name} fits the patterns of {len(fits)} cameras; expected one of "
                    f"{', '.join(self.patterns.values())}"
                )
            of[fits[0]].append(i)
        counts = {name: len(one) for name, one in zip(self.patterns, of, strict=True)}
        if len(set(counts.values())) > 1:
            each = ", ".join(f"{name} {count}" for name, count in counts.items())
            raise PoseError(f"images of the cameras: {each}; expected one of each at every instant")
        return of


def _fits(name: str, pattern: str) -> bool:
    return fnmatch(name, pattern) or fnmatch(name, f"*/{pattern}") or PurePath(name).match(pattern)


def apart(robot: Robot, shots: Sequence[Shot], q: Array | None, noise: float) -> list[Task]:
    """Every image a problem of its own.

    Args:
        robot: that is seen.
        shots: N images, each with its lens.
        q: (N, D) the angles known, or None.
        noise: standard deviation of a sure keypoint along x and y [px].
    """
    return [
        _task(robot, [lens_for(shot)], [(shot, i, 0, 0)], q, [i], noise, False)
        for i, shot in enumerate(shots)
    ]


def together(
    robot: Robot, shots: Sequence[Shot], q: Array | None, noise: float, refine_K: bool
) -> list[Task]:
    """All images of one camera that stands still before one base; see `apart`.

    Raises:
        PoseError: their lenses differ.
    """
    lens = lens_for(shots[0])
    for shot in shots:
        if not same_lens(lens, lens_for(shot)):
            raise PoseError(
                f"images {shots[0].name} and {shot.name} differ in K; expected one still camera"
            )
    views = [(shot, i, 0, i) for i, shot in enumerate(shots)]
    return [_task(robot, [lens], views, q, list(range(len(shots))), noise, refine_K)]


def around(
    robot: Robot, shots: Sequence[Shot], q: Array | None, noise: float, refine_K: bool, rig: Rig
) -> list[Task]:
    """All images of several cameras that stand still; see `apart`.

    Raises:
        PoseError: images do not go with the cameras, or two of one instant have other angles.
    """
    of = rig.shots([shot.name for shot in shots])
    views = [(shots[i], i, c, t) for c, own in enumerate(of) for t, i in enumerate(own)]
    if q is not None:
        for own in of[1:]:
            for i, j in zip(of[0], own, strict=True):
                if not np.allclose(q[i], q[j], atol=1e-6):
                    raise PoseError(
                        f"images {shots[i].name} and {shots[j].name} are of one instant but have "
                        "other joint angles"
                    )
    return [_task(robot, list(rig.lenses.values()), views, q, of[0], noise, refine_K)]


def lens_for(shot: Shot) -> Lens:
    """The lens of an image.

    Raises:
        PoseError: nobody said.
    """
    if shot.lens is None:
        raise PoseError(f"the K of image {shot.name} is not known; give --K fx,fy,cx,cy or a file")
    return shot.lens


def _task(
    robot: Robot,
    lenses: Sequence[Lens],
    views: Sequence[tuple[Shot, int, int, int]],
    q: Array | None,
    instants: Sequence[int],
    noise: float,
    refine_K: bool,
) -> Task:
    """A problem of views, each an image with its number, camera and instant.

    Args:
        instants: (T,) an image of each instant.
    """
    seen = tuple(View(shot.pixels, shot.weights, c, t) for shot, _, c, t in views)
    shape = (len(instants), len(robot.angle_names))
    known = np.zeros(shape) if q is None else q[list(instants)]
    free = np.full(shape, q is None)
    problem = Problem(robot, tuple(lenses), seen, free, noise, refine_K)
    return Task(problem, known, tuple(i for _, i, _, _ in views))
