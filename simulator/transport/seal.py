"""What every message of the data connection ends with, and the shortest such message, a mark.

The seal is a digest of the frames before it: a message that was damaged on its way is told from
one that was not. It keeps out accidents; strangers are kept out by keys.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import xxhash

from simulator.randomization.assignment import Count
from simulator.transport.messages import Identity, WireError, checked

MARK_LIMIT = 128
"""Largest mark [bytes]."""


class Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A process has published so many samples: what is not here of them will not come."""

    instance: Identity
    published: Count


class Marked(NamedTuple):
    """A mark as a message, not sealed yet."""

    topic: bytes
    mark: bytes


_encoder = msgspec.msgpack.Encoder()
_mark = msgspec.msgpack.Decoder(Mark)


def marked(topic: bytes, mark: Mark) -> Marked:
    """The frames of a mark."""
    return Marked(topic, _encoder.encode(mark))


def mark_of(frame: Any) -> Mark:
    """The mark in the second frame of a message of two.

    Raises:
        WireError: there is none.
    """
    return checked(_mark.decode, frame, MARK_LIMIT, "mark")


def seal(frames: Sequence[Any]) -> list[Any]:
    """The frames, and one of 8 bytes that says whether they arrive as they are."""
    return [*frames, _digest(frames)]


def unsealed(frames: Sequence[Any]) -> Sequence[Any]:
    """The frames of a message without its seal.

    Args:
        frames: bytes, or whatever shows them as a buffer.

    Raises:
        WireError: they were damaged on their way.
    """
    *told, given = frames
    if (digest := _digest(told)) != bytes(given[:16]):
        raise WireError("digest", f"{bytes(given[:16]).hex()}, but the frames have {digest.hex()}")
    return told


def _digest(frames: Sequence[Any]) -> bytes:
    whole = xxhash.xxh3_64()
    for frame in frames:
        part = memoryview(frame)
        whole.update(part.nbytes.to_bytes(8, "big"))
        whole.update(part)
    return whole.digest()
