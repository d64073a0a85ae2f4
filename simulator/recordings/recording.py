"""A recording: a folder of shards and one description of them all.

    dataset.json    what was asked for, and what readers need to know of every sample
    000000.tar      complete shards (see `shards`), `shard_samples` each, the last one fewer
    000001.tar.part the shards that are growing

Sample n is sample n of worker 0, whichever process makes it: a recording's bytes follow from its
description alone. The first `held_out` samples are drawn from the uniform prior, or from expected
poses, and the backgrounds of held-out samples; all others from the recording's terms.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import msgspec

from jointloop.common.errors import JointloopError
from jointloop.common.files import part_of, write_bytes
from jointloop.common.folders import is_free
from jointloop.common.lock import Lock
from simulator.randomization.assignment import Assignment
from simulator.randomization.expected import Expected
from simulator.randomization.mesh_tools import models
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings
from simulator.recordings.description import SCHEMA, Description
from simulator.recordings.recipe import Recipe, Rendering
from simulator.recordings.replay import recipe_of
from simulator.recordings.sample_files import MASK, Entry, RecordingError, decode, key_of
from simulator.recordings.shards import Group, count_part, read, read_shard
from simulator.recordings.skeleton import Skeleton
from simulator.robot import Robot

SHARD_SAMPLES = 256
HELD_OUT_SHARE = 0.1
"""Of a recording's samples, unless said otherwise."""
WORKER = 0
"""Worker id that a recording's draws belong to."""
FILE = "dataset.json"


