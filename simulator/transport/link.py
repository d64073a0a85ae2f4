"""The simulator's side: joins a run, learns what to draw, publishes samples."""

import math
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Self

import zmq

from simulator.randomization.assignment import Assignment
from simulator.randomization.prior import PriorError
from simulator.randomization.settings import SampleSettings
from simulator.robot import Robot
from simulator.sample import Sample
from simulator.transport import messages
from simulator.transport.addresses import Address, TransportError
from simulator.transport.codec import Codec
from simulator.transport.handshakes import Handshakes, RefusedError
from simulator.transport.messages import (
    Alive,
    Assign,
    Bye,
    Hello,
    Make,
    Refused,
    Welcome,
    WireError,
)
from simulator.transport.orders import Order
from simulator.transport.seal import Mark, marked, seal
from simulator.transport.security import SIMULATOR, TRAINER, Security
from simulator.transport.sockets import LINGER_MS, drain, load_pair, load_public, open_socket

TICK_MS = 250
"""Between looks at whether to go on."""
PATIENCE_S = 2.0
"""Of waiting for a trainer before saying so."""
HELLO_S = 10.0
"""Between hellos to a trainer that does not answer."""
GOODBYE_MS = 1000
"""A trainer whose data connection ended may still be heard saying goodbye for so long."""
OPEN = Security()


class TrainerGoneError(TransportError):
    """The trainer went away without a goodbye."""


