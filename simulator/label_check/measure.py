"""Proves labels against Blender: renders, measures, and says how far off they are.

    draw cases -> outlines (the robot alone, rendered), sight (link and distance along the rays to
    keypoints, rendered) -> positions (glowing balls at the keypoints, rendered; without the lens,
    with it, and moved as training moves its images)

What a label is compared with comes out of rendered pixels alone; see `blender_scenes.probes`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from blender_scenes.spec import Camera, Frame
from jointloop.common.errors import JointloopError
from simulator import labels
from simulator.randomization.assignment import Assignment
from simulator.randomization.hidden import frame
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings
from simulator.robot import Robot
from simulator.sample import Labels, Sample
from simulator.sample_maker import SampleMaker

if TYPE_CHECKING:
    from blender_scenes.probes import Balls

RADIUS = 4.0
"""Of the balls on the picture [px]."""
WINDOW = 12
"""Half the side of the square around a label in which its ball is looked for [px]."""
RIM = RADIUS + 2
"""Balls closer than this to the frame's border may be cut; they are left out [px]."""
MOVED_RIM = 2 * RADIUS + 2
"""The same of balls that a motion may have enlarged [px]."""
GLIMPSE = 1.0
"""Light that counts as seeing a ball [full pixels]."""


class Motion(Protocol):
    """How an image may be moved after it was rendered; a sample's number decides on the motion."""

    def keypoints(self, pixels: NDArray[np.float64], number: int) -> NDArray[np.float64]:
        """Where (J, 2) keypoints [px] come to lie."""
        ...

    def picture(self, light: NDArray[np.float64], number: int) -> NDArray[np.float64]:
        """The (H, W) light, moved."""
        ...


class CheckError(JointloopError):
    """Labels cannot be checked here."""


@dataclass(frozen=True, eq=False)
class Case:
    """A sample, and what was rendered for it."""

    sample: Sample
    frame: Frame


@dataclass(frozen=True, eq=False)
class Outlines:
    """The robot's box and area of the labels, and of its rendered alpha."""

    labelled: list[Labels]
    box_error: NDArray[np.float64]
    """(N,) largest distance between the same sides of both boxes [px]."""
    area_error: NDArray[np.float64]
    """(N,) difference of areas over the rendered one."""
    boxes: list[Sequence[float]]
    """Rendered ones."""


@dataclass(frozen=True, eq=False)
class Sight:
    """Visibility of the keypoints in the frame, labelled and rendered."""

    labelled: NDArray[np.uint8]
    """(N, J)."""
    rendered: NDArray[np.uint8]
    """(N, J)."""

    @property
    def differ(self) -> NDArray[np.bool_]:
        """(N, J)."""
        return self.labelled != self.rendered

    @property
    def agreement(self) -> float:
        """Share of the keypoints in the frame."""
        return 1 - float(self.differ.sum()) / max(int((self.labelled > labels.OUTSIDE).sum()), 1)


@dataclass(frozen=True, eq=False)
class Positions:
    """Where keypoints are labelled and where balls at their places are seen."""

    labelled: NDArray[np.float64]
    """(N, J, 2) [px]."""
    rendered: NDArray[np.float64]
    """(N, J, 2) [px]; NaN where not looked for, inf where nothing was found."""
    strays: int
    """Keypoints labelled outside the frame whose balls are seen in it."""
    outside: int
    """Keypoints labelled outside the frame."""
    worst: NDArray[np.float64]
    """(H, W) light of the picture with the largest error."""

    @property
    def error(self) -> NDArray[np.float64]:
        """(N, J) distance [px]; NaN where not looked for."""
        with np.errstate(invalid="ignore"):
            return np.linalg.norm(self.rendered - self.labelled, axis=-1)


@dataclass(frozen=True, eq=False)
class Report:
    """All that was measured."""

    robot: Robot
    cases: list[Case]
    outlines: Outlines
    sight: Sight
    positions: dict[str, Positions]
    """By how the balls were seen: through a "pinhole", a "lens", or a lens and then "augmented"."""


def check(
    settings: SampleSettings,
    samples: int,
    backgrounds: Path | None,
    say: Callable[[str], None],
    motion: Motion | None = None,
) -> Report:
    """Draw samples from the uniform prior, render them and compare.

    Args:
        settings: of the samples.
        samples: how many.
        backgrounds: folder of the user's pictures.
        say: takes a line on each stage.
        motion: that labels are to follow as well.

    Raises:
        CheckError: no samples are asked for.
        SceneError: Blender is not installed, or the scene cannot be built.
    """
    if samples < 1:
        raise CheckError(f"samples is {samples}; expected at least 1")
    with SampleMaker(settings, "cycles", backgrounds=backgrounds, say=say) as maker:
        robot = maker.robot
        prior = JointPrior.uniform(robot.lower, robot.upper, settings.bins)
        say(f"rendering {samples} samples of {robot.name}, and its outlines alone")
        cases = []
        for i in range(samples):
            sample = maker.sample(0, i, Assignment.of(prior))
            shown = frame(robot, sample.hidden, settings.width, settings.height)
            cases.append(Case(sample, shown))
        outlines = _outlines(maker, cases)
        say(f"asking the renderer what stands before {samples * len(robot.keypoints)} keypoints")
        sight = _sight(maker, cases)
    from blender_scenes.probes import Balls

    positions = {}
    balls = Balls(len(robot.keypoints))
    for name in ("pinhole", "lens"):
        say(f"looking for balls at the keypoints through a {name}")
        shown = [case.frame if name == "lens" else _pinhole(case.frame) for case in cases]
        positions[name] = _positions(balls, robot, shown)
    if motion:
        say("looking for balls at the keypoints of moved images")
        positions["augmented"] = _positions(balls, robot, [case.frame for case in cases], motion)
    balls.close()
    return Report(robot, cases, outlines, sight, positions)


