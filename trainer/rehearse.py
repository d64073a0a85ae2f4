"""Checks before a run, on the samples that it would begin with; neither leaves a run folder."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from simulator.recording import Recording
from simulator.robot import Robot
from trainer import draws
from trainer.augment import Augment
from trainer.augment_config import AugmentConfig
from trainer.checks import Seen, see
from trainer.config import Config
from trainer.device import device_named
from trainer.learner import Learner
from trainer.overfit import Overfit, overfit
from trainer.progress import Progress
from trainer.sitting import Sitting, begun, controlled, source_of
from trainer.source import Source


def rehearse(config: Config, sitting: Sitting, progress: Progress) -> Overfit:
    """Learn one batch by heart; see `trainer.overfit`. Leaves no run folder.

    Args:
        config: of the run to come.
        sitting: where its samples come from; its folder is only a name.
        progress: what the user sees.

    Raises:
        JointloopError: an input or the environment does not allow it.
    """
    config = replace(config, augment=AugmentConfig())  # off: the same images every time
    with _before_a_run(config, sitting, progress) as (config, robot, source):
        draws.seed(config.seed)
        device = device_named(sitting.device)
        learner = Learner(config, len(robot.keypoints), device, sitting.start)
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
    config, robot = begun(config, sitting, recording)
    prior, _ = controlled(config, robot)
    with source_of(config, sitting, recording, robot, prior, None, progress) as source:
        source.send(prior)
        yield config, robot, source
