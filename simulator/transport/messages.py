"""Control messages between a trainer and its simulators, as MessagePack with limits.

simulator -> trainer   Hello, Alive, Bye
trainer -> simulator   Welcome or Refused, then Make, Assign, Bye
"""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from jointloop.common.errors import JointloopError
from simulator.randomization.assignment import Assignment, Count, Promise
from simulator.randomization.settings import SampleSettings

SCHEMA = 7
"""Version of all messages; grows with every change that an older side could not read."""
WORKER_LIMIT = 4 * 1024
"""Largest control message of a simulator [bytes]."""
TRAINER_LIMIT = 4 * 1024 * 1024
"""Largest control message of a trainer [bytes]."""
MAX_WORKERS = 4096
MAX_WISHES = 128
BRIEF = 160
"""Characters of what a simulator says went wrong before."""
MAX_CREDITS = 256
"""Far under the sockets' high-water mark, so that nothing is dropped on the way."""

# Every length is bounded where it stands: what is not bounded costs memory and time to refuse.
Identity = Annotated[bytes, Meta(min_length=16, max_length=16)]
WorkerId = Annotated[int, Meta(ge=0, lt=MAX_WORKERS)]
Text = Annotated[str, Meta(max_length=1024)]
Name = Annotated[str, Meta(max_length=64)]
Scalar = bool | int | float | Annotated[str, Meta(max_length=1024)] | None
Value = Scalar | Annotated[list[Scalar], Meta(max_length=32)]


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
    wanted: Annotated[dict[Name, Value], Meta(max_length=MAX_WISHES)] = {}
    """Settings that the run must have, by dotted path."""
    restarts: Count = 0
    """Processes that took this place before."""
    last_error: Annotated[str, Meta(max_length=BRIEF)] = ""
    """Why the last of them ended that should not have."""


class Welcome(msgspec.Struct, frozen=True, tag="welcome"):
    """The trainer lets a simulator in and says what it wants."""

    run: Annotated[str, Meta(min_length=1, max_length=128)]
    worker: WorkerId
    adaptive: bool
    """Whether it follows the prior; otherwise it stays with the first one."""
    settings: SampleSettings
    data_port: Annotated[int, Meta(ge=0, le=65535)]
    """Of the data socket, 0 for ipc."""
    assignment: Assignment = msgspec.field(name="terms")
    promise: Promise = "complete"
    """Which terms a sample is drawn from: those that were the newest when it was ordered
    (complete), or those that are the newest when it is made (latest)."""
    fingerprint: Text = ""
    """Of the trainer's robot; see `Robot.fingerprint`."""


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The trainer does not let a simulator in."""

    reason: Text


class Make(msgspec.Struct, frozen=True, tag="make"):
    """Make these samples, after those ordered before; none only tests the connection."""

    samples: Annotated[tuple[tuple[WorkerId, Count], ...], Meta(max_length=MAX_CREDITS)] = ()
    """Worker id and index of each. Most are the simulator's own; others were lost elsewhere."""


class Assign(msgspec.Struct, frozen=True, tag="assign"):
    """Draw from this what is ordered from now on."""

    assignment: Assignment = msgspec.field(name="terms")


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
FromTrainer = Welcome | Refused | Make | Assign | Bye
T = TypeVar("T")

_encoder = msgspec.msgpack.Encoder()
_from_worker = msgspec.msgpack.Decoder(FromWorker)
_from_trainer = msgspec.msgpack.Decoder(FromTrainer)


def brief(text: str) -> str:
    """A text as short as a hello takes it."""
    return text if len(text) <= BRIEF else f"{text[: BRIEF - 1]}…"


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