def _pinhole(shown: Frame) -> Frame:
    return replace(shown, camera=replace(shown.camera, distortion=(0.0,) * 5))


def _outlines(maker: SampleMaker, cases: Sequence[Case]) -> Outlines:
    from blender_scenes.probes import alone

    boxes, box_errors, area_errors = [], [], []
    for case in cases:
        mask = maker.scene.render(alone(case.frame)).mask
        box = cv2.boundingRect((mask >= 128).astype(np.uint8))
        area = float(mask.sum(dtype=np.int64)) / 255
        told = case.sample.labels
        box_errors.append(np.abs(_sides(box) - _sides(told.box)).max())
        area_errors.append(abs(told.area - area) / max(area, 1.0))
        boxes.append(box)
    told = [case.sample.labels for case in cases]
    return Outlines(told, np.array(box_errors), np.array(area_errors), boxes)


def _sides(box: Sequence[float]) -> NDArray[np.float64]:
    x, y, width, height = box
    return np.array((x, y, x + width, y + height))


def _sight(maker: SampleMaker, cases: Sequence[Case]) -> Sight:
    """A keypoint is seen if the rendered ray towards it meets nothing before it, or first a link of
    the joint that it marks, by no more than the keypoint's depth before it."""
    from blender_scenes.probes import Identity
    from blender_scenes.robot_scene import RobotScene

    assert isinstance(maker.scene, RobotScene)
    robot = maker.robot
    eyes = [case.frame.camera.T_world_camera[:3, 3] for case in cases]
    away = [
        np.linalg.norm(case.sample.labels.points - eye, axis=1)
        for case, eye in zip(cases, eyes, strict=True)
    ]
    identity = Identity(maker.scene, farthest=2 * float(np.max(away)))
    own = [robot.own_links(keypoint) for keypoint in robot.keypoints]
    told = np.stack([case.sample.labels.visibility for case in cases])
    found = np.full_like(told, labels.OUTSIDE)
    for i, j in np.argwhere(told > labels.OUTSIDE):
        distance, link = identity.hit(cases[i].frame, cases[i].sample.labels.points[j])
        before = away[i][j] - distance
        seen = before <= 0 or (link in own[j] and before <= robot.keypoints[j].depth)
        found[i, j] = labels.VISIBLE if seen else labels.HIDDEN
    return Sight(told, found)


def _positions(
    balls: "Balls", robot: Robot, frames: Sequence[Frame], motion: Motion | None = None
) -> Positions:
    told, found = [], []
    strays = outside = 0
    worst, most = np.zeros((1, 1)), -1.0
    for number, shown in enumerate(frames):
        points = robot.keypoints_world(shown.T_world_link)
        pixels, _ = labels.project(shown.camera, points)
        inner, outer = (_within(pixels, shown.camera, by) for by in (RIM, -RIM))
        if motion:
            pixels = motion.keypoints(pixels, number)
            inner &= _within(pixels, shown.camera, MOVED_RIM)
        seen = np.full_like(pixels, np.nan)
        for group in _apart(pixels, np.flatnonzero(inner)):
            light = balls.light(shown, points, RADIUS, group)
            if motion:
                light = motion.picture(light, number)
            seen[group] = [_centroid(light, pixels[j]) for j in group]
            error = float(np.linalg.norm(seen[group] - pixels[group], axis=1).max())
            if error > most:
                worst, most = light, error
        told.append(pixels)
        found.append(seen)
        for j in np.flatnonzero(~outer if motion is None else []):
            outside += 1
            strays += bool(balls.light(shown, points, RADIUS, [j]).sum() > GLIMPSE)
    return Positions(np.stack(told), np.stack(found), strays, outside, worst)


def _within(pixels: NDArray[np.float64], camera: Camera, rim: float) -> NDArray[np.bool_]:
    """(N,) whether pixels lie in the frame without its rim; NaN do not."""
    size = np.array((camera.width, camera.height))
    return ((pixels >= rim - 0.5) & (pixels < size - 0.5 - rim)).all(axis=1)


def _apart(pixels: NDArray[np.float64], chosen: NDArray[np.int64]) -> list[list[int]]:
    """The chosen in groups whose members do not reach into each other's windows."""
    groups: list[list[int]] = []
    for j in chosen.tolist():
        for group in groups:
            if np.abs(pixels[group] - pixels[j]).max(axis=1).min() > WINDOW + 2 * RADIUS:
                group.append(j)
                break
        else:
            groups.append([j])
    return groups


def _centroid(light: NDArray[np.float64], near: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2,) centre of the light in the window around a pixel; inf where there is none."""
    x, y = np.rint(near).astype(int)
    x0, y0 = max(x - WINDOW, 0), max(y - WINDOW, 0)
    part = light[y0 : y + WINDOW + 1, x0 : x + WINDOW + 1]
    if part.sum() < GLIMPSE:
        return np.full(2, np.inf)
    v, u = np.indices(part.shape)
    return np.array(((part * u).sum() / part.sum() + x0, (part * v).sum() / part.sum() + y0))
