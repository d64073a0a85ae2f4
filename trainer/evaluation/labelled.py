"""Images with true keypoints, to judge a detector by: those of a recording here, others in `coco`.

Keypoints are matched by their names. What a set lacks of the detector's keypoints is left out and
said; what the detector does not know is an error.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from jointloop.common.errors import JointloopError
from simulator.randomization.assignment import Split
from simulator.recordings.recording import Recording
from simulator.recordings.sample_files import Entry
from simulator.recordings.shards import read_image

Image = NDArray[np.uint8]
Wanted = Split | Literal["all"]
"""Which of a recording's samples."""


class LabelledError(JointloopError):
    """Images or their labels cannot be read, or do not fit the detector."""


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """One image, read when it is asked for, and what is true of it."""

    name: str
    """That errors and pictures call it by."""
    load: Callable[[], Image]
    """Gives (H, W, 3) RGB; raises JointloopError where it cannot be read."""
    pixels: NDArray[np.float64]
    """(J, 2) keypoints [px], pixel centres at integers; NaN where unknown."""
    visibility: NDArray[np.uint8]
    """(J,) 0 outside the frame or unlabelled, 1 inside but hidden, 2 visible."""
    box: tuple[float, float, float, float]
    """x, y, width, height of the robot [px]; zeros where it is unseen."""


@dataclass(frozen=True, eq=False)
class LabelledSet:
    """Images with true keypoints."""

    path: Path
    """What they came from."""
    keypoints: tuple[str, ...]
    """J names that the set has labels for, in the detector's order."""
    images: tuple[LabelledImage, ...]
    """At least one."""
    notes: tuple[str, ...] = ()
    """What was left out or assumed, a line each."""


@dataclass(frozen=True)
class Match:
    """How a set's keypoints and a detector's correspond."""

    names: tuple[str, ...]
    """J names that both have, in the detector's order."""
    places: tuple[int, ...]
    """(J,) index of each in the set."""
    notes: tuple[str, ...]
    """One line where the set lacks some, one where it spells some in another way."""

    @staticmethod
    def of(theirs: Sequence[str], ours: Sequence[str], where: str) -> "Match":
        """Match by name; case, spaces and punctuation do not matter where names stay apart.

        Args:
            theirs: names in the set.
            ours: names that the detector knows.
            where: what the set is called in errors.

        Raises:
            LabelledError: the set names a keypoint twice, or one that the detector does not know.
        """
        meant = [_meant(name, ours) for name in theirs]
        unknown = [name for name, one in zip(theirs, meant, strict=True) if one is None]
        twice = sorted({name for name in meant if name and meant.count(name) > 1})
        known = f"the detector's are {', '.join(ours)}"
        if unknown or not theirs:
            what = f"unknown keypoints {', '.join(unknown)}" if theirs else "no keypoints"
            raise LabelledError(f"{where} has {what}; {known}")
        if twice:
            raise LabelledError(f"{where} names keypoints twice: {', '.join(twice)}; {known}")
        names = tuple(name for name in ours if name in meant)
        notes = []
        if lacking := [name for name in ours if name not in meant]:
            notes.append(
                f"{where} has no labels for {', '.join(lacking)}: figures are over the other "
                f"{len(names)} of the detector's {len(ours)} keypoints"
            )
        pairs = zip(theirs, meant, strict=True)
        if respelt := [f"{name!r} for {one}" for name, one in pairs if name != one]:
            notes.append(f"{where} writes {', '.join(respelt)}")
        return Match(names, tuple(meant.index(name) for name in names), tuple(notes))


def folded(name: str) -> str:
    """A name without what spellings differ in."""
    return re.sub(r"[\W_]+", "", name).casefold()


def _meant(name: str, ours: Sequence[str]) -> str | None:
    """The one of our names that a name is, or is alone in being a spelling of."""
    alike = [one for one in ours if folded(one) == folded(name)]
    return name if name in ours else alike[0] if len(alike) == 1 else None


def of_recording(folder: Path, keypoints: Sequence[str], robot: str, split: Wanted) -> LabelledSet:
    """The images of a recording's complete shards.

    Args:
        folder: of the recording.
        keypoints: names that the detector knows.
        robot: that it finds; another one in the recording is said.
        split: the held-out ones, the others, or all.

    Raises:
        JointloopError: there is no such recording, it is damaged, has no image of that split, or
            is of a robot with other keypoints.
    """
    recording = Recording.open(folder)
    match = Match.of(recording.about.robot.keypoints, keypoints, f"{folder}")
    images = []
    for pair, file in recording.read():
        entry = recording.entry(pair, file)
        if split in ("all", entry.split):
            where = f"{folder}, sample {pair.key}"
            load = partial(read_image, Path(file.name), pair.image, where, recording.size)
            images.append(_of_entry(entry, match, load))
    if not images:
        about = recording.about
        raise LabelledError(
            f"{folder} has no {split} samples yet: {about.held_out} of its {about.samples} are to "
            "be held out; choose another --split"
        )
    notes = list(match.notes)
    if (shown := recording.about.robot.name) != robot:
        notes.append(f"{folder} shows {shown}, but the detector is for {robot}")
    if recording.missing:
        notes.append(f"{folder} is incomplete: {len(recording.missing)} shards are missing")
    return LabelledSet(folder, match.names, tuple(images), tuple(notes))


def _of_entry(entry: Entry, match: Match, load: Callable[[], Image]) -> LabelledImage:
    labels, chosen = entry.labels, list(match.places)
    return LabelledImage(
        entry.key, load, labels.pixels[chosen], labels.visibility[chosen], labels.box
    )
