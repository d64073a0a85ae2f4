"""What the tests of messages, transport, worker and fleet share."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

from clock_parts import PATIENCE_S

from blender_scenes.stick_scene import StickScene
from simulator.randomization.assignment import Assignment, Split
from simulator.randomization.hidden import draw
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings
from simulator.robot import Robot
from simulator.sample import Sample, simulate
from simulator.transport import Hub, Link, Received, Security
from simulator.transport.hub import OPEN
from simulator.transport.messages import SCHEMA, Hello, Welcome

ROBOT = Robot.named("ur10")
SETTINGS = SampleSettings(width=64, height=48)
PRIOR = JointPrior.uniform(ROBOT.lower, ROBOT.upper, SETTINGS.bins)
FIRST = Assignment.of(PRIOR)


def prior(version: int) -> JointPrior:
    """A prior of that version with its weight in the first bins."""
    alpha = PRIOR.alpha.copy()
    alpha[:, 0] += version
    return JointPrior(alpha, PRIOR.lower, PRIOR.upper, version)


@cache
def sample(index: int = 0, worker: int = 0, version: int = 0, split: Split = "train") -> Sample:
    """A real sample of the stick scene."""
    assignment = Assignment.of(prior(version) if version else PRIOR, split)
    hidden = draw(ROBOT, SETTINGS, assignment, worker, index)
    return simulate(StickScene(ROBOT.model), ROBOT, SETTINGS, hidden)


def hello(**changes: object) -> Hello:
    """A hello of a new process in a new place."""
    identities = {"instance": uuid.uuid4().bytes, "slot": uuid.uuid4().bytes}
    return Hello(**({"schema": SCHEMA} | identities | changes))  # type: ignore[arg-type]


@contextmanager
def hub_at(
    address: str = "tcp://127.0.0.1:0", run: str = "run", **options: object
) -> Iterator[Hub]:
    """A hub of the test run."""
    with Hub(address, run, SETTINGS, ROBOT, FIRST, **options) as hub:  # type: ignore[arg-type]
        yield hub


def poll_until(hub: Hub, done: Callable[[list[Received]], bool]) -> list:
    """All that a hub receives until `done` says so of it."""
    received: list[Received] = []
    deadline = time.monotonic() + PATIENCE_S
    while not done(received):
        assert time.monotonic() < deadline, f"nothing after {PATIENCE_S} s: {hub.delivery}"
        received += hub.poll(0.02)
    return received


class Peer:
    """A simulator in this process, driven by hand."""

    def __init__(self, hub: Hub, security: Security = OPEN, **changes: object) -> None:
        self.hello = hello(**changes)
        self.link = Link(hub.local_address, security)
        self.welcome = self._join(hub)

    def _join(self, hub: Hub) -> Welcome:
        def keep_going() -> bool:
            hub.poll(0)
            return True

        welcome = self.link.join(self.hello, PATIENCE_S, keep_going)
        assert welcome is not None
        self.link.attach(welcome, ROBOT, self.hello.instance, PATIENCE_S, keep_going)
        return welcome

    def publish(self, count: int = 1) -> None:
        """Publish the next samples that were ordered."""
        for _ in range(count):
            if not self.link.credits:
                self.link.pump(PATIENCE_S)
            self.link.publish(self.made())

    def made(self) -> Sample:
        """The sample that is to be published next; another where none was ordered."""
        if (order := self.link.order) is None:
            return sample()
        return sample(order.index, order.worker, order.terms.version, order.terms.split)

    def hear(self, done: Callable[[Link], bool], hub: Hub) -> None:
        """Take in what the trainer says until `done` says so of the link."""
        deadline = time.monotonic() + PATIENCE_S
        while not done(self.link):
            assert time.monotonic() < deadline
            hub.poll(0)
            self.link.pump(0.02)

    def close(self) -> None:
        """Vanish without a goodbye."""
        self.link.close()
