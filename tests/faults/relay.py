"""A proxy that understands ZeroMQ's framing: it can damage or double one sample on its way."""

import random
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Literal

import msgspec
from proxy_parts import Proxy

Harm = Literal["corrupt", "duplicate"]
GREETING = 64
"""Bytes with which either end of a connection begins."""
MORE, LONG, COMMAND = 1, 2, 4
"""Flags of a frame."""
HEADER = 1
"""Place of a sample's header among its frames."""


@dataclass
class Order:
    """To do harm to the next sample that comes by."""

    harm: Harm
    done: threading.Event = field(default_factory=threading.Event)
    key: tuple[int, int] = (-1, -1)
    """Worker id and index of the sample that it befell."""


class Relay(Proxy):
    """A link that can be cut and joined again, and that harms samples on request.

    Args:
        control: port.
        data: port, on which samples come.
        seed: of which bit is flipped.
    """

    def __init__(self, control: int, data: int, seed: int) -> None:
        self._data = data
        self._rng = random.Random(seed)
        self._orders: list[Order] = []
        self._lock = threading.Lock()
        super().__init__(control, data)

    def harm(self, harm: Harm) -> Order:
        """Have the next sample damaged or doubled."""
        order = Order(harm)
        with self._lock:
            self._orders.append(order)
        return order

    def carry(self, source: socket.socket, sink: socket.socket, port: int, nearer: bool) -> None:
        """Pass on, message by message where samples come."""
        if port != self._data or not nearer:
            super().carry(source, sink, port, nearer)
            return
        greeted = 0
        while greeted < GREETING:  # piece by piece, as each end waits for the other's
            data = source.recv(GREETING - greeted)
            if not data:
                return
            greeted += len(data)
            sink.sendall(data)
        with source.makefile("rb") as stream:
            for frames in _messages(stream):
                sink.sendall(b"".join(self._harmed(frames)))

    def _harmed(self, frames: list[bytes]) -> Iterator[bytes]:
        """A message as it goes on; each frame with its flags and length."""
        order = None
        if len(frames) > HEADER + 2 and not frames[0][0] & COMMAND:
            with self._lock:
                order = self._orders.pop(0) if self._orders else None
        if order:
            order.key = _key(frames[HEADER])
            if order.harm == "duplicate":
                yield from frames
            else:
                place = self._rng.randrange(HEADER, len(frames))
                frames = [*frames[:place], self._flipped(frames[place]), *frames[place + 1 :]]
        yield from frames
        if order:
            order.done.set()

    def _flipped(self, frame: bytes) -> bytes:
        bits = bytearray(frame)
        begin = _begin(frame)
        bits[self._rng.randrange(begin, len(bits))] ^= 1 << self._rng.randrange(8)
        return bytes(bits)


def _messages(stream: BinaryIO) -> Iterator[list[bytes]]:
    """Whole messages, each a list of frames with their flags and lengths."""
    frames: list[bytes] = []
    while head := stream.read(1):
        length = stream.read(8 if head[0] & LONG else 1)
        body = stream.read(int.from_bytes(length, "big"))
        frames.append(head + length + body)
        if not head[0] & MORE:
            yield frames
            frames = []


def _begin(frame: bytes) -> int:
    """Where a frame's own bytes begin."""
    return 9 if frame[0] & LONG else 2


def _key(header: bytes) -> tuple[int, int]:
    source = msgspec.msgpack.decode(header[_begin(header) :])["hidden"]["provenance"]
    return source["worker"], source["index"]
