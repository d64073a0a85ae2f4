"""Addresses that trainers bind and simulators connect to, and which of them need keys."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal

from jointloop.common.errors import JointloopError

_TCP = re.compile(r"tcp://(?P<host>\[[0-9a-fA-F:.]+\]|[^\s\[\]:/]+):(?P<port>\d{1,5}|\*)")
_IPC = re.compile(r"ipc://(?P<path>[^\0\s*]+)")
_EVERYWHERE = ("*", "0.0.0.0", "[::]")


class TransportError(JointloopError):
    """The connection between trainer and simulators cannot be made or was used wrongly."""


@dataclass(frozen=True)
class Address:
    """Where a trainer's control socket is; its data socket lies beside it."""

    scheme: Literal["tcp", "ipc"]
    place: str
    """Host name or number of tcp, path of ipc."""
    port: int = 0
    """Of tcp; 0 lets the system choose."""

    @classmethod
    def parse(cls, text: str) -> "Address":
        """The address of that text.

        Raises:
            TransportError: the text has another form.
        """
        if match := _TCP.fullmatch(text):
            port = match["port"]
            number = 0 if port == "*" else int(port)
            if number <= 65535:
                return cls("tcp", match["host"], number)
        elif match := _IPC.fullmatch(text):
            return cls("ipc", match["path"])
        raise TransportError(
            f"address {text!r} cannot be used; expected tcp://HOST:PORT (such as "
            "tcp://127.0.0.1:5555) or ipc://PATH"
        )

    def __str__(self) -> str:
        if self.scheme == "ipc":
            return f"ipc://{self.place}"
        return f"tcp://{self.place}:{self.port or '*'}"

    @property
    def private(self) -> bool:
        """Whether only this machine can reach it."""
        if self.scheme == "ipc" or self.place == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.place.strip("[]")).is_loopback
        except ValueError:
            return False

    @property
    def ipv6(self) -> bool:
        """Whether the host is an IPv6 number."""
        return self.place.startswith("[")

    @property
    def reachable(self) -> "Address":
        """The address a simulator on this machine connects to."""
        if self.scheme == "tcp" and self.place in _EVERYWHERE:
            return Address("tcp", "[::1]" if self.ipv6 else "127.0.0.1", self.port)
        return self

    def data(self, port: int | None = None) -> "Address":
        """The data socket's address.

        Args:
            port: of tcp; by default the one after this, or the system's choice if this is.
        """
        if self.scheme == "ipc":
            return Address("ipc", f"{self.place}.data")
        if port is None:
            port = self.port + 1 if self.port else 0
        if port > 65535:
            raise TransportError(f"address {self}: port {port} for the data does not exist")
        return Address("tcp", self.place, port)
