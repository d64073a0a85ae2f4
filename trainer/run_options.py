"""What the config of a run leaves to the moment, and its source of samples."""

import contextlib
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from feedback.controller import Controller
from simulator.fleet.fleet import Fleet, FleetError
from simulator.fleet.worker import WorkerOptions
from simulator.randomization.hidden import Assignment
from simulator.randomization.prior import JointPrior
from simulator.recordings.recording import Recording
from simulator.robot import Robot
from simulator.transport import Hub, Security
from trainer.config.config import Config, ConfigError
from trainer.data.live import Stream
from trainer.data.recorded import Pool, PoolError, recorded
from trainer.data.source import Source
from trainer.runs.folder import Checkpoint
from trainer.runs.progress import Progress
from trainer.weights.initial import InitialWeights


@dataclass(frozen=True)
class RunOptions:
    """What a run's config leaves to the moment: where, for how long, with whom."""

    folder: Path
    """Of the run."""
    workers: int | None = None
    """Simulators to start here; None waits for others at `bind`."""
    bind: str = "tcp://127.0.0.1:*"
    """Where simulators connect."""
    recording: Path | None = None
    """Folder of a recording to train from, in place of simulators."""
    start: InitialWeights = field(default_factory=InitialWeights)
    """Files of weights that a new run begins with."""
    worker: WorkerOptions | None = None
    """How to start simulators; the address is filled in."""
    resume: bool = False
    """Go on with the run in the folder."""
    timeout: float = 300.0
    """Longest wait for a sample [s]."""
    device: str = "auto"
    """cpu, cuda, cuda:N, or auto: a GPU where there is one."""
    tensorboard: bool = True
    """Write event files for TensorBoard, where it is installed."""
    security: Security = field(default_factory=Security)

    def __post_init__(self) -> None:
        if not 0 <= self.timeout < math.inf:
            raise ConfigError(f"timeout is {self.timeout}; expected seconds, at least 0")


def begun(config: Config, options: RunOptions, recording: Recording | None) -> tuple[Config, Robot]:
    """The config of a new run as its recording and its files of weights want it, and its robot.

    Raises:
        ConfigError: it does not go with them.
        WeightsError: the weights cannot be read, or are for something else.
    """
    config = config if recording is None else recorded(config, recording)
    robot = Robot.named(config.settings.robot)
    return options.start.checked(config, robot), robot


def controlled(config: Config, robot: Robot) -> tuple[JointPrior, Controller]:
    """The uniform prior that a run begins with, and the controller that moves it."""
    feedback = config.feedback
    prior = JointPrior.uniform(robot.lower, robot.upper, config.settings.bins, feedback.alpha0)
    return prior, Controller(prior, feedback.enabled, feedback.select, feedback.weight)


def source_of(
    config: Config,
    options: RunOptions,
    recording: Recording | None,
    robot: Robot,
    prior: JointPrior,
    checkpoint: Checkpoint | None,
    progress: Progress,
) -> contextlib.AbstractContextManager[Source]:
    """Samples of the recording, or of simulators where there is none.

    Raises:
        PoolError: the run began with simulators, or the recording is not its own.
    """
    if recording and checkpoint and "samples" not in checkpoint.loop["source"]:
        raise PoolError(
            "the run began with simulators; go on with --workers N or --bind ADDRESS, not --from"
        )
    if recording is None:
        return _simulated(config, options, robot, prior, checkpoint, progress)
    return contextlib.closing(Pool(recording, config, prior, progress.say))


@contextlib.contextmanager
def _simulated(
    config: Config,
    options: RunOptions,
    robot: Robot,
    prior: JointPrior,
    checkpoint: Checkpoint | None,
    progress: Progress,
) -> Iterator[Stream]:
    """A stream of samples, from simulators started here or elsewhere."""
    hub = Hub(
        options.bind,
        f"{options.folder.resolve().name[:64]}-{os.urandom(4).hex()}",
        config.settings,
        robot,
        Assignment(prior, "heldout"),
        credits=config.stream.credits,
        adaptive_share=config.stream.adaptive_share if config.feedback.enabled else 0.0,
        security=options.security,
        next_index=checkpoint.next_index if checkpoint else {},
    )
    with hub, _fleet(options, hub.local_address, progress.say) as watch:
        progress.say(f"{options.folder}: listening for simulators at {hub.address}")
        yield Stream(
            hub,
            config.stream,
            seed=config.seed,
            timeout=options.timeout,
            watch=watch,
            say=progress.say,
        )


@contextlib.contextmanager
def _fleet(
    options: RunOptions, address: str, say: Callable[[str], None]
) -> Iterator[Callable[[], None]]:
    """Simulators of our own, if any; yields what must be called now and then to keep them alive."""
    if options.workers is None:
        yield lambda: None
        return
    worker = replace(options.worker or WorkerOptions(address), address=address)
    with Fleet(options.workers, worker, say=say) as fleet:

        def watch() -> None:
            fleet.poll()
            if fleet.ended:
                raise FleetError("all simulators have ended; their last words stand above")

        yield watch
