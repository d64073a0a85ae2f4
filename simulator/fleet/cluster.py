"""Work placed on the machines of a Ray cluster by its scheduler; nothing else imports ray.

What is placed is a function of a module that all machines have. Ray starts it where there is room,
and anew elsewhere when a machine or a process of Ray is lost. What Ray sends, it pickles: whoever
reaches a cluster can run code there, which is for its owner to keep from strangers.
"""

import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

import ray
from ray.exceptions import RayError

from jointloop.common.errors import JointloopError, first_line

LOCAL, ANY = "local", "auto"
"""Addresses beside HOST:PORT: a cluster of its own on this machine, and one that runs here."""
ANSWER_S = 5.0
"""For a cluster to answer."""
LOOK_S = 0.25
"""Longest wait between looks at what has ended."""
STOP_S = 4.0
"""Between asking tasks to stop and ending them."""
HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
"""How a conversation with Ray's head begins: HTTP/2's preface and empty settings."""
SETTINGS = 4
"""Type of the frame that is the answer to it."""


class ClusterError(JointloopError):
    """A Ray cluster cannot be used."""


class Cluster:
    """A Ray cluster, reached when its context begins and left when it ends.

    Args:
        address: HOST:PORT of its head, from a machine that belongs to it; `LOCAL` or `ANY`.

    Raises:
        ClusterError: no cluster answers there.
    """

    def __init__(self, address: str) -> None:
        if address not in (LOCAL, ANY):
            _knock(address)
        self._address = address

    def open(self, tasks: int, gpus: int = 0) -> "Session":
        """Join it for so many tasks at once, each of one processor and of so many GPUs.

        Raises:
            ClusterError: it cannot be joined.
        """
        own: dict[str, Any] = {}
        if self._address == LOCAL:
            own = {"num_cpus": tasks, "include_dashboard": False}
        os.environ.setdefault("RAY_COLOR_PREFIX", "0")
        handler = signal.getsignal(signal.SIGTERM)
        try:
            ray.init(self._address, logging_level=logging.ERROR, **own)
        except Exception as error:  # Ray raises plain ones, too
            raise ClusterError(
                f"the Ray cluster at {self._address} cannot be joined: {first_line(error)}"
            ) from None
        finally:
            signal.signal(signal.SIGTERM, handler)  # Ray puts its own there
        return Session(self._address, gpus)


class Session:
    """Tasks on a cluster; those that have not ended are ended with the context."""

    def __init__(self, address: str, gpus: int) -> None:
        self._address, self._gpus = address, gpus
        self._running: dict[ray.ObjectRef, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            for task in self._running:
                ray.cancel(task)
            deadline = time.monotonic() + STOP_S
            while self._running and time.monotonic() < deadline:
                self._ended()
        finally:
            ray.shutdown()

    @property
    def processors(self) -> int:
        """Of all machines together."""
        return int(ray.cluster_resources().get("CPU", 0))

    @property
    def machines(self) -> int:
        """That are there."""
        return sum(node["Alive"] for node in ray.nodes())

    def run(
        self,
        work: Callable[..., Any],
        calls: Iterable[tuple[Any, tuple[Any, ...]]],
        at_once: int,
        look: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[Any, Any, str]]:
        """Make calls as tasks, and give what each came to, as they end.

        Args:
            work: of a module; what it takes and gives is small, or bytes.
            calls: a key and the arguments of each.
            at_once: tasks under way at most.
            look: called between looks at what has ended.

        Yields:
            Key, what `work` gave, and why it gave nothing: the line of a `JointloopError`.

        Raises:
            ClusterError: Ray cannot run a task.
        """
        task = ray.remote(_said).options(num_cpus=1, num_gpus=self._gpus, max_retries=-1)
        left = iter(calls)
        while True:
            while len(self._running) < at_once and (call := next(left, None)):
                self._running[task.remote(work, *call[1])] = call[0]
            if not self._running:
                return
            for ref, key in self._ended():
                try:
                    result, reason = ray.get(ref)
                except RayError as error:
                    raise ClusterError(
                        f"a task on the Ray cluster at {self._address} failed: {_last_line(error)}"
                    ) from None
                yield key, result, reason
            look()

    def _ended(self) -> list[tuple[ray.ObjectRef, Any]]:
        """The tasks that have ended since, and their keys; waits a little for the first."""
        done, _ = ray.wait(list(self._running), timeout=LOOK_S, fetch_local=False)
        return [(ref, self._running.pop(ref)) for ref in done]


def _said(work: Callable[..., Any], *arguments: Any) -> tuple[Any, str]:
    """What a task does: its work, or the line that says why not."""
    try:
        return work(*arguments), ""
    except JointloopError as error:
        return None, str(error)


def _knock(address: str) -> None:
    """Raise unless somebody at HOST:PORT speaks as Ray does; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal() and int(port) <= 65535) or "/" in address:
        raise ClusterError(
            f"ray is {address!r}; expected HOST:PORT of a cluster's head, such as 10.0.0.9:6379, "
            f"{ANY} or {LOCAL}"
        )
    try:
        with socket.create_connection((host.strip("[]"), int(port)), ANSWER_S) as knock:
            knock.settimeout(ANSWER_S)
            knock.sendall(HTTP2)
            answer = knock.recv(9)
    except OSError as error:
        raise ClusterError(
            f"no Ray cluster answers at {address}: {error.strerror or error}; start one with "
            "`ray start --head`, or check the address"
        ) from None
    if len(answer) < 4 or answer[3] != SETTINGS:
        raise ClusterError(f"what answers at {address} is no Ray cluster; check the address")


def _last_line(error: Exception) -> str:
    return str(error).strip().split("\n")[-1]
