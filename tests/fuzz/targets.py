"""What reads bytes that others wrote, each as a function that takes them.

Whatever the bytes are, a decoder returns or raises a `JointloopError` of one line.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from recording_parts import STICK
from simulator_parts import FIRST, PRIOR, ROBOT, SETTINGS

from feedback.history import FILE, read_history
from jointloop.cli.priors import read_prior
from jointloop.common.errors import JointloopError
from simulator.recordings.recording import FILE as DATASET
from simulator.recordings.recording import Recording, describe
from simulator.recordings.sample_files import decode_image, decode_mask
from simulator.recordings.shards import Group, Member, read, read_shard
from simulator.transport.codec import Codec, topic
from simulator.transport.messages import (
    Alive,
    Assign,
    Hello,
    Welcome,
    decode_from_trainer,
    decode_from_worker,
)
from simulator.transport.orders import Orders
from simulator.transport.seal import Marked, mark_of, unsealed
from simulator.transport.workers import Workers

Target = Callable[[bytes], None]
CODEC = Codec("run", SETTINGS, ROBOT, PRIOR)
IMAGE, BELIEF, MASK = (
    bytes(SETTINGS.width * SETTINGS.height * 3),
    bytes(len(ROBOT.keypoints) * SETTINGS.width * SETTINGS.height // SETTINGS.stride**2),
    bytes(SETTINGS.width * SETTINGS.height),
)
SIDE = 8
"""Of pictures [px]."""
FRAME = 4
"""Bytes that say how long a frame is, where several are one input."""


def worker(data: bytes) -> None:
    """A simulator's control message, and what a trainer makes of it."""
    message, workers = decode_from_worker(data), Workers("run", SETTINGS, Orders(FIRST, 0.5), 8)
    if isinstance(message, Hello):
        workers.admit(b"peer", message, 5556, 0.0)
    elif isinstance(message, Alive):
        workers.admit(b"peer", Hello(7, bytes(16), bytes(16)), 5556, 0.0)
        workers.hear(next(workers.alive()), message)


def trainer(data: bytes) -> None:
    """A trainer's control message, and what a simulator makes of it."""
    message = decode_from_trainer(data)
    if isinstance(message, Welcome):
        terms = message.assignment.check(len(ROBOT.lower), message.settings.bins)
        Codec(message.run, message.settings, ROBOT, terms.prior)
    elif isinstance(message, Assign):
        message.assignment.check(len(ROBOT.lower), SETTINGS.bins)


def header(data: bytes) -> None:
    """The header of a sample."""
    CODEC.decode([topic("run"), data, IMAGE, BELIEF, MASK])


def message(data: bytes) -> None:
    """All frames of a message on the data connection."""
    told = unsealed(list(frames_in(data)) or [b""])
    if len(told) == len(Marked._fields):
        mark_of(told[1])
    else:
        CODEC.decode(told)


def frames_in(data: bytes) -> Iterator[bytes]:
    """The frames of an input, each after its length."""
    while data:
        end = FRAME + int.from_bytes(data[:FRAME], "big")
        yield data[FRAME:end]
        data = data[end:]


def framed(frames: list[bytes]) -> bytes:
    """The input that has these frames."""
    return b"".join(len(frame).to_bytes(FRAME, "big") + frame for frame in frames)


@contextmanager
def held(data: bytes) -> Iterator[Path]:
    """A file in memory that holds them."""
    descriptor = os.memfd_create("input")
    try:
        os.write(descriptor, data)
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


RECORDING = Recording(Path("recording"), describe(SETTINGS, STICK, 4))
KEY = RECORDING.key(0)
FOLDER = Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None))


def dataset(data: bytes) -> None:
    """The description of a recording, and what its readers ask of it."""
    (FOLDER / DATASET).write_bytes(data)
    recording = Recording.open(FOLDER)
    recording.count()
    for index in (0, recording.about.samples - 1):
        recording.recipe(index)


def entry(data: bytes) -> None:
    """The JSON of a recorded sample, and its labels."""
    with held(data) as path, path.open("rb") as file:
        member = Member("key.json", 0, len(data))
        found = RECORDING.entry(Group(KEY, member, None, member), file)
    assert found.labels.pixels.shape == (len(ROBOT.keypoints), 2)
    found.belief_map()


def shard(data: bytes) -> None:
    """A tar file of samples."""
    with held(data) as path, path.open("rb") as file:
        for group, _ in read_shard(path, [KEY]):
            for member in (group.image, group.entry):
                read(file, member)


def picture(data: bytes) -> None:
    """The PNGs of a sample."""
    for decode in (decode_image, decode_mask):
        decode(data, "a picture", (SIDE, SIDE))


def prior(data: bytes) -> None:
    """A prior as it is given to a verb."""
    path = FOLDER / "prior.json"
    path.write_bytes(data)
    read_prior(path)


def history(data: bytes) -> None:
    """The prior history of a run."""
    (FOLDER / FILE).write_bytes(data)
    read_history(FOLDER)


HERE = (worker, trainer, header, message, dataset, entry, shard, picture, prior, history)
TARGETS: dict[str, Target] = {target.__name__: target for target in HERE}


def holds(target: Target, data: bytes) -> bool:
    """Whether a decoder takes an input.

    Raises:
        BaseException: it neither returns nor says in one line what is wrong.
    """
    try:
        target(data)
    except JointloopError as error:
        line = str(error)
    else:
        return True
    assert len(line.splitlines()) == 1, line
    return False
