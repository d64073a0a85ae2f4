"""One sitting of one run: opens the folder and the source of samples, closes the loop, sums up."""

import contextlib
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from feedback.controller import Controller
from simulator.fleet import Fleet, FleetError
from simulator.hidden import Assignment
from simulator.prior import JointPrior
from simulator.recording import Recording
from simulator.robot import Robot
from simulator.transport import Hub, Security
from simulator.worker import WorkerOptions
from trainer import draws
from trainer.augment import Augment
from trainer.augment_config import AugmentConfig
from trainer.board import Board, available
from trainer.budget import Budget
from trainer.checks import Seen, see
from trainer.config import Config, ConfigError
from trainer.device import device_named
from trainer.learner import Learner, LearnerError
from trainer.loop import close_the_loop
from trainer.overfit import Overfit, overfit
from trainer.pool import Pool, recorded
from trainer.progress import Progress
from trainer.record import Record
from trainer.runs import Checkpoint, Run
from trainer.source import Source
from trainer.stream import Stream
from trainer.team import gather
from trainer.weights import WeightsInfo


@dataclass(frozen=True)
class Sitting:
    """What a run's config leaves to the moment: where, for how long, with whom."""

    folder: Path
    """Of the run."""
    workers: int | None = None
    """Simulators to start here; None waits for others at `bind`."""
    bind: str = "tcp://127.0.0.1:*"
    """Where simulators connect."""
    recording: Path | None = None
    """Folder of a recording to train from, in place of simulators."""
    backbone: Path | None = None
    """File of weights that a new run's backbone begins with; one that is resumed has its own."""
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


