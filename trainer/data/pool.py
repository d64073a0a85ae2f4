"""The samples of one recording, or of several that are mixed: where they lie, and their weights.

The first recording has the held-out set: its own, or its first samples where it has none; of the
others, held-out samples are left alone.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.randomization.poses import PoseCounts
from simulator.randomization.prior import JointPrior
from simulator.recordings.recording import Recording
from simulator.recordings.sample_files import Entry, decode_image, decode_mask
from simulator.recordings.shards import Group, read
from trainer.data.resampling import importance
from trainer.data.source import SourceError

Image = NDArray[np.uint8]


class _Place(NamedTuple):
    recording: Recording
    shard: Path
    group: Group


class Pool:
    """Samples of all complete shards, counted from 0 to N, and the (M,) that are trained on.

    Args:
        recordings: at least one.
        held_out: samples to hold out, at most.

    Raises:
        SourceError: recordings do not fit together.
        RecordingError: a shard is damaged.
    """

    def __init__(self, recordings: Sequence[Recording], held_out: int) -> None:
        self.recordings = tuple(recordings)
        self.poses = PoseCounts()
        self._places: list[_Place] = []
        bins, asked, apart, part = [], [], [], []
        for number, recording in enumerate(self.recordings):
            _check_fits(self.recordings[0], recording)
            for group, file in recording.read():
                entry = recording.entry(group, file)
                self._places.append(_Place(recording, Path(file.name), group))
                bins.append(entry.bins)
                asked.append(entry.hidden.provenance.free is not None)
                apart.append(entry.split == "heldout")
                part.append(number)
                self.poses.count(entry.hidden.provenance)
        parts, free = np.array(part), ~np.array(apart, bool)
        first = np.flatnonzero(parts == 0)
        own = first[~free[first]][:held_out]
        self.holds_out = len(own) > 0
        """Whether the held-out set was recorded as one."""
        self.held = own if self.holds_out else first[:held_out]
        """(H,) of the held-out set."""
        free[self.held] = False
        self.training = np.flatnonzero(free)
        """(M,) that are trained on."""
        self._bins = np.array(bins, np.int64)[self.training]
        self._asked = np.array(asked, bool)[self.training]
        self._parts = parts[self.training]

    def __len__(self) -> int:
        return len(self.training)

    @property
    def folder(self) -> str:
        """Of the recordings, for messages."""
        return " and ".join(str(recording.folder) for recording in self.recordings)

    @property
    def missing(self) -> list[Path]:
        """Shards that are not there."""
        return [one.path(shard) for one in self.recordings for shard in one.missing]

    def weights(self, prior: JointPrior) -> NDArray[np.float64]:
        """(M,) importance weights under a prior, summing to 1; recordings keep their shares."""
        weights = np.empty(len(self))
        for number, recording in enumerate(self.recordings):
            mine = self._parts == number
            if mine.any():
                recorded = recording.about.assignment.prior
                of_mine = importance(self._bins[mine], prior, recorded, self._asked[mine])
                weights[mine] = mine.mean() * of_mine
        return weights

    def load(self, place: int) -> tuple[Image, Image, Entry]:
        """Image (H, W, 3), mask (H, W) and what else is known of sample `place` of N.

        Raises:
            SourceError: it cannot be read.
            RecordingError: it is damaged.
        """
        recording, path, group = self._places[place]
        where = f"{path}, sample {group.key}"
        try:
            with path.open("rb") as file:
                entry = recording.entry(group, file)
                image = decode_image(read(file, group.image), where, recording.size)
                coverage = None if group.mask is None else read(file, group.mask)
        except OSError as error:
            raise SourceError(f"{where} cannot be read: {error.strerror}") from error
        if coverage is None:
            return image, np.full(image.shape[:2], 255, np.uint8), entry
        return image, decode_mask(coverage, where, recording.size), entry


def _check_fits(first: Recording, other: Recording) -> None:
    """Samples of a batch have one shape, and their bins one meaning.

    Raises:
        SourceError: names what differs.
    """

    def said(one: Recording) -> dict[str, object]:
        about, terms = one.about, one.about.assignment
        return {
            "robot": about.robot.name,
            "keypoints": about.robot.keypoints,
            "size": "{}x{}".format(*one.size),
            "bins": about.settings.bins,
            "limits": (terms.lower, terms.upper),
        }

    ours, theirs = said(first), said(other)
    for name, wanted in ours.items():
        if theirs[name] != wanted:
            raise SourceError(
                f"{other.folder} was recorded with {name} {theirs[name]}, {first.folder} with "
                f"{wanted}; what is mixed is of one robot and size"
            )
