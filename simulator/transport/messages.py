"""Control messages between a trainer and its simulators, as MessagePack with limits.

simulator -> trainer   Hello, Alive, Bye
trainer -> simulator   Welcome or Refused, then Credit, Assign, Bye
"""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
from msgspec import Meta

from jointloop.common.errors import JointloopError
from simulator.randomization.hidden import Assignment, Split
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings
from simulator.robot import MAX_JOINTS

SCHEMA = 3
"""Version of all messages; grows with every change that an older side could not read."""
WORKER_LIMIT = 4 * 1024
"""Largest control message of a simulator [bytes]."""
TRAINER_LIMIT = 1024 * 1024
"""Largest control message of a trainer [bytes]."""
MAX_BINS = 256
MAX_WORKERS = 4096

# Every length is bounded where it stands: what is not bounded costs memory and time to refuse.
Identity = Annotated[bytes, Meta(min_length=16, max_length=16)]
Count = Annotated[int, Meta(ge=0, lt=2**62)]
WorkerId = Annotated[int, Meta(ge=0, lt=MAX_WORKERS)]
Text = Annotated[str, Meta(max_length=1024)]
PerJoint = Annotated[tuple[float, ...], Meta(min_length=1, max_length=MAX_JOINTS)]
Row = Annotated[tuple[float, ...], Meta(min_length=2, max_length=MAX_BINS)]
Rows = Annotated[tuple[Row, ...], Meta(min_length=1, max_length=MAX_JOINTS)]


class WireError(JointloopError):
    """A message cannot be used."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"bad message ({reason}): {detail}")
        self.reason = reason
        """Short word to count by."""
        self.detail = detail


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """A simulator asks to join; what it leaves open the run decides."""

    schema: int
    instance: Identity
    """Drawn anew by every process."""
    slot: Identity
    """Kept by a fleet for all processes that take one place: a newer one replaces an older."""
    worker: WorkerId | None = None
    """Wanted worker id."""
    robot: Text | None = None
    size: Text | None = None
    seed: Count | None = None


class Terms(msgspec.Struct, frozen=True):
    """An `Assignment` in plain numbers."""

    alpha: Rows
    """(D, K)."""
    lower: PerJoint
    upper: PerJoint
    version: Count
    split: Split

    @classmethod
    def of(cls, assignment: Assignment) -> "Terms":
        """The terms of an assignment."""
        prior = assignment.prior
        return cls(
            alpha=tuple(map(tuple, prior.alpha.tolist())),
            lower=tuple(prior.lower.tolist()),
            upper=tuple(prior.upper.tolist()),
            version=prior.version,
            split=assignment.split,
        )

    def assignment(self, joints: int, bins: int) -> Assignment:
        """The assignment of these terms.

        Raises:
            WireError: it is none for that many joints and bins, or no usable prior.
        """
        shapes = {len(row) for row in self.alpha}, len(self.alpha)
        if shapes != ({bins}, joints):
            raise WireError("prior", f"alpha is not of shape ({joints}, {bins})")
        try:
            prior = JointPrior(
                np.array(self.alpha), np.array(self.lower), np.array(self.upper), self.version
            )
        except JointloopError as error:
            raise WireError("prior", str(error)) from None
        return Assignment(prior, self.split)


class Welcome(msgspec.Struct, frozen=True, tag="welcome"):
    """The trainer lets a simulator in and says what it wants."""

    run: Annotated[str, Meta(min_length=1, max_length=128)]
    worker: WorkerId
    adaptive: bool
    """Whether it follows the prior; otherwise it stays with the first one."""
    next_index: Count
    """Of its first sample."""
    settings: SampleSettings
    data_port: Annotated[int, Meta(ge=0, le=65535)]
    """Of the data socket, 0 for ipc."""
    credits: Count
    """Samples it may publish."""
    terms: Terms
    fingerprint: Text = ""
    """Of the trainer's robot; see `Robot.fingerprint`."""


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The trainer does not let a simulator in."""

    reason: Text


class Credit(msgspec.Struct, frozen=True, tag="credit"):
    """The simulator may publish `n` samples more; 0 only tests the connection."""

    n: Count


class Assign(msgspec.Struct, frozen=True, tag="assign"):
    """Draw from this now; the newest counts."""

    terms: Terms


class Alive(msgspec.Struct, frozen=True, tag="alive"):
    """A simulator is at work."""

    rendered: Count
    rss: Count
    """Resident memory [bytes]."""


class Bye(msgspec.Struct, frozen=True, tag="bye"):
    """This side leaves, or sends the other away."""

    reason: Text
    again: bool = False
    """Whether a fresh process in its place would be welcome."""


FromWorker = Hello | Alive | Bye
FromTrainer = Welcome | Refused | Credit | Assign | Bye
T = TypeVar("T")

_encoder = msgspec.msgpack.Encoder()
_from_worker = msgspec.msgpack.Decoder(FromWorker)
_from_trainer = msgspec.msgpack.Decoder(FromTrainer)


def encode(message: FromWorker | FromTrainer) -> bytes:
    """The message as one frame."""
    return _encoder.encode(message)


def decode_from_worker(frame: Any) -> FromWorker:
    """A simulator's message.

    Args:
        frame: bytes, or whatever shows them as a buffer.

    Raises:
        WireError: it is none.
    """
    return checked(_from_worker.decode, frame, WORKER_LIMIT, "control")


def decode_from_trainer(frame: Any) -> FromTrainer:
    """A trainer's message.

    Args:
        frame: bytes, or whatever shows them as a buffer.

    Raises:
        WireError: it is none.
    """
    return checked(_from_trainer.decode, frame, TRAINER_LIMIT, "control")


def checked(decode: Callable[[Any], T], frame: Any, limit: int, reason: str) -> T:
    """What `decode` makes of a frame of at most `limit` bytes.

    Raises:
        WireError: with that reason, or "size".
    """
    size = memoryview(frame).nbytes
    if size > limit:
        raise WireError("size", f"{reason} of {size} bytes; at most {limit} are read")
    try:
        return decode(frame)
    except (msgspec.MsgspecError, RecursionError, ValueError, JointloopError) as error:
        raise WireError(reason, str(error)) from None
