"""One start of one run: opens the folder and the source of samples, closes the loop, sums up."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from feedback.chance import too_few
from feedback.controller import Controller
from feedback.rules import SELECTS, Rule, rule_named
from feedback.selection import select
from simulator.fleet.watch import Watch
from simulator.randomization.expected import Expected
from simulator.randomization.mesh_tools import models
from simulator.randomization.prior import JointPrior
from simulator.recordings.recording import Recording
from simulator.robot import Robot
from trainer.augmentation.augment import Augment
from trainer.config.config import Config, ConfigError
from trainer.data.recorded import recorded
from trainer.distributed.launch import gather
from trainer.distributed.team import Team
from trainer.learning import random_state
from trainer.learning.device import device_named
from trainer.learning.learner import Learner, LearnerError
from trainer.loop import close_the_loop
from trainer.models import build
from trainer.open_source import open_source
from trainer.run_options import RunOptions
from trainer.runs.budget import Budget
from trainer.runs.checkpoint import Checkpoint
from trainer.runs.folder import RunFolder
from trainer.runs.log import RunLog
from trainer.runs.tensorboard import TensorBoard, available
from trainer.weights.file import WeightsInfo
from trainer.weights.initial import RANDOM, InitialWeights


def train(config: Config, options: RunOptions, progress: Watch) -> dict[str, Any]:
    """Train a run to its end.

    Args:
        config: of a new run; one that is resumed keeps its own.
        options: where, for how long, with whom.
        progress: what the user sees.

    Returns:
        The run's summary.

    Raises:
        JointloopError: an input or the environment does not allow it; the folder keeps everything
            up to the last epoch.
    """
    recording = None if options.recording is None else Recording.open(options.recording)
    with contextlib.ExitStack() as stack:
        run = RunFolder.resume(options.folder, config) if options.resume else None
        if run:
            robot = Robot.named(config.settings.robot)
        else:
            RunFolder.check_vacant(options.folder)
            config, robot = resolve_config(config, options, recording)
            _check_expected(config, options, robot)
        checkpoint = run and run.load_checkpoint(WeightsInfo.of(config, robot))
        team = stack.enter_context(gather(options.device, options.timeout))
        _share_out(config, options, team)
        random_state.seed(config.seed)
        device = team.device or device_named(options.device)
        start = RANDOM if checkpoint else options.start.completed(config)
        learner, origin = build_learner(config, robot, device, start)
        prior, controller = build_controller(config, robot, options.rule)
        expected = _expected(run, config, options)
        learner.watched = controller.watches
        budget = Budget(config.epochs, config.minutes)
        source = stack.enter_context(
            open_source(config, options, recording, robot, prior, checkpoint, progress, expected)
        )
        # A new one only now: a mistake in the arguments leaves no folder behind.
        run = run or RunFolder.create(options.folder, config)
        stack.callback(run.close)
        if board := _board(run, robot, checkpoint, options, progress):
            stack.callback(board.close)
        log = RunLog(run, robot, learner, controller, source, budget, board)
        if checkpoint:
            log.restore(checkpoint)
            origin = f"{run.folder}: going on after epoch {log.epoch}"
        elif expected:
            log.expect(expected)
        for line in _notes(origin, learner, team, config, expected, prior):
            progress.say(line)
        team.begin(config.to_json(), learner.state_dict())
        learner.join(team)
        try:
            close_the_loop(config, source, learner, controller, log, budget, progress, expected)
        except LearnerError as error:
            raise LearnerError(f"{error}; {run.folder} keeps epoch {log.epoch}") from None
        return log.finish()


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
        random_state.seed(config.seed + team.rank)
        where = team.device or device_named(device)
        learner, _ = build_learner(config, robot, where)
        learner.load_state_dict(told["learner"])
        learner.join(team)
        while share := team.share():
            learner.step(*share)


def resolve_config(
    config: Config, options: RunOptions, recording: Recording | None
) -> tuple[Config, Robot]:
    """The config of a new run as its recording and its files of weights want it, and its robot.

    Raises:
        ConfigError: it does not go with them.
        WeightsError: the weights cannot be read, or are for something else.
    """
    config = config if recording is None else recorded(config, recording)
    robot = Robot.named(config.settings.robot)
    dress = config.settings.variety.dress
    if recording is None and dress is not None:
        models(dress.tool_mesh)  # a fault in one is told before anything renders
    return options.start.checked(config, robot), robot


def build_learner(
    config: Config,
    robot: Robot,
    device: torch.device | str = "cpu",
    start: InitialWeights = RANDOM,
) -> tuple[Learner, str]:
    """A network with weights drawn from the config's seed, or those of files, and who trains it.

    Returns:
        The learner, and what the weights begin as, in a line.

    Raises:
        BackboneError: a file has no such weights.
        PackagedError: a package that brings them is not installed.
        WeightsError: likewise.
        ConfigError: augmentation does not go with the robot, or belief maps not with the network.
    """
    network = build(config.network, len(robot.keypoints), config.seed)
    if config.settings.stride != network.stride:
        raise ConfigError(
            f"stride is {config.settings.stride}; expected {network.stride}, which is the network's"
        )
    origin = start.load(network)
    augment = Augment.of(config, robot.mirror, device)
    return Learner(network, config.optimiser, config.loss, augment, config.precision), origin


def build_controller(
    config: Config, robot: Robot, rule: Rule | None = None
) -> tuple[JointPrior, Controller]:
    """The uniform prior that a run begins with, and the controller that moves it.

    Args:
        config: of the run.
        robot: whose joint angles are drawn.
        rule: selects held-out samples; None takes the config's.
    """
    feedback = config.feedback
    prior = JointPrior.uniform(robot.lower, robot.upper, config.settings.bins, feedback.alpha0)
    chosen = rule or rule_named(feedback.rule, feedback.select, config.seed)
    return prior, Controller(prior, chosen, enabled=feedback.enabled, weight=feedback.weight)


def _board(
    run: RunFolder,
    robot: Robot,
    checkpoint: Checkpoint | None,
    options: RunOptions,
    progress: Watch,
) -> TensorBoard | None:
    """Where the run is shown while it goes on, if it is wanted and can be."""
    if not options.tensorboard:
        return None
    if not available():
        progress.say("note: no event files: TensorBoard is not installed (pip install tensorboard)")
        return None
    return TensorBoard(run.folder, robot, checkpoint.learner["steps"] if checkpoint else None)


def _share_out(config: Config, options: RunOptions, team: Team) -> None:
    """Deal the batch out among processes, and cores among them and simulators started here.

    Raises:
        ConfigError: the batch has no equal shares.
    """
    if config.batch_size % team.size:
        raise ConfigError(
            f"batch_size is {config.batch_size}; expected a multiple of {team.size}, the number of "
            "processes"
        )
    if options.workers is not None:  # a core each
        cores = (os.cpu_count() or 1) - options.workers
        torch.set_num_threads(max(1, cores // team.local))


def _expected(run: RunFolder | None, config: Config, options: RunOptions) -> Expected | None:
    """The poses that a run expects: a new one's are given, a resumed one has its own.

    Raises:
        ConfigError: others are given than the run began with.
        RunError: its own cannot be read.
    """
    given = options.expected
    if run is None or not config.expect.log:
        return given
    own = run.load_expected()
    if given is not None and given.digest != own.digest:
        raise ConfigError(f"{run.folder} began with other expected poses; leave --expect out")
    return own


def _check_expected(config: Config, options: RunOptions, robot: Robot) -> None:
    """Refuse expected poses that the run cannot use.

    Raises:
        ConfigError: they are named and not there, or come with a recording.
        ExpectError: they are too few.
    """
    expected = options.expected
    if (config.expect.log is None) != (expected is None):
        raise ConfigError(
            f"expect.log is {config.expect.log}; give the log itself: --expect FILE"
            if expected is None
            else "expected poses are given, but expect.log does not name them"
        )
    if expected is None:
        return
    if options.recording is not None:
        raise ConfigError(
            "--expect decides what simulators render, and a recording is rendered; record with "
            "--expect, then train --from that"
        )
    expected.check(build_controller(config, robot)[0])


def _notes(
    origin: str,
    learner: Learner,
    team: Team,
    config: Config,
    expected: Expected | None,
    prior: JointPrior,
) -> Iterator[str]:
    """What a user should know before the first step."""
    yield origin
    if expected:
        yield from expected.notes(prior)
    feedback = config.feedback
    if feedback.enabled and feedback.rule in SELECTS:
        selected = len(select(np.zeros(config.stream.held_out), feedback.select))
        if note := too_few(selected, config.settings.bins):
            yield note
    yield f"training on {learner.device}, precision {learner.precision}"
    if note := team.note():
        yield note
