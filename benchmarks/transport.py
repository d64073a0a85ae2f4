"""What a sample costs its trainer, from the sockets to the batch, beside a bare loop of pyzmq.

Processes publish samples that were made before; this one receives, checks and stacks them as a
trainer does (`Hub`, `LiveSource`), and in turns with that moves the same frames by nothing but
PUSH and PULL, and by PUB and SUB. Its own CPU time is what counts, of all its threads: other
programs take none of that. `python benchmarks/transport.py --json FILE` writes the figures.
"""

import gc
import json
import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from multiprocessing.synchronize import Event
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple, get_args

import figures
import zmq
import zmq.auth
from crew import PATIENCE_S, Crew

from blender_scenes.stick_scene import StickScene
from simulator.randomization.assignment import Assignment
from simulator.randomization.hidden import draw
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings, parse_size
from simulator.randomization.variety import variety
from simulator.robot import Robot
from simulator.sample import Sample, simulate
from simulator.transport import SIMULATOR, TRAINER, Hub, Link, Security, write_keys
from simulator.transport.codec import Codec
from simulator.transport.messages import SCHEMA, Hello
from simulator.transport.seal import seal
from trainer.config.config import StreamConfig
from trainer.data.live import LiveSource

RUN = "benchmark"
WARM = 0.3
"""Share of a measurement that goes before it and does not count."""
PHOTOS = tuple(f"{place}.jpg" for place in "abcdefgh")
"""Names that backgrounds are drawn from; the stick scene opens none."""
Keys = Literal["without", "with"]
Way = Literal["jointloop", "push-pull", "pub-sub"]
BARE: dict[Way, tuple[int, int]] = {
    "push-pull": (zmq.PUSH, zmq.PULL),
    "pub-sub": (zmq.PUB, zmq.SUB),
}
"""What sends and what receives."""
COPIES = (
    {"where": "producer: array to kernel", "by": "send(2) of ZeroMQ's I/O thread",
     "why": "the kernel's; frames share memory with the sample's arrays until then"},
    {"where": "kernel to trainer: socket to frame", "by": "recv(2) of ZeroMQ's I/O thread",
     "why": "the kernel's; it goes straight into the frame, where the seal is checked and where "
     "the sample's arrays lie, until the sample is used or leaves the buffer of recent ones"},
    {"where": "trainer: frame to batch", "by": "numpy.stack in trainer.batch.stack",
     "why": "what is trained on lies side by side; the only copy by this program"},
    {"where": "with keys: either side, within ZeroMQ", "by": "CURVE's box and its opening",
     "why": "encryption cannot be done in place there"},
)  # fmt: skip
"""Every copy of an image on its way from the array that a simulator rendered."""


@dataclass(frozen=True)
class Options:
    """What is measured: every size with every number of producers, with and without keys."""

    sizes: tuple[str, ...] = ("160x120", "640x480")
    """Of images, WIDTHxHEIGHT."""
    producers: tuple[int, ...] = (1, 2, 4, 8)
    """Processes that publish."""
    keys: tuple[Keys, ...] = ("without", "with")
    """Whether all is encrypted and authenticated by CURVE."""
    variety: str = "calm"
    """calm, full, real, or a TOML file: how much a header has to say."""
    batch: int = 8
    """Samples that are stacked."""
    credits: int = 8
    """Samples that a producer may be ahead; the bare loops queue as many."""
    seconds: float = 1.0
    """Of one measurement."""
    rounds: int = 5
    """Measurements of each way, in turns; medians are told."""
    json: Path | None = None
    """File to write the figures to."""


@dataclass(frozen=True)
class Setup:
    """What both sides of one comparison agree on."""

    settings: SampleSettings
    keys: Path | None
    credits: int
    frames: tuple[bytes, ...]
    """Of one message, for the bare loops."""

    @property
    def security(self) -> Security:
        """Of the trainer and its simulators."""
        return Security(keys=self.keys)

    def certificate(self, name: str) -> tuple[bytes, bytes | None]:
        """A key pair, of which the bare loops have use as well."""
        assert self.keys
        return zmq.auth.load_certificate(self.keys / f"{name}.key_secret")


class Job(NamedTuple):
    """What a producer is to do until it is told to stop."""

    way: Way
    address: str
    setup: Setup


def produce(job: Job, stop: Event) -> None:
    """Do one job, until the trainer says goodbye or it is told to stop."""
    if job.way == "jointloop":
        publish(job)
    else:
        pump(job, stop)


def publish(job: Job) -> None:
    """Be a simulator whose samples are there already, until the trainer says goodbye."""
    instance = uuid.uuid4().bytes
    with Link(job.address, job.setup.security) as link:
        welcome = link.join(Hello(SCHEMA, instance, instance), PATIENCE_S)
        assert welcome is not None
        link.attach(welcome, Robot.named(welcome.settings.robot), instance, PATIENCE_S)
        made = sample_of(welcome.settings)
        while link.farewell is None:
            if (order := link.order) is None:
                link.pump(1)
                continue
            source = replace(made.hidden.provenance, worker=order.worker, index=order.index)
            link.publish(replace(made, hidden=replace(made.hidden, provenance=source)))


def pump(job: Job, stop: Event) -> None:
    """Send the same message as often as it is taken."""
    with zmq.Context() as context, context.socket(BARE[job.way][0]) as data:
        prepare(data, job.setup)
        if job.setup.keys:
            data.curve_serverkey = job.setup.certificate(TRAINER)[0]
            data.curve_publickey, data.curve_secretkey = job.setup.certificate(SIMULATOR)
        data.connect(job.address)
        while not stop.is_set():
            try:
                data.send_multipart(job.setup.frames, zmq.NOBLOCK, copy=False)
            except zmq.Again:
                data.poll(100, zmq.POLLOUT)