def train(config: Config, sitting: Sitting, progress: Progress) -> dict[str, Any]:
    """Train a run to its end.

    Args:
        config: of a new run; one that is resumed keeps its own.
        sitting: where, for how long, with whom.
        progress: what the user sees.

    Returns:
        The run's summary.

    Raises:
        JointloopError: an input or the environment does not allow it; the folder keeps everything
            up to the last epoch.
    """
    recording = None if sitting.recording is None else Recording.open(sitting.recording)
    with contextlib.ExitStack() as stack:
        run = Run.resume(sitting.folder, config) if sitting.resume else None
        if run is None:
            Run.check_vacant(sitting.folder)
            _check_backbone(config, sitting)
            config = config if recording is None else recorded(config, recording)
        robot = Robot.named(config.settings.robot)
        checkpoint = run and run.load_checkpoint(WeightsInfo.of(config, robot))
        team = stack.enter_context(gather(sitting.device, sitting.timeout))
        if config.batch_size % team.size:
            raise ConfigError(
                f"batch_size is {config.batch_size}; expected a multiple of {team.size}, the "
                "number of processes"
            )
        if sitting.workers is not None:  # simulators here take a core each
            cores = (os.cpu_count() or 1) - sitting.workers
            torch.set_num_threads(max(1, cores // team.local))
        draws.seed(config.seed)
        backbone = None if sitting.resume else sitting.backbone
        device = team.device or device_named(sitting.device)
        learner = Learner(config, len(robot.keypoints), device, backbone, robot.mirror)
        prior, controller = _controlled(config, robot)
        budget = Budget(config.epochs, config.minutes)
        source = stack.enter_context(
            _source(config, sitting, recording, robot, prior, checkpoint, progress)
        )
        # A new one only now: a mistake in the arguments leaves no folder behind.
        run = run or Run.create(sitting.folder, config)
        stack.callback(run.close)
        if board := _board(run, robot, checkpoint, sitting, progress):
            stack.callback(board.close)
        record = Record(run, robot, learner, controller, source, budget, board)
        progress.say(learner.network.backbone_note())
        if learner.backbone:
            progress.say(str(learner.backbone))
        progress.say(f"training on {learner.device}, precision {learner.precision}")
        if note := team.note():
            progress.say(note)
        if checkpoint:
            record.restore(checkpoint)
            progress.say(f"{run.folder}: going on after epoch {record.epoch}")
        team.begin(config.to_json(), learner.state_dict())
        learner.join(team)
        try:
            close_the_loop(config, source, learner, controller, record, budget, progress)
        except LearnerError as error:
            raise LearnerError(f"{error}; {run.folder} keeps epoch {record.epoch}") from None
        return record.finish()


def rehearse(config: Config, sitting: Sitting, progress: Progress) -> Overfit:
    """Learn one batch by heart; see `trainer.overfit`. Leaves no run folder.

    Args:
        config: of the run to come.
        sitting: where its samples come from; its folder is only a name.
        progress: what the user sees.

    Raises:
        JointloopError: an input or the environment does not allow it.
    """
    _check_backbone(config, sitting)
    config = replace(config, augment=AugmentConfig())  # off: the same images every time
    with _before_a_run(config, sitting, progress) as (config, robot, source):
        draws.seed(config.seed)
        device = device_named(sitting.device)
        learner = Learner(config, len(robot.keypoints), device, sitting.backbone)
        batch = source.batch(config.batch_size)
    progress.say(f"{len(batch)} samples, on {learner.device}, precision {learner.precision}")
    return overfit(learner, batch, robot.keypoint_names, progress.say)


def look(config: Config, sitting: Sitting, progress: Progress) -> Seen:
    """Training batches as the trainer sees them; see `trainer.checks`. Leaves no run folder.

    Args:
        config: of the run to come.
        sitting: where its samples come from; its folder is only a name.
        progress: what the user sees.

    Raises:
        JointloopError: an input or the environment does not allow it.
    """
    # Used once: what simulators give is to be seen, not how long it is kept.
    config = replace(config, stream=replace(config.stream, max_uses=1))
    with _before_a_run(config, sitting, progress) as (config, robot, source):
        augment = Augment(config, robot.mirror, device_named(sitting.device))
        return see(config, robot, source, augment)


@contextlib.contextmanager
def _before_a_run(
    config: Config, sitting: Sitting, progress: Progress
) -> Iterator[tuple[Config, Robot, Source]]:
    """A source of training samples from the first prior, with the config and robot that fit it."""
    recording = None if sitting.recording is None else Recording.open(sitting.recording)
    config = config if recording is None else recorded(config, recording)
    robot = Robot.named(config.settings.robot)
    prior, _ = _controlled(config, robot)
    with _source(config, sitting, recording, robot, prior, None, progress) as source:
        source.send(prior)
        yield config, robot, source


def _check_backbone(config: Config, sitting: Sitting) -> None:
    """A network built for weights from a file gets that file.

    Raises:
        ConfigError: config and sitting name different ones.
    """
    given = sitting.backbone and sitting.backbone.name
    if given != config.network.backbone:
        raise ConfigError(
            f"the backbone is to begin with {given}, but network.backbone is "
            f"{config.network.backbone!r}; expected the same name"
        )


def follow(device: str, timeout: float) -> None:
    """A member's part of a run; the lead says what to train, and when it is over.

    Args:
        device: cpu, cuda, or auto.
        timeout: longest wait for the others within a step [s].

    Raises:
        JointloopError: the environment does not allow it, or the lead ended within a step.
    """
    with gather(device, timeout) as team:
        if not (told := team.beginning()):
            return
        config = Config.from_json(told["config"])
        robot = Robot.named(config.settings.robot)
        draws.seed(config.seed + team.rank)
        where = team.device or device_named(device)
        learner = Learner(config, len(robot.keypoints), where, mirror=robot.mirror)
        learner.load_state_dict(told["learner"])
        learner.join(team)
        while share := team.share():
            learner.step(*share)


def _controlled(config: Config, robot: Robot) -> tuple[JointPrior, Controller]:
    """The uniform prior that a run begins with, and the controller that moves it."""
    feedback = config.feedback
    prior = JointPrior.uniform(robot.lower, robot.upper, config.settings.bins, feedback.alpha0)
    return prior, Controller(prior, feedback.enabled, feedback.select, feedback.weight)


def _source(
    config: Config,
    sitting: Sitting,
    recording: Recording | None,
    robot: Robot,
    prior: JointPrior,
    checkpoint: Checkpoint | None,
    progress: Progress,
) -> contextlib.AbstractContextManager[Source]:
    """Samples of the recording, or of simulators where there is none."""
    if recording is None:
        return _simulated(config, sitting, robot, prior, checkpoint, progress)
    return contextlib.closing(Pool(recording, config, prior, progress.say))


def _board(
    run: Run, robot: Robot, checkpoint: Checkpoint | None, sitting: Sitting, progress: Progress
) -> Board | None:
    """Where the run is shown while it goes on, if it is wanted and can be."""
    if not sitting.tensorboard:
        return None
    if not available():
        progress.say("note: no event files: TensorBoard is not installed (pip install tensorboard)")
        return None
    return Board(run.folder, robot, checkpoint.learner["steps"] if checkpoint else None)


@contextlib.contextmanager
def _simulated(
    config: Config,
    sitting: Sitting,
    robot: Robot,
    prior: JointPrior,
    checkpoint: Checkpoint | None,
    progress: Progress,
) -> Iterator[Stream]:
    """A stream of samples, from simulators started here or elsewhere."""
    hub = Hub(
        sitting.bind,
        f"{sitting.folder.resolve().name[:64]}-{os.urandom(4).hex()}",
        config.settings,
        robot,
        Assignment(prior, "heldout"),
        credits=config.stream.credits,
        adaptive_share=config.stream.adaptive_share if config.feedback.enabled else 0.0,
        security=sitting.security,
        next_index=checkpoint.next_index if checkpoint else {},
    )
    with hub, _fleet(sitting, hub.local_address, progress.say) as watch:
        progress.say(f"{sitting.folder}: listening for simulators at {hub.address}")
        yield Stream(
            hub,
            config.stream,
            seed=config.seed,
            timeout=sitting.timeout,
            watch=watch,
            say=progress.say,
        )


@contextlib.contextmanager
def _fleet(
    sitting: Sitting, address: str, say: Callable[[str], None]
) -> Iterator[Callable[[], None]]:
    """Simulators of our own, if any; yields what must be called now and then to keep them alive."""
    if sitting.workers is None:
        yield lambda: None
        return
    options = replace(sitting.worker or WorkerOptions(address), address=address)
    with Fleet(sitting.workers, options, say=say) as fleet:

        def watch() -> None:
            fleet.poll()
            if fleet.ended:
                raise FleetError("all simulators have ended; their last words stand above")

        yield watch