@dataclass(frozen=True)
class Recording:
    """A folder of shards, complete or not."""

    folder: Path
    about: Description

    @classmethod
    def create(cls, folder: Path | str, about: Description) -> "Recording":
        """Begin a recording in a new or empty folder.

        Raises:
            RecordingError: the folder holds something, or cannot be made.
            FileError: it cannot be written to.
        """
        folder = Path(folder)
        recording = cls(folder, about)
        try:
            if not is_free(folder, besides=(part_of(folder / FILE).name,)):  # killed at once
                raise RecordingError(_occupied(folder))
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RecordingError(f"cannot write {folder}: {error.strerror}") from error
        write_bytes(folder / FILE, about.text())
        return recording

    @classmethod
    def open(cls, folder: Path | str) -> "Recording":
        """Open a recording, complete or not.

        Raises:
            RecordingError: the folder holds none, or one of another schema, or it was changed.
        """
        folder = Path(folder)
        path = folder / FILE
        try:
            text = path.read_bytes()
            about = msgspec.json.decode(text, type=Description)
        except FileNotFoundError:
            raise RecordingError(f"{folder} holds no recording: it has no {FILE}") from None
        except OSError as error:
            raise RecordingError(f"cannot read {path}: {error.strerror}") from error
        except (msgspec.MsgspecError, ValueError, JointloopError) as error:
            raise RecordingError(f"{path} describes no recording: {error}") from None
        if not 1 <= about.schema <= SCHEMA:
            raise RecordingError(f"{path} has schema {about.schema}; expected 1 to {SCHEMA}")
        if not about.is_of(text):
            raise RecordingError(
                f"{path} was changed since it was written, or is damaged: its sha256 is not that "
                "of its text; put back what was there"
            )
        return cls(folder, msgspec.structs.replace(about, sha256=""))

    @staticmethod
    def is_at(path: Path) -> bool:
        """Whether a recording lies there."""
        return (path / FILE).is_file()

    @property
    def shards(self) -> range:
        """Numbers of all shards."""
        return range(-(-self.about.samples // self.about.shard_samples))

    @property
    def complete(self) -> list[int]:
        """Numbers of the shards that are there."""
        return self._numbers(".tar")

    def _numbers(self, end: str) -> list[int]:
        """Numbers of the shards that lie there under names with that end."""
        names = {path.name.removesuffix(end) for path in self.folder.glob(f"*{end}")}
        there = sorted(int(name) for name in names if name.isdecimal())
        return [n for n in there if n in self.shards and f"{n:06d}" in names]

    @property
    def missing(self) -> list[int]:
        """Numbers of the shards that are not there yet."""
        return self.missing_of(self.shards)

    def missing_of(self, shards: range) -> list[int]:
        """Numbers of those of some shards that are not there yet."""
        return sorted(set(shards).difference(self.complete))

    def among(self, text: str) -> range:
        """The shards that A:B names: from A on, those before B, as far as there are any.

        Raises:
            RecordingError: the text has another form, or there is no shard A.
        """
        first, _, end = text.partition(":")
        if not (first.isdecimal() and end.isdecimal() and int(first) <= int(end)):
            raise RecordingError(
                f"shards is {text!r}; expected A:B, such as 8:16 for 8 to 15, or 0:0 for none"
            )
        if int(first) >= len(self.shards):
            raise RecordingError(
                f"shards is {text!r}; {self.folder} has shards 0 to {len(self.shards) - 1}"
            )
        return self.shards[int(first) : int(end)]

    def path(self, shard: int) -> Path:
        """Of a shard."""
        return self.folder / f"{shard:06d}.tar"

    def indices(self, shard: int) -> range:
        """Of a shard's samples."""
        first = shard * self.about.shard_samples
        return range(first, min(first + self.about.shard_samples, self.about.samples))

    def count(self) -> int:
        """Samples that are there, those in growing shards included."""
        return self.count_of(self.shards)

    def count_of(self, shards: range) -> int:
        """Samples that are there of some shards, those in growing ones included."""
        complete = {shard for shard in self.complete if shard in shards}
        growing = [n for n in self._numbers(".tar.part") if n in shards and n not in complete]
        whole = sum(len(self.indices(shard)) for shard in complete)
        return whole + sum(count_part(self.path(shard)) for shard in growing)

    def read(self) -> Iterator[tuple[Group, BinaryIO]]:
        """The samples of all complete shards, each with the open file it lies in.

        Raises:
            RecordingError: a shard cannot be read or is damaged, or none is complete.
        """
        if not (complete := self.complete):
            raise RecordingError(f"{self.folder} holds no complete shard yet")
        for shard in complete:
            yield from read_shard(self.path(shard), [self.key(i) for i in self.indices(shard)])

    def entry(self, group: Group, file: BinaryIO) -> Entry:
        """What the JSON of a sample says, as `read` gave its group.

        Raises:
            RecordingError: it is damaged, or is that of another sample or recording.
        """
        where = f"{self.folder}, sample {group.key}"
        entry = decode(read(file, group.entry), where)
        for name, said, own in entry.claims(group.key, self.about.robot, self.about.settings):
            if said != own:
                raise RecordingError(f"{where} says {name} {said!r}; expected {own!r}")
        return entry

    def check(self) -> None:
        """See that all complete shards are whole, without reading what is in their samples.

        Raises:
            RecordingError: see `read`.
        """
        for _ in self.read():
            pass

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of its images [px]."""
        return self.about.settings.width, self.about.settings.height

    @property
    def masks(self) -> bool:
        """Whether its samples have masks."""
        return self.about.schema > 1

    def kept(self, files: Mapping[str, bytes]) -> dict[str, bytes]:
        """Those of a sample's files that this recording keeps."""
        return {end: data for end, data in files.items() if self.masks or end != MASK}

    def recipe(self, index: int) -> Recipe:
        """What makes sample `index`."""
        about = self.about
        held_out = index < about.held_out
        assignment = self._held_out_assignment if held_out else about.assignment
        return Recipe(WORKER, index, assignment, about.settings, about.rendering)

    def key(self, index: int) -> str:
        """Name of sample `index`."""
        return key_of(WORKER, index)

    @contextlib.contextmanager
    def held(self, shared: bool = False) -> Iterator[None]:
        """Keep other processes from writing here.

        Args:
            shared: but for those that share it too, and make other shards.

        Raises:
            RecordingError: one does already.
        """
        try:
            lock = Lock(self.folder / FILE, shared)  # a folder on NFS cannot be locked
        except BlockingIOError:
            raise RecordingError(f"another process is recording into {self.folder}") from None
        with lock:
            yield

    @property
    def _held_out_assignment(self) -> Assignment:
        if self.about.held_out_assignment is not msgspec.UNSET:
            return self.about.held_out_assignment
        own = self.about.assignment
        uniform = JointPrior.uniform(own.lower, own.upper, len(own.alpha[0]))
        return Assignment.of(uniform, "heldout")


def describe(
    settings: SampleSettings,
    rendering: Rendering,
    samples: int,
    held_out: int | None = None,
    shard_samples: int | None = None,
    prior: JointPrior | None = None,
    expected: Expected | None = None,
) -> Description:
    """The description of a recording.

    Args:
        settings: of its samples.
        rendering: how they are made.
        samples: how many, the held-out ones included.
        held_out: how many of them are held out; None is `HELD_OUT_SHARE` of them, at least one.
        shard_samples: samples in a shard; None is `SHARD_SAMPLES`.
        prior: of the training samples; None takes the uniform one.
        expected: poses that samples, the held-out ones too, are drawn from in its place.

    Raises:
        JointloopError: a number is out of its range, or the prior does not fit the robot.
    """
    if held_out is None:
        held_out = max(1, round(HELD_OUT_SHARE * samples))
    if shard_samples is None:
        shard_samples = SHARD_SAMPLES
    for name, value in (("samples", samples), ("samples per shard", shard_samples)):
        if value < 1:
            raise RecordingError(f"{name}: {value}; expected at least 1")
    if not 0 <= held_out <= samples:
        raise RecordingError(f"held-out samples: {held_out}; expected 0 to all {samples}")
    recipe = recipe_of(settings, rendering, WORKER, 0, prior=prior)
    training, judging = recipe.assignment, msgspec.UNSET
    if expected is not None:
        own = expected.prior(recipe.assignment.prior)
        training, judging = expected.terms(own), expected.held_out_terms(own)
    robot = Robot.named(settings.robot)
    if settings.variety.dress is not None:
        models(settings.variety.dress.tool_mesh)  # a fault in one is told before anything renders
    return Description(
        schema=SCHEMA,
        samples=samples,
        held_out=held_out,
        shard_samples=shard_samples,
        robot=Skeleton.of(robot),
        assignment=training,
        held_out_assignment=judging,
        settings=replace(settings, one_draw_per_prior=False),
        rendering=rendering,
    )


def _occupied(folder: Path) -> str:
    if not Recording.is_at(folder):
        return f"{folder} already holds other files; choose another folder"
    recording = Recording.open(folder)
    return (
        f"{folder} already holds a recording of {recording.about.samples} samples, "
        f"{recording.count()} of them made; go on with --resume, or choose another folder"
    )