class Link:
    """A simulator's connection to one trainer, for one run. Use it from one thread.

    Args:
        address: of the trainer's control socket.
        security: of an address on another machine.

    Raises:
        TransportError: the address or the keys cannot be used.
    """

    def __init__(self, address: str, security: Security = OPEN) -> None:
        self._address = Address.parse(address)
        security.check(self._address)
        self._security = security
        self._context = zmq.Context()
        self._data: zmq.Socket | None = None
        self._sequence = 0
        self._subscribed = False
        self._orders: deque[Order] = deque()
        self.farewell: Bye | None = None
        """The trainer's goodbye, once it has come."""
        try:
            # DEALER: the other half of a ROUTER. Without IMMEDIATE, which would drop a goodbye
            # not yet read when the trainer closes its end.
            self._control = self._open(zmq.DEALER, self._address, messages.TRAINER_LIMIT)
            self._control.linger = 0  # nothing to hold up an end before a trainer is there
            self._handshakes = Handshakes(self._control, bool(security.keys))
            _connect(self._control, self._address)
        except BaseException:
            self._context.destroy(0)
            raise

    def _open(self, kind: int, address: Address, largest: int) -> zmq.Socket:
        opened = open_socket(self._context, kind, address, largest)
        if self._security.keys:
            trainer = self._security.certificate(TRAINER, secret=False)
            own = self._security.certificate(SIMULATOR, secret=True)
            opened.curve_serverkey = load_public(trainer)
            opened.curve_publickey, opened.curve_secretkey = load_pair(own)
        return opened

    def join(
        self,
        hello: Hello,
        timeout_s: float,
        keep_going: Callable[[], bool] = lambda: True,
        say: Callable[[str], None] = lambda line: None,
    ) -> Welcome | None:
        """Ask to join until a trainer answers; None if `keep_going` said no before.

        Raises:
            RefusedError: the trainer said no, and why.
            TransportError: no trainer answered in time, or none that can be understood.
        """
        started, asked, said = time.monotonic(), -HELLO_S, PATIENCE_S
        while keep_going():
            waited = time.monotonic() - started
            self._listen()
            if waited > timeout_s:
                raise TransportError(
                    f"no trainer at {self._address} answered within {timeout_s:g} s: start one "
                    f"there, or check the address and the keys{self._hint}"
                )
            if waited >= said:
                say(f"waiting for a trainer at {self._address}{self._hint}")
                said += HELLO_S
            if waited - asked >= HELLO_S:  # again, as the one before may have met a dying trainer
                self._send(hello)
                asked = waited
            if self._control.poll(TICK_MS):
                self._handshakes.close()
                self._control.linger = LINGER_MS
                return self._welcome()
        return None

    def _listen(self) -> None:
        """See that an answer may still come.

        Raises:
            RefusedError: none will.
        """
        try:
            self._handshakes.listen()
        except RefusedError as error:
            raise RefusedError(f"the trainer at {self._address} {error}") from None

    @property
    def _hint(self) -> str:
        """What else is known of a trainer that does not answer."""
        if not (self._handshakes.hung_up and self._security.keys):
            return ""
        return "; something there hangs up: are these the keys of another trainer?"

    def _welcome(self) -> Welcome:
        try:
            answer = messages.decode_from_trainer(self._control.recv())
        except WireError as error:
            raise TransportError(f"the trainer at {self._address} sent a {error}") from None
        if isinstance(answer, Refused):
            raise RefusedError(f"the trainer at {self._address} refused: {answer.reason}")
        if not isinstance(answer, Welcome):
            raise TransportError(
                f"the trainer at {self._address} sent a {type(answer).__name__} before a welcome"
            )
        return answer

    def attach(
        self,
        welcome: Welcome,
        robot: Robot,
        instance: bytes,
        timeout_s: float,
        keep_going: Callable[[], bool] = lambda: True,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Open the data connection of the run that let this simulator in.

        That takes until the trainer next looks at its sockets, or until `keep_going` says no.

        Raises:
            TransportError: the trainer's data socket cannot be reached.
            WireError: what it wants drawn does not fit the robot.
        """
        self._instance = instance
        self._settings: SampleSettings = welcome.settings
        self._joints = robot.lower.size
        self.assignment = self._read(welcome.assignment)
        self._promise = welcome.promise
        self._codec = Codec(welcome.run, welcome.settings, robot, self.assignment.prior)
        address = self._address.data(welcome.data_port)
        # XPUB: a publisher that sees the trainer's subscription come, before which samples would
        # vanish, and go; IMMEDIATE makes it go with the connection. NODROP waits where PUB drops.
        self._data = data = self._open(zmq.XPUB, address, 1024)
        data.immediate = data.xpub_nodrop = True
        _connect(data, address)
        started, said = time.monotonic(), HELLO_S
        while not self._subscribed and self.farewell is None and keep_going():
            waited = time.monotonic() - started
            if waited > timeout_s:
                raise TransportError(
                    f"the trainer's data socket at {address} did not answer within {timeout_s:g} s:"
                    " let that port through as well"
                )
            if waited >= said:
                say(f"waiting for the trainer to take up the data connection at {address}")
                self.alive(0, 0)  # a trainer that came in place of the one that let it in says bye
                said += HELLO_S
            data.poll(TICK_MS)
            self._hear()

    def pump(self, timeout_s: float) -> None:
        """Take in orders, the newest assignment and a goodbye; waits for the first of them.

        Raises:
            TrainerGoneError: its connection ended without a goodbye.
            WireError: it sent what cannot be read.
        """
        poller = zmq.Poller()
        for opened in (self._control, self._data):
            if opened:
                poller.register(opened, zmq.POLLIN)
        poller.poll(math.ceil(timeout_s * 1000))
        self._hear()
        if not self._subscribed and self.farewell is None:
            self._control.poll(GOODBYE_MS)
            self._hear()
            if self.farewell is None:
                self._control.linger = 0
                raise TrainerGoneError(f"the trainer at {self._address} is gone")

    @property
    def credits(self) -> int:
        """Samples that may be published now."""
        return len(self._orders)

    @property
    def order(self) -> Order | None:
        """The sample to be published next, if any."""
        if not self._orders:
            return None
        order = self._orders[0]
        return order if self._promise == "complete" else replace(order, terms=self.assignment)

    def publish(self, sample: Sample) -> None:
        """Send the sample that was to be next. Its arrays must not be written to afterwards.

        Raises:
            TrainerGoneError: its connection ended without a goodbye.
        """
        if self._data is None or not self._orders:
            raise TransportError("a sample may be published only for a credit")
        frames = seal(self._codec.encode(sample, self._instance, self._sequence))
        while self.farewell is None:
            try:
                self._data.send_multipart(frames, zmq.NOBLOCK, copy=False)
            except zmq.Again:
                self.pump(TICK_MS / 1000)
            else:
                self._sequence += 1
                self._orders.popleft()
                return

    def alive(self, rendered: int, rss: int) -> None:
        """Tell the trainer that this simulator is at work, and what it has published."""
        self._send(Alive(rendered, rss))
        if self._data:
            mark = marked(self._codec.topic, Mark(self._instance, self._sequence))
            with suppress(zmq.Again):  # another comes in a second
                self._data.send_multipart(seal(mark), zmq.NOBLOCK)

    def bye(self, reason: str) -> None:
        """Tell the trainer that this simulator leaves."""
        self._send(Bye(reason))

    def close(self) -> None:
        """Close the sockets; what was published still goes out if the trainer is there."""
        self._context.destroy()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _hear(self) -> None:
        if self._data:
            for (event,) in drain(self._data):
                if event.bytes[1:] == self._codec.topic:
                    self._subscribed = event.bytes[:1] == b"\1"
        for frames in drain(self._control):
            message = messages.decode_from_trainer(frames[-1].buffer)
            if isinstance(message, Make):
                terms = self.assignment
                self._orders += [Order(worker, index, terms) for worker, index in message.samples]
            elif isinstance(message, Assign):
                self.assignment = self._read(message.assignment)
            elif isinstance(message, Bye):
                self.farewell = message

    def _read(self, assignment: Assignment) -> Assignment:
        try:
            return assignment.check(self._joints, self._settings.bins)
        except PriorError as error:
            raise WireError("prior", str(error)) from None

    def _send(self, message: messages.FromWorker) -> None:
        try:
            self._control.send(messages.encode(message), zmq.NOBLOCK)
        except zmq.Again:
            return  # not connected, or not read for long: nobody to tell


def _connect(opened: zmq.Socket, address: Address) -> None:
    try:
        opened.connect(str(address))
    except zmq.ZMQError as error:
        raise TransportError(f"cannot connect to {address}: {error.strerror}") from None