def prepare(data: zmq.Socket, setup: Setup) -> None:
    """Queue as much as our own way has under way, and drop nothing."""
    data.sndhwm = data.rcvhwm = setup.credits
    if data.socket_type == zmq.PUB:
        data.xpub_nodrop = True


def sample_of(settings: SampleSettings) -> Sample:
    """A real sample of the stick scene."""
    robot = Robot.named(settings.robot)
    hidden = draw(robot, settings, first_of(settings), 0, 0, PHOTOS)
    return simulate(StickScene(robot.model), robot, settings, hidden)


def first_of(settings: SampleSettings) -> Assignment:
    """What a run begins with."""
    robot = Robot.named(settings.robot)
    return Assignment.of(JointPrior.uniform(robot.lower, robot.upper, settings.bins))


Take = Callable[[], int]
"""Takes some samples; returns how many."""


@contextmanager
def as_trained(setup: Setup, crew: Crew[Job], producers: int, batch: int) -> Iterator[Take]:
    """Batches, by the trainer's own way."""
    first, robot = first_of(setup.settings), Robot.named(setup.settings.robot)
    hub = Hub(
        "tcp://127.0.0.1:0",
        RUN,
        setup.settings,
        robot,
        first,
        credits=setup.credits,
        security=setup.security,
    )
    with hub:
        crew.start(producers, Job("jointloop", hub.local_address, setup))
        source = LiveSource(hub, StreamConfig(credits=setup.credits), timeout=PATIENCE_S)
        source.send(first)
        yield lambda: len(source.batch(batch))
        assert hub.delivery.lost == 0
        assert hub.delivery.rejected == {}
    while crew.busy():
        pass


@contextmanager
def bare(way: Way, setup: Setup, crew: Crew[Job], producers: int, batch: int) -> Iterator[Take]:
    """The same messages, received and let go."""
    with zmq.Context() as context, context.socket(BARE[way][1]) as data:
        prepare(data, setup)
        if data.socket_type == zmq.SUB:
            data.subscribe(setup.frames[0])
        if setup.keys:
            data.curve_publickey, data.curve_secretkey = setup.certificate(TRAINER)
            data.curve_server = True
        data.rcvtimeo = 1000 * PATIENCE_S
        port = data.bind_to_random_port("tcp://127.0.0.1")

        def take() -> int:
            for _ in range(batch):
                data.recv_multipart(copy=False)
            return batch

        crew.start(producers, Job(way, f"tcp://127.0.0.1:{port}", setup))
        yield take
        crew.stop()
        while crew.busy():  # what they have sent goes out before they end
            while data.poll(0):
                data.recv_multipart(copy=False)


def cost(take: Take, seconds: float) -> tuple[float, float]:
    """CPU time of this process by sample [us], and samples/s."""
    take()
    warm = time.perf_counter() + WARM * seconds
    while time.perf_counter() < warm:
        take()
    gc.collect()
    cpu, started, taken = time.process_time(), time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        taken += take()
    used, spent = time.process_time() - cpu, time.perf_counter() - started
    return 1e6 * used / taken, taken / spent


def compare(setup: Setup, crew: Crew[Job], producers: int, options: Options) -> dict[str, Any]:
    """All ways in turns; medians of each, and ours against the bare ones."""
    measured: dict[Way, list[tuple[float, float]]] = {way: [] for way in get_args(Way)}
    for _ in range(options.rounds):
        for way, found in measured.items():
            ours = way == "jointloop"
            given = (setup, crew, producers, options.batch)
            with as_trained(*given) if ours else bare(way, *given) as take:
                found.append(cost(take, options.seconds))
    cpu = {way: statistics.median(us for us, _ in found) for way, found in measured.items()}
    rate = {way: statistics.median(n for _, n in found) for way, found in measured.items()}
    return {
        "cpu_us": {way: round(us) for way, us in cpu.items()},
        "samples_per_second": {way: round(n, 1) for way, n in rate.items()},
        "cpu_over": {way: round(cpu["jointloop"] / cpu[way], 2) for way in BARE},
        "rate_over": {way: round(rate["jointloop"] / rate[way], 2) for way in BARE},
    }


def setup_of(size: str, keys: Path | None, options: Options) -> Setup:
    """What is sent at that size."""
    width, height = parse_size(size)
    settings = SampleSettings(width=width, height=height, variety=variety(options.variety))
    codec = Codec(RUN, settings, Robot.named(settings.robot), first_of(settings).prior)
    frames = seal(codec.encode(sample_of(settings), uuid.uuid4().bytes, 0))
    return Setup(settings, keys, options.credits, tuple(map(bytes, frames)))


def main(options: Options) -> None:
    """Measure and print."""
    results: list[dict[str, Any]] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory())) / "keys"
        write_keys(folder)
        setups = {
            (size, keys): setup_of(size, folder if keys == "with" else None, options)
            for size in options.sizes
            for keys in options.keys
        }
        crew = Crew(max(options.producers), produce)
        stack.callback(crew.close)
        for (size, keys), setup in setups.items():
            for producers in options.producers:
                about = {"size": size, "keys": keys, "producers": producers}
                sent = sum(map(len, setup.frames))
                found = compare(setup, crew, producers, options)
                results.append({**about, "bytes": sent, **found})
                print(json.dumps(results[-1]), flush=True)
    figures.write(options.json, {**figures.machine(), "copies": COPIES, "results": results})


if __name__ == "__main__":
    figures.run(main, Options)
