"""annotate: a page on which a person marks keypoints, checked by the robot's kinematics."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from jointloop.cli.app import out as console
from jointloop.cli.app import say
from jointloop.common.errors import JointloopError

if TYPE_CHECKING:
    from jointloop.annotate.advice import Guess
    from jointloop.annotate.photos import Photo
    from simulator.robot import Robot


def annotate(
    inputs: tyro.conf.Positional[tuple[Path, ...]],
    *,
    out: Path,
    robot: str = "ur10",
    K: str | None = None,
    detect: bool = True,
    weights: Path | None = None,
    threshold: float = 0.1,
    every: int = 1,
    port: int = 8420,
    device: str = "auto",
) -> int:
    """Serve a page, on this machine alone, on which people mark keypoints in photos.

    Marks are saved after every change; a file that is there is gone on with. Needs
    `pip install 'jointloop[annotate]'`.

    Args:
        inputs: Pictures, folders of them, or videos.
        out: COCO keypoints file; NAME's marks go into OUT-NAME.json beside it.
        robot: Name or TOML file of the robot that they show.
        K: Intrinsics fx,fy,cx,cy [px] of all photos, or a file of OpenCV or ROS; without, every
            photo's focal length is found as well.
        detect: Begin with what the detector finds, in the order of how unsure it is.
        weights: Of the detector; by default those that come with Jointloop.
        threshold: Score from which a keypoint of the detector is shown.
        every: Of a video, one frame of so many.
        port: On 127.0.0.1; 0 takes a free one.
        device: Of the detector: cpu, cuda, cuda:N, or auto.
    """
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise JointloopError("the page needs Starlette: pip install 'jointloop[annotate]'")
    from jointloop.annotate.advice import Kinematics
    from jointloop.annotate.photos import photos_of
    from jointloop.annotate.server import HOST, Desk, bound, serve
    from simulator.robot import Robot
    from trainer.pose.lenses import lens_in

    if every < 1:
        raise JointloopError(f"every is {every}; expected at least 1")
    if out.suffix != ".json" or not out.parent.is_dir():
        raise JointloopError(f"out is {out}; expected a name that ends in .json, in a folder")
    known = Robot.named(robot)
    lens = None if K is None else lens_in(K)[0]
    listening = bound(port)
    with listening:
        photos = photos_of(inputs, out, every, say)
        guesses = (
            _guesses(known, photos, weights, threshold, device) if detect else [None] * len(photos)
        )
        desk = Desk(known, photos, out, guesses, Kinematics(known, photos, lens), say)
        desk.book("")  # so that a file that cannot be read is said now
        say(f"page      http://{HOST}:{listening.getsockname()[1]}/")
        say(f"marks     {out}; Ctrl-C ends")
        serve(desk, listening)
    for book in desk.books:
        say(f"{book.path}: {book.done} of {len(photos)} pictures are done")
    return 0


def _guesses(
    robot: "Robot", photos: "list[Photo]", weights: Path | None, threshold: float, device: str
) -> "list[Guess | None]":
    """What a detector finds in the photos; nothing, said in a line, if it knows another robot."""
    from jointloop.annotate.advice import guessed
    from jointloop.common.progress import Progress
    from trainer.inference.closer import Closer
    from trainer.inference.detector import Detector
    from trainer.weights.shipped import shipped_weights

    closer = Closer(Detector.open(weights or shipped_weights(), device))
    if closer.info.keypoints != robot.keypoint_names:
        say(f"note: the detector is for {closer.info.robot}, so {robot.name} is marked without it")
        return [None] * len(photos)
    found = []
    with Progress(console) as progress:
        for i, photo in enumerate(photos):
            found.append(guessed(closer, photo, threshold))
            progress.update(f"looked at {i + 1} of {len(photos)}")
    return found
