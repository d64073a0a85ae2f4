"""Keypoints to find poses from: of a detector on pictures, or of a file that has them already.

A file is what `predict` wrote or a COCO file of labels; a recording knows the truth as well.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blender_scenes.pictures import PhotoError
from jointloop.common.errors import JointloopError
from jointloop.common.files import shown
from simulator.labels import OUTSIDE
from simulator.recordings.recording import Recording
from simulator.recordings.sample_files import Entry
from simulator.recordings.shards import read_image
from simulator.robot import Robot
from trainer.evaluation.coco import read_coco
from trainer.inference.closer import Closer
from trainer.inference.media import Image, find, picture
from trainer.pose.accuracy import Truth
from trainer.pose.errors import PoseError
from trainer.pose.problem import Array, Lens


@dataclass(frozen=True, eq=False)
class Shot:
    """The keypoints of one image."""

    name: str
    load: Callable[[], Image]
    """Gives (H, W, 3) RGB; raises JointloopError where it cannot be read."""
    pixels: Array
    """(J, 2) in the robot's order [px]; NaN where the weight is 0."""
    weights: Array
    """(J,) 0 for what is not found, up to 1 for what is sure."""
    lens: Lens | None = None
    """Where the file knows it."""
    truth: Truth | None = None
    flags: NDArray[np.uint8] | None = None
    """(J,) 0 outside or not marked, 1 hidden, 2 visible, where the file says so."""
    box: tuple[float, float, float, float] | None = None
    """x, y, width, height of the robot [px], where the file says so."""


def of_recording(folder: Path, robot: str | None) -> tuple[Robot, list[Shot]]:
    """The true keypoints of a recording's samples in the frame.

    Raises:
        JointloopError: there is no such recording, it is damaged, or of another robot.
    """
    recording = Recording.open(folder)
    own = Robot.named(recording.about.settings.robot)
    if robot is not None and Robot.named(robot).fingerprint != own.fingerprint:
        raise PoseError(f"{shown(folder)} shows robot {own.name}, but --robot is {robot}")
    shots = []
    for pair, file in recording.read():
        where = f"{folder}, sample {pair.key}"
        load = partial(read_image, Path(file.name), pair.image, where, recording.size)
        shots.append(_of_entry(recording.entry(pair, file), own, load))
    return own, shots


def of_file(path: Path, robot: str | None, images: Path | None) -> tuple[Robot, list[Shot]]:
    """The keypoints that a JSON file has, of `predict` or of labels.

    Args:
        path: the file.
        robot: whose keypoints they are.
        images: folder that names of images begin from.

    Raises:
        JointloopError: it is neither, or does not fit the robot.
    """
    if robot is None:
        raise PoseError(f"{shown(path)} does not say its robot; give --robot")
    known = Robot.named(robot)
    try:
        said = json.loads(path.read_bytes())
    except OSError as error:
        raise PoseError(f"cannot read {shown(path)}: {error.strerror}") from None
    except ValueError:
        raise PoseError(f"{shown(path)} is no JSON") from None
    if isinstance(said, list):
        return known, [_predicted(one, i, path, known, images) for i, one in enumerate(said)]
    labelled = read_coco(path, known.keypoint_names, known.name, images)
    places = [known.keypoint_names.index(name) for name in labelled.keypoints]
    shots = []
    for image in labelled.images:
        pixels = np.full((len(known.keypoints), 2), np.nan)
        weights = np.zeros(len(known.keypoints))
        weights[places] = image.visibility > OUTSIDE
        pixels[places] = np.where(weights[places, None] > 0, image.pixels, np.nan)
        flags = np.zeros(len(known.keypoints), np.uint8)
        flags[places] = image.visibility
        shot = Shot(image.name, image.load, pixels, weights, flags=flags, box=image.box)
        shots.append(shot)
    return known, shots


def of_pictures(
    inputs: Sequence[Path], closer: Closer, threshold: float, say: Callable[[str], None]
) -> list[Shot]:
    """What a detector finds in pictures; those that cannot be read are said and left out.

    Raises:
        JointloopError: there is no picture, or a video among them.
    """
    shots = []
    for medium in find(inputs, say):
        if medium.is_video:
            raise PoseError(
                f"{medium.name} is a video; run `jointloop predict` over it, and give its "
                "coco_keypoints.json"
            )
        try:
            image = picture(medium.path)
        except PhotoError as error:
            say(f"{error}; it is skipped")
            continue
        shot = Shot(medium.name, partial(picture, medium.path), np.empty(0), np.empty(0))
        shots.append(detected(shot, image, closer, threshold))
    if not shots:
        raise PoseError("none of the pictures can be read")
    return shots


def detected(shot: Shot, image: Image, closer: Closer, threshold: float) -> Shot:
    """The shot with what a detector finds in its image (H, W, 3) in place of its keypoints."""
    look = closer.look(image)
    pixels, weights = _kept(look.pixels, look.scores, threshold)
    return replace(shot, pixels=pixels, weights=weights)


def _kept(pixels: Array, scores: Array, threshold: float) -> tuple[Array, Array]:
    """Pixels and weights of keypoints by their scores."""
    found = (scores >= threshold) & np.isfinite(pixels).all(axis=1)
    weights = np.where(found, np.clip(scores, 0.0, 1.0), 0.0)
    return np.where(found[:, None], pixels, np.nan), weights


def _predicted(one: Any, number: int, path: Path, robot: Robot, images: Path | None) -> Shot:
    """An entry of what `predict` wrote."""
    where = f"{shown(path)}, entry {number}"
    joints = len(robot.keypoints)
    try:
        name, points = str(one["file_name"]), np.array(one["keypoints"], float)
        scores = np.array(one["keypoint_scores"], float)
        frame = one.get("frame")
    except (TypeError, KeyError, ValueError, AttributeError):
        raise PoseError(
            f"{where} is no result of predict; expected file_name, keypoints, keypoint_scores"
        ) from None
    if points.shape != (3 * joints,) or scores.shape != (joints,):
        raise PoseError(
            f"{where} has {points.size / 3:g} keypoints; robot {robot.name} has {joints}: "
            f"{', '.join(robot.keypoint_names)}"
        )
    points = points.reshape(-1, 3)
    scores = np.where(points[:, 2] > OUTSIDE, scores, 0.0)
    kept = _kept(points[:, :2], scores, np.nextafter(0.0, 1.0))
    if frame is not None:
        return Shot(f"{name}, frame {frame}", partial(_no_frame, name), *kept)
    return Shot(name, partial(picture, (images or Path()) / name), *kept)


def _no_frame(name: str) -> Image:
    raise PoseError(f"{name} is a video, whose frames are not drawn into")


def _of_entry(entry: Entry, robot: Robot, load: Callable[[], Image]) -> Shot:
    T_camera_world = np.linalg.inv(np.array(entry.T_world_camera))
    T_world_base = np.eye(4)
    T_world_base[2, 3] = robot.height
    seen = entry.labels.visibility > OUTSIDE
    return Shot(
        entry.key,
        load,
        np.where(seen[:, None], entry.labels.pixels, np.nan),
        seen.astype(float),
        Lens(np.array(entry.K), np.array(entry.distortion)),
        Truth(T_camera_world @ T_world_base, np.array(entry.hidden.q)),
        entry.labels.visibility,
        entry.labels.box,
    )


def loaded(shot: Shot) -> Image | None:
    """The shot's image; None where it cannot be read."""
    try:
        return shot.load()
    except JointloopError:
        return None
