"""Opens the source of a run's samples: its recording, or simulators started here or elsewhere."""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from simulator.fleet.fleet import Fleet
from simulator.fleet.rows import of_run
from simulator.fleet.watch import Watch
from simulator.fleet.worker import WorkerOptions
from simulator.randomization.assignment import Assignment
from simulator.randomization.expected import Expected
from simulator.randomization.prior import JointPrior
from simulator.recordings.recording import Recording
from simulator.robot import Robot
from simulator.transport import Hub, is_adaptive
from trainer.config.config import Config
from trainer.data.account import standing_of
from trainer.data.live import LiveSource
from trainer.data.recorded import RecordedSource, check_masks
from trainer.data.source import Source, SourceError
from trainer.run_options import RunOptions
from trainer.runs.checkpoint import Checkpoint


def open_source(
    config: Config,
    options: RunOptions,
    recording: Recording | None,
    robot: Robot,
    prior: JointPrior,
    checkpoint: Checkpoint | None,
    progress: Watch,
    expected: Expected | None = None,
) -> contextlib.AbstractContextManager[Source]:
    """Samples of the recording, or of simulators where there is none.

    Raises:
        SourceError: the run began with simulators, or the recording is not its own.
    """
    if recording and checkpoint and "samples" not in checkpoint.loop["source"]:
        raise SourceError(
            "the run began with simulators; go on with --workers N or --bind ADDRESS, not --from"
        )
    if recording is None:
        return _simulated(config, options, robot, prior, checkpoint, progress, expected)
    mixed = [Recording.open(folder) for folder in options.mixed]
    return contextlib.closing(recorded_source(config, [recording, *mixed], prior, progress.say))


def recorded_source(
    config: Config,
    recordings: Sequence[Recording],
    prior: JointPrior,
    say: Callable[[str], None],
) -> RecordedSource:
    """Samples of a recording, and of those mixed in, as a config asks for them.

    Raises:
        SourceError: the recording is not the run's, or lacks what it needs.
        RecordingError: a shard is damaged.
    """
    for recording in recordings:
        check_masks(recording, config.augment)
    return RecordedSource(
        recordings,
        config.settings,
        config.stream,
        prior,
        batch_size=config.batch_size,
        seed=config.seed,
        follows=config.adapts,
        say=say,
    )


@contextlib.contextmanager
def _simulated(
    config: Config,
    options: RunOptions,
    robot: Robot,
    prior: JointPrior,
    checkpoint: Checkpoint | None,
    progress: Watch,
    expected: Expected | None,
) -> Iterator[LiveSource]:
    """Samples as they come from simulators, started here or elsewhere."""
    hub = Hub(
        options.bind,
        f"{options.folder.resolve().name[:64]}-{os.urandom(4).hex()}",
        config.settings,
        robot,
        Assignment.of(prior, "train" if checkpoint else "heldout"),
        credits=config.stream.credits,
        adaptive_share=config.stream.adaptive_share if config.adapts else 0.0,
        security=options.security,
        promise=config.stream.delivery,
        standing=standing_of(checkpoint.loop["source"]) if checkpoint else None,
        silence_s=options.silence,
        expect=expected.digest if expected else "",
    )
    with hub, _fleet(options, hub.local_address, progress) as fleet:
        progress.say(f"{options.folder}: listening for simulators at {hub.address}")
        if note := _without_effect(config, options.workers):
            progress.say(note)
        yield LiveSource(
            hub,
            config.stream,
            seed=config.seed,
            timeout=options.timeout,
            fleet=fleet,
            say=progress.say,
            meanwhile=lambda: progress.look(
                lambda: of_run(hub.workers, fleet.members if fleet else ())
            ),
        )


def _without_effect(config: Config, workers: int | None) -> str | None:
    """What to say where feedback is on, and none of the simulators started here follows it."""
    share = config.stream.adaptive_share
    if not config.adapts or workers is None:
        return None
    if any(is_adaptive(worker, share) for worker in range(workers)):
        return None
    return (
        f"note: feedback has no effect: with {workers} worker{'s' * (workers > 1)} and "
        f"stream.adaptive_share {share:g}, none follows the prior; more of either would"
    )


@contextlib.contextmanager
def _fleet(options: RunOptions, address: str, progress: Watch) -> Iterator[Fleet | None]:
    """Simulators of our own, if any."""
    if options.workers is None:
        yield None
        return
    worker = replace(options.worker or WorkerOptions(address), address=address)
    with Fleet(
        options.workers,
        worker,
        say=progress.say,
        silence_s=options.silence,
        ended=progress.ended,
    ) as fleet:
        yield fleet
