"""The trainer's side: lets simulators in, hands out orders and priors, takes samples."""

import math
import time
from collections.abc import Iterator, Sequence
from typing import Any, Self

import zmq
from zmq.auth.thread import ThreadAuthenticator

from simulator.randomization.assignment import Assignment, Promise
from simulator.randomization.settings import SampleSettings
from simulator.robot import Robot
from simulator.transport import messages
from simulator.transport.addresses import Address, TransportError
from simulator.transport.codec import Codec, Received
from simulator.transport.delivery import Delivery
from simulator.transport.messages import Assign, Bye, Hello, Make, Welcome, WireError
from simulator.transport.orders import Orders, Standing
from simulator.transport.seal import Marked, mark_of, unsealed
from simulator.transport.security import SIMULATOR, TRAINER, Security
from simulator.transport.sockets import BURST, bind, drain, load_pair, load_public, open_socket
from simulator.transport.worker import Worker
from simulator.transport.workers import Workers

SILENCE_S = 180.0
"""A worker whose connection stands but that says nothing for so long counts as dead."""
PROBE_S = 1.0
"""Between tests of a worker's connection."""
OPEN = Security()


class Hub:
    """The trainer's side: lets simulators in, hands out orders and priors, takes samples.

    Everything happens in the caller's thread, inside these methods; none of them blocks beyond its
    time-out.

    Args:
        address: of the control socket, tcp://HOST:PORT or ipc://PATH; port 0 or * is chosen. The
            data socket takes the next port, or PATH.data.
        run: id of the run; no two runs share one.
        settings: what the run asks of its simulators.
        robot: the settings' robot.
        assignment: the first one; training samples of workers that are not adaptive are drawn from
            its prior.
        credits: samples a worker may be ahead of the trainer.
        adaptive_share: of the workers.
        promise: of its samples; see `Orders`.
        standing: of its orders, where a run is taken up again.
        security: of an address that other machines can reach.
        silence_s: after so long without a word a connected worker counts as dead.
        expect: digest of the poses that the run expects, if any.

    Raises:
        TransportError: the address cannot be used, or an argument is out of its range.
    """

    def __init__(
        self,
        address: str,
        run: str,
        settings: SampleSettings,
        robot: Robot,
        assignment: Assignment,
        *,
        credits: int = 8,
        adaptive_share: float = 0.5,
        promise: Promise = "complete",
        standing: Standing | None = None,
        security: Security = OPEN,
        silence_s: float = SILENCE_S,
        expect: str = "",
    ) -> None:
        wanted = Address.parse(address)
        security.check(wanted)
        self._codec = Codec(run, settings, robot, assignment.prior)
        if not 0 <= adaptive_share <= 1:
            raise TransportError(f"adaptive_share is {adaptive_share}; expected 0 to 1")
        self._orders = Orders(assignment, adaptive_share, promise, standing)
        self._workers = Workers(run, settings, self._orders, credits, robot.fingerprint, expect)
        self._silence_s = silence_s
        self._probed = time.monotonic()
        self._context = zmq.Context()
        self._authenticator: ThreadAuthenticator | None = None
        try:
            self._open_sockets(wanted, security)
        except BaseException:
            self._close_sockets()
            raise

    def _open_sockets(self, wanted: Address, security: Security) -> None:
        # ROUTER: answers each simulator alone. MANDATORY makes a send to one whose connection is
        # gone fail at once, which is how the death of a process is noticed.
        self._control = open_socket(self._context, zmq.ROUTER, wanted, messages.WORKER_LIMIT)
        self._control.router_mandatory = True
        # SUB: takes from all simulators fairly, and never sees the samples of another run.
        self._data = open_socket(self._context, zmq.SUB, wanted, self._codec.largest_frame)
        self._data.subscribe(self._codec.topic)
        if security.keys:
            self._guard(security)
        self._address = bind(self._control, wanted)
        self._data_port = bind(self._data, self._address.data() if wanted.port else wanted.data())
        self._poller = zmq.Poller()
        self._poller.register(self._control, zmq.POLLIN)
        self._poller.register(self._data, zmq.POLLIN)

    def _guard(self, security: Security) -> None:
        """Encrypt, and let in only simulators whose public key lies in the folder."""
        public, secret = load_pair(security.certificate(TRAINER, secret=True))
        load_public(security.certificate(SIMULATOR, secret=False))
        self._authenticator = ThreadAuthenticator(self._context)
        self._authenticator.start()
        self._authenticator.configure_curve(domain="*", location=str(security.keys))
        for opened in (self._control, self._data):
            opened.curve_publickey, opened.curve_secretkey = public, secret
            opened.curve_server = True

    @property
    def address(self) -> str:
        """Where it is bound."""
        return str(self._address)

    @property
    def local_address(self) -> str:
        """What a simulator on this machine connects to."""
        return str(self._address.reachable)

    @property
    def workers(self) -> dict[int, Worker]:
        """The holder, or last holder, of each worker id."""
        return self._workers.by_id

    @property
    def delivery(self) -> Delivery:
        """What became of samples and workers so far; a copy."""
        return self._workers.delivery.copy()

    @property
    def standing(self) -> Standing:
        """Where the orders stand: what never arrived is wanted."""
        return self._workers.standing()

    def follows(self, worker: int) -> bool:
        """Whether samples of that worker id follow the prior."""
        return self._orders.follows(worker)

    def poll(self, timeout_s: float) -> list[Received]:
        """Handle what came in; returns with the first samples, or none after the time-out."""
        deadline = time.monotonic() + timeout_s
        while True:
            left_ms = max(0.0, deadline - time.monotonic()) * 1000
            self._poller.poll(math.ceil(min(left_ms, 1000 * PROBE_S)))
            received = list(self._take_samples())
            quiet = self._take_control() and len(received) < BURST
            if quiet:  # only who has been heard out can be judged
                self._judge()
            self._replenish()
            if received or time.monotonic() >= deadline:
                return received

    def consumed(self, worker: int, count: int = 1) -> None:
        """Order more: the trainer has used up so many samples that this worker made.

        Raises:
            TransportError: it holds fewer.
        """
        self._top_up(self._workers.consumed(worker, count))

    def assign(self, assignment: Assignment) -> None:
        """Tell the workers at once what samples are drawn from that are ordered from now on.

        Raises:
            TransportError: its prior is older than the newest.
        """
        self._workers.assign(assignment)
        for worker in self._workers.alive():
            if newest := self._workers.assign_to(worker):
                self._send(worker, Assign(newest))

    def limit_outstanding(self, total: int | None) -> None:
        """Let no more than `total` samples arrive in all, counted from the beginning.

        Orders beyond are withheld until the limit is raised, or lifted by None.
        """
        self._workers.limit = total
        self._replenish()

    def close(self, reason: str = "the trainer is done", *, again: bool = False) -> None:
        """Say goodbye to all workers and close the sockets.

        Args:
            reason: what they are told.
            again: whether they may wait for the run to be taken up again.
        """
        for worker in self._workers.alive():
            self._send(worker, Bye(reason, again))
            worker.alive = False
        self._close_sockets()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.close("the trainer was stopped", again=True)

    def _close_sockets(self) -> None:
        # Control first: workers take the end of the data connection for the trainer's death
        # unless the goodbye is there.
        for name in ("_control", "_data"):
            if opened := getattr(self, name, None):
                opened.close()
        if self._authenticator:
            self._authenticator.stop()
        self._context.term()

    def _take_samples(self) -> Iterator[Received]:
        now = time.monotonic()
        for frames in drain(self._data):
            try:
                received = self._read(unsealed([frame.buffer for frame in frames]), now)
            except WireError as error:
                self._workers.delivery.reject(error)
            else:
                if received:
                    yield received

    def _read(self, frames: Sequence[Any], now: float) -> Received | None:
        """The sample of a message, if it is one that is wanted."""
        if len(frames) == len(Marked._fields):
            mark = mark_of(frames[1])
            self._workers.settle(mark.instance, mark.published)
            return None
        return self._workers.accept(self._codec.decode(frames), now)

    def _take_control(self) -> bool:
        """Handle control messages; false if there may be more."""
        seen = 0
        for frames in drain(self._control):
            seen += 1
            peer = frames[0].bytes
            try:
                if len(frames) != 2:
                    raise WireError("frames", f"{len(frames)} control frames; expected 2")
                self._handle(peer, messages.decode_from_worker(frames[1].buffer))
            except WireError as error:
                self._workers.delivery.reject(error)
        return seen < BURST

    def _handle(self, peer: bytes, message: messages.FromWorker) -> None:
        now = time.monotonic()
        if isinstance(message, Hello):
            port = self._data_port.port
            if answer := self._workers.admit(peer, message, port, now):
                self._send_to(peer, answer)
            if isinstance(answer, Welcome):
                self._top_up(self._workers.by_id[answer.worker])
            return
        worker = self._workers.by_peer(peer)
        if worker is None:
            if not isinstance(message, Bye):  # only a fresh process could be told what to draw
                self._send_to(peer, Bye("this trainer does not know it", again=True))
            raise WireError("stranger", f"{type(message).__name__} of a simulator not let in")
        worker.last_seen = now
        if isinstance(message, Bye):
            self._workers.depart(worker, died=False)
        else:
            self._workers.hear(worker, message)

    def _judge(self) -> None:
        now = time.monotonic()
        if now - self._probed < PROBE_S:
            return
        self._probed = now
        for worker in self._workers.alive():
            if now - worker.last_seen > self._silence_s:
                self._send(worker, Bye(f"silent for {self._silence_s:g} s", again=True))
                self._workers.depart(worker, died=True)
            else:
                self._send(worker, Make())
        self._workers.release_late(now)

    def _replenish(self) -> None:
        for worker in self._workers.alive():
            self._top_up(worker)

    def _top_up(self, worker: Worker) -> None:
        for message in self._workers.grant(worker):
            self._send(worker, message)

    def _send(self, worker: Worker, message: messages.FromTrainer) -> None:
        if worker.alive and not self._send_to(worker.peer, message):
            self._workers.depart(worker, died=True)

    def _send_to(self, peer: bytes, message: messages.FromTrainer) -> bool:
        try:
            self._control.send_multipart([peer, messages.encode(message)], zmq.NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno not in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                raise
            return False
        return True
