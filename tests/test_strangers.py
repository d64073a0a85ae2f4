"""Whoever lacks the keys learns nothing and changes nothing; the run goes on beside."""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import zmq
from clock_parts import PATIENCE_S
from simulator_parts import FIRST, Peer, hello, hub_at, poll_until, sample

from simulator.randomization.assignment import Assignment
from simulator.transport import Hub, Received, Security, write_keys
from simulator.transport.messages import Alive, Welcome, decode_from_trainer, encode
from simulator.transport.seal import seal
from simulator.transport.sockets import load_pair, load_public

EVERYWHERE = "tcp://0.0.0.0:0"
LISTEN_S = 1.5
"""In which who is let in is answered many times over."""
GREETING = 64
"""Bytes that every ZeroMQ program begins with, to anyone; nothing of a run is in them."""
MORE, LONG, COMMAND = 1, 2, 4
"""Flags of a frame in ZeroMQ's protocol."""
STRANGERS = ("no keys", "keys for another trainer", "keys that are not on the list")
Keys = tuple[bytes, bytes, bytes]
"""Public key of the trainer, then an own public and secret one."""


@dataclass
class Run:
    """A run under way: its hub, and a worker that was let in."""

    hub: Hub
    worker: Peer
    folder: Path

    @property
    def forged(self) -> list[Any]:
        """The sample that the run waits for, in its worker's name."""
        codec, name = self.worker.link._codec, self.worker.hello.instance
        return [bytes(frame) for frame in seal(codec.encode(sample(), name, 0))]

    def keys_of(self, who: str) -> Keys | None:
        """What somebody has of the keys; all of them is "ours"."""
        trainer = load_public(self.folder / "ours/trainer.key")
        public, secret = load_pair(self.folder / "ours/simulator.key_secret")
        if who == "no keys":
            return None
        if who == "keys for another trainer":
            trainer = zmq.curve_keypair()[0]
        if who == "keys that are not on the list":
            public, secret = zmq.curve_keypair()
        return trainer, public, secret

    def goes_on(self) -> None:
        """The worker delivers, what it does and nothing else counts, and all are at peace."""
        self.worker.publish(2)
        received = poll_until(self.hub, lambda got: len(got) == 2)
        assert [each.sequence for each in received] == [0, 1]
        told = self.hub.delivery
        assert (told.received, told.workers_joined, told.workers_lost) == (2, 1, 0)
        assert (told.duplicated, told.refused, told.rejected) == (0, 0, {})


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Of a trainer that other machines can reach, with keys."""
    write_keys(tmp_path / "ours")
    security = Security(keys=tmp_path / "ours")
    with hub_at(EVERYWHERE, security=security) as hub:
        worker = Peer(hub, security)
        yield Run(hub, worker, tmp_path)
        worker.close()


@contextmanager
def zeromq(run: Run, keys: Keys | None) -> Iterator[tuple[zmq.Socket, zmq.Socket]]:
    """Somebody's own ZeroMQ program: sockets to the control and the data port."""
    ports = (run.hub.local_address, f"tcp://127.0.0.1:{run.worker.welcome.data_port}")
    with ExitStack() as stack:
        context = stack.enter_context(zmq.Context())
        control, data = (stack.enter_context(context.socket(k)) for k in (zmq.DEALER, zmq.XPUB))
        for opened, port in zip((control, data), ports, strict=True):
            opened.linger = 0
            if keys:
                opened.curve_serverkey, opened.curve_publickey, opened.curve_secretkey = keys
            opened.connect(port)
        yield control, data


def listen(run: Run, heard: Callable[[], bool], seconds: float) -> list[Received]:
    """What the hub receives until something was heard, or the time is up."""
    received, deadline = [], time.monotonic() + seconds
    while not heard() and time.monotonic() < deadline:
        received += run.hub.poll(0.02)
    return received


@pytest.mark.parametrize("who", STRANGERS)
def test_a_stranger_hears_nothing_and_is_not_heard(run: Run, who: str) -> None:
    with zeromq(run, run.keys_of(who)) as (control, data):
        for message in (hello(), Alive(1, 1)):
            control.send(encode(message))
        assert listen(run, lambda: bool(control.poll(0) or data.poll(0)), LISTEN_S) == []
        data.send_multipart(run.forged)
        run.goes_on()
        assert (control.poll(0), data.poll(0)) == (0, 0)
        run.hub.assign(Assignment.of(run.worker.link.assignment.prior, "heldout"))
        assert not control.poll(200)


def test_the_same_program_with_the_keys_is_told_the_prior_and_heard(run: Run) -> None:
    with zeromq(run, run.keys_of("ours")) as (control, data):
        control.send(encode(hello()))
        listen(run, lambda: bool(control.poll(0) and data.poll(0)), PATIENCE_S)
        welcome = decode_from_trainer(control.recv())
        assert isinstance(welcome, Welcome)
        assert welcome.assignment == run.worker.welcome.assignment
        data.send_multipart(run.forged)
        assert len(poll_until(run.hub, lambda got: bool(got))) == 1


def framed(body: bytes, flags: int = 0) -> bytes:
    """A frame as ZeroMQ's protocol has it (RFC 23)."""
    if len(body) < 256:
        return bytes([flags, len(body)]) + body
    return bytes([flags | LONG]) + len(body).to_bytes(8, "big") + body


def unasked(kind: bytes, frames: Sequence[bytes]) -> tuple[bytes, bytes]:
    """What a program without keys says: its greeting, and then all the rest."""
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
    ready = b"\x05READY\x0bSocket-Type" + len(kind).to_bytes(4, "big") + kind
    *first, last = frames
    said = [framed(frame, MORE) for frame in first] + [framed(last)]
    return greeting, framed(ready, COMMAND) + b"".join(said)


def answered(
    hub: Hub, port: int, said: tuple[bytes, bytes], enough: Callable[[bytes], bool]
) -> bytes:
    """Every byte that comes back on a plain connection until it is enough, or for a while."""
    heard, deadline = b"", time.monotonic() + LISTEN_S
    greeting, rest = said
    with socket.create_connection(("127.0.0.1", port)) as plain:
        plain.settimeout(0.02)
        plain.sendall(greeting)
        while not enough(heard) and time.monotonic() < deadline:
            assert hub.poll(0) == []
            with suppress(TimeoutError, ConnectionError):
                heard += plain.recv(1 << 20)
                if heard and rest:  # who answers at all has heard the greeting
                    plain.sendall(rest)
                    rest = b""
    return heard


def test_no_byte_of_a_run_travels_to_who_speaks_without_keys(run: Run) -> None:
    control = int(run.hub.address.rpartition(":")[2])
    for port, said in (
        (control, unasked(b"DEALER", [encode(hello())])),
        (run.worker.welcome.data_port, unasked(b"PUB", run.forged)),
    ):
        heard = answered(run.hub, port, said, lambda heard: len(heard) > GREETING)
        assert len(heard) <= GREETING
    run.goes_on()


def test_the_same_words_are_answered_with_the_prior_where_all_is_open() -> None:
    with hub_at() as hub:
        port = int(hub.address.rpartition(":")[2])
        said = unasked(b"DEALER", [encode(hello())])
        prior = encode(FIRST)  # type: ignore[arg-type]
        assert prior in answered(hub, port, said, lambda heard: prior in heard)
        assert hub.delivery.workers_joined == 1
