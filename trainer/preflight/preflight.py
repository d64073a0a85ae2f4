"""Checks before a run, on the samples that it would begin with; neither leaves a run folder."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from simulator.fleet.watch import Watch
from simulator.randomization.assignment import Assignment
from simulator.recordings.recording import Recording
from simulator.robot import Robot
from trainer.augmentation.augment import Augment
from trainer.augmentation.resize import resized
from trainer.config.augmentation import AugmentConfig
from trainer.config.config import Config
from trainer.data.source import Source
from trainer.learning import random_state
from trainer.learning.device import device_named
from trainer.open_source import open_source
from trainer.preflight.check_data import Seen, see
from trainer.preflight.overfit import Overfit, overfit
from trainer.run_options import RunOptions
from trainer.session import build_controller, build_learner, resolve_config


def rehearse(config: Config, options: RunOptions, progress: Watch) -> Overfit:
    """Learn one batch by heart; see `trainer.preflight.overfit`. Leaves no run folder.

    Args:
        config: of the run to come.
        options: where its samples come from; its folder is only a name.
        progress: what the user sees.

    Raises:
        JointloopError: an input or the environment does not allow it.
    """
    config = replace(config, augment=AugmentConfig())  # off: the same images every time
    with _before_a_run(config, options, progress) as (config, robot, source):
        random_state.seed(config.seed)
        device = device_named(options.device)
        learner, _ = build_learner(config, robot, device, options.start.completed(config))
        batch = resized(source.batch(config.batch_size), config.size, config.settings)
    progress.say(f"{len(batch)} samples, on {learner.device}, precision {learner.precision}")
    return overfit(learner, batch, robot.keypoint_names, progress.say)


def look(config: Config, options: RunOptions, progress: Watch) -> Seen:
    """Training batches as the trainer sees them; see `check_data`. Leaves no run folder.

    Args:
        config: of the run to come.
        options: where its samples come from; its folder is only a name.
        progress: what the user sees.

    Raises:
        JointloopError: an input or the environment does not allow it.
    """
    # Used once: what simulators give is to be seen, not how long it is kept.
    config = replace(config, stream=replace(config.stream, max_uses=1))
    with _before_a_run(config, options, progress) as (config, robot, source):
        device = device_named(options.device)
        return see(config, robot, source, Augment.of(config, robot.mirror, device))


@contextlib.contextmanager
def _before_a_run(
    config: Config, options: RunOptions, progress: Watch
) -> Iterator[tuple[Config, Robot, Source]]:
    """A source of training samples from the first prior, with the config and robot that fit it."""
    recording = None if options.recording is None else Recording.open(options.recording)
    config, robot = resolve_config(config, options, recording)
    prior, _ = build_controller(config, robot)
    with open_source(config, options, recording, robot, prior, None, progress) as source:
        source.send(Assignment.of(prior))
        yield config, robot, source
