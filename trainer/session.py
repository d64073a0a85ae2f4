"""One sitting of one run: opens the folder and the source of samples, closes the loop, sums up."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import torch

from simulator.recording import Recording
from simulator.robot import Robot
from trainer import draws
from trainer.board import Board, available
from trainer.budget import Budget
from trainer.config import Config, ConfigError
from trainer.device import device_named
from trainer.learner import Learner, LearnerError
from trainer.loop import close_the_loop
from trainer.progress import Progress
from trainer.record import Record
from trainer.runs import Checkpoint, Run
from trainer.sitting import Sitting, begun, controlled, source_of
from trainer.team import Team, gather
from trainer.weights import WeightsInfo


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
        if run:
            robot = Robot.named(config.settings.robot)
        else:
            Run.check_vacant(sitting.folder)
            config, robot = begun(config, sitting, recording)
        checkpoint = run and run.load_checkpoint(WeightsInfo.of(config, robot))
        team = stack.enter_context(gather(sitting.device, sitting.timeout))
        _share_out(config, sitting, team)
        draws.seed(config.seed)
        device = team.device or device_named(sitting.device)
        start = None if checkpoint else sitting.start
        learner = Learner(config, len(robot.keypoints), device, start, robot.mirror)
        prior, controller = controlled(config, robot)
        budget = Budget(config.epochs, config.minutes)
        source = stack.enter_context(
            source_of(config, sitting, recording, robot, prior, checkpoint, progress)
        )
        # A new one only now: a mistake in the arguments leaves no folder behind.
        run = run or Run.create(sitting.folder, config)
        stack.callback(run.close)
        if board := _board(run, robot, checkpoint, sitting, progress):
            stack.callback(board.close)
        record = Record(run, robot, learner, controller, source, budget, board)
        if checkpoint:
            record.restore(checkpoint)
        for line in _notes(record, learner, team, checkpoint):
            progress.say(line)
        team.begin(config.to_json(), learner.state_dict())
        learner.join(team)
        try:
            close_the_loop(config, source, learner, controller, record, budget, progress)
        except LearnerError as error:
            raise LearnerError(f"{error}; {run.folder} keeps epoch {record.epoch}") from None
        return record.finish()


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


def _share_out(config: Config, sitting: Sitting, team: Team) -> None:
    """Deal the batch out among processes, and cores among them and simulators started here.

    Raises:
        ConfigError: the batch has no equal shares.
    """
    if config.batch_size % team.size:
        raise ConfigError(
            f"batch_size is {config.batch_size}; expected a multiple of {team.size}, the number of "
            "processes"
        )
    if sitting.workers is not None:  # a core each
        cores = (os.cpu_count() or 1) - sitting.workers
        torch.set_num_threads(max(1, cores // team.local))


def _notes(
    record: Record, learner: Learner, team: Team, checkpoint: Checkpoint | None
) -> Iterator[str]:
    """What a user should know before the first step."""
    folder = record.run.folder
    yield f"{folder}: going on after epoch {record.epoch}" if checkpoint else learner.origin
    yield f"training on {learner.device}, precision {learner.precision}"
    if note := team.note():
        yield note
