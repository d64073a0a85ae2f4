"""A link between two addresses of this machine that can be cut and joined again."""

import socket
import threading
from contextlib import suppress
from typing import Self

NEAR, FAR = "127.0.0.1", "127.0.0.2"


class Proxy:
    """Passes on what comes to ports of `FAR` to the same ports of `NEAR`."""

    def __init__(self, *ports: int) -> None:
        self._ports = ports
        self._open: list[socket.socket] = []
        self.join()

    def join(self) -> None:
        """Let connections through from now on."""
        for port in self._ports:
            listener = socket.create_server((FAR, port))
            self._open.append(listener)
            threading.Thread(target=self._listen, args=(listener, port), daemon=True).start()

    def cut(self) -> None:
        """End all connections, and refuse new ones."""
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()

    def _listen(self, listener: socket.socket, port: int) -> None:
        with suppress(OSError):
            while True:
                far, _ = listener.accept()
                try:
                    near = socket.create_connection((NEAR, port))
                except OSError:  # nobody is there
                    far.close()
                    continue
                self._open += (far, near)
                for source, sink in ((far, near), (near, far)):
                    way = (source, sink, port, source is far)
                    threading.Thread(target=self._pass_on, args=way, daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, port: int, nearer: bool) -> None:
        with suppress(OSError):
            self.carry(source, sink, port, nearer)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def carry(self, source: socket.socket, sink: socket.socket, port: int, nearer: bool) -> None:
        """Pass on what comes from one end until that closes.

        Args:
            source: where it comes from.
            sink: where it goes to.
            port: of the connection.
            nearer: whether it goes from `FAR` to `NEAR`.
        """
        while data := source.recv(1 << 16):
            sink.sendall(data)
