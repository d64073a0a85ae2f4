"""How tries to connect end: whether waiting for an answer is in vain, and why."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import zmq
from zmq.utils.monitor import parse_monitor_message

from simulator.transport.addresses import TransportError

NOT_ON_THE_LIST = 400
"""What a trainer answers to keys that it does not know (RFC 27)."""
HEARD = (
    zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
)


class RefusedError(TransportError):
    """The trainer does not let this simulator in."""


class Handshakes:
    """Hears how a socket's tries to connect end; make it before the socket connects.

    Args:
        opened: the socket.
        keys: whether it has keys.
    """

    def __init__(self, opened: zmq.Socket, keys: bool) -> None:
        self._opened, self._keys = opened, keys
        self._told = opened.get_monitor_socket(HEARD)
        self.hung_up = False
        """Whether the last try ended without a word: another's keys, or a relay without trainer."""

    def listen(self) -> None:
        """Take in what happened since.

        Raises:
            RefusedError: no further try can end well.
        """
        with suppress(zmq.Again):
            while True:
                self._take(parse_monitor_message(self._told.recv_multipart(zmq.NOBLOCK)))

    def _take(self, told: Mapping[str, Any]) -> None:
        event = told["event"]
        if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH and told["value"] == NOT_ON_THE_LIST:
            raise RefusedError("does not know this side's keys: copy its folder of keys to here")
        if event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
            raise RefusedError(
                "has no keys, or is no trainer: give --keys to both sides or to none"
                if self._keys
                else "wants keys, or is no trainer: give --keys, a copy of its folder"
            )
        self.hung_up = event != zmq.EVENT_HANDSHAKE_SUCCEEDED

    def close(self) -> None:
        """Hear no more."""
        self._opened.disable_monitor()
