"""What all sockets here have in common: limits, time-outs, addresses, keys."""

import errno
import socket
from collections.abc import Iterator
from pathlib import Path

import zmq
import zmq.auth
from zmq.utils import z85

from simulator.transport.addresses import Address, TransportError
from simulator.transport.security import SIMULATOR, TRAINER

LINGER_MS = 2000
"""How long a closing socket tries to send what it still holds."""
BURST = 1000
"""Messages read from a socket before looking at the other."""
HIGH_WATER = 1000
"""Messages queued per connection; credits keep far under it."""
LONGEST_RETRY_MS = 10_000
"""Between tries to connect; the first comes after 0.1 s, and each wait is twice the one before."""
KEY_CHARACTERS = 40
"""Of a key as text."""
CURVE_BYTES = 33
"""What encryption adds to a frame: command name, nonce, authenticator and flags (RFC 26)."""


def write_keys(folder: Path) -> None:
    """Make keys for the trainer and the simulators in a new folder, readable by its owner alone.

    Raises:
        TransportError: the folder holds keys already or cannot be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.glob("*.key*")):
            raise TransportError(f"folder {folder} holds keys already; remove them first")
        folder.chmod(0o700)  # before anything secret lies in it
        for name in (TRAINER, SIMULATOR):
            _, secret = zmq.auth.create_certificates(folder, name)
            Path(secret).chmod(0o600)  # also where the folder's content is copied to
    except OSError as error:
        raise TransportError(f"keys cannot be written to {folder}: {error.strerror}") from None


def open_socket(context: zmq.Context, kind: int, address: Address, largest: int) -> zmq.Socket:
    """A socket that never blocks for ever and drops connections that fell silent."""
    opened = context.socket(kind)
    opened.linger = LINGER_MS
    opened.ipv6 = address.ipv6
    # A peer that sends a larger frame is cut off; the limit is of what travels, keys or not.
    opened.maxmsgsize = largest + CURVE_BYTES
    opened.sndhwm = opened.rcvhwm = HIGH_WATER
    opened.reconnect_ivl, opened.reconnect_ivl_max = 100, LONGEST_RETRY_MS
    # Answered by the other side's I/O thread, however long its own code is at work.
    opened.heartbeat_ivl = 2_000
    opened.heartbeat_timeout = opened.heartbeat_ttl = 20_000
    return opened


def load_public(path: Path) -> bytes:
    """The public key in a file.

    Raises:
        TransportError: the file cannot be read or holds none.
    """
    return _load(path)[0]


def load_pair(path: Path) -> tuple[bytes, bytes]:
    """Public and secret key of a file with both.

    Raises:
        TransportError: the file cannot be read, or holds no two keys that belong together.
    """
    public, secret = _load(path)
    if secret is None:
        raise TransportError(f"key file {path} cannot be read: it holds no secret key")
    try:
        belongs = zmq.curve_public(secret) == public
    except (ValueError, zmq.ZMQError):
        belongs = False
    if not belongs:
        raise TransportError(
            f"key file {path} cannot be read: its public key is not that of its secret key"
        )
    return public, secret


def _load(path: Path) -> tuple[bytes, bytes | None]:
    try:
        public, secret = zmq.auth.load_certificate(path)
        z85.decode(public)
        if len(public) != KEY_CHARACTERS:
            raise ValueError(public)
    except OSError as error:
        raise TransportError(f"key file {path} cannot be read: {error.strerror}") from None
    except (ValueError, LookupError):
        raise TransportError(f"key file {path} cannot be read: it holds no public key") from None
    return public, secret


def bind(opened: zmq.Socket, address: Address) -> Address:
    """Bind and return the address with the port that the system chose."""
    try:
        if address.scheme == "ipc" and _listens(address.place):
            raise zmq.ZMQError(errno.EADDRINUSE)
        opened.bind(str(address))
    except zmq.ZMQError as error:
        remedy = (
            "another program listens there (a trainer also takes the port after its own): "
            "stop it or choose another port or path"
            if error.errno == errno.EADDRINUSE
            else f"{error.strerror}; choose an address of this machine"
        )
        raise TransportError(f"address {address} cannot be bound: {remedy}") from None
    return (
        Address.parse(str(opened.getsockopt_string(zmq.LAST_ENDPOINT)))
        if address.scheme == "tcp"
        else address
    )


def _listens(path: str) -> bool:
    """Whether someone listens at an ipc path; binding would silently take it from them."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
    return True


def drain(opened: zmq.Socket) -> Iterator[list[zmq.Frame]]:
    """The messages that are there, up to a burst."""
    for _ in range(BURST):
        try:
            frames = [opened.recv(zmq.NOBLOCK, copy=False)]
        except zmq.Again:
            return
        while frames[-1].more:
            frames.append(opened.recv(copy=False))
        yield frames
