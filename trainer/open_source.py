"""Opens the source of a run's samples: its recording, or simulators started here or elsewhere."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace

from simulator.fleet.fleet import Fleet, FleetError
from simulator.fleet.worker import WorkerOptions
from simulator.randomization.assignment import Assignment
from simulator.randomization.prior import JointPrior
from simulator.recordings.recording import Recording
from simulator.robot import Robot
from simulator.transport import Hub
from trainer.config.config import Config
from trainer.data.live import Stream
from trainer.data.recorded import Pool, PoolError
from trainer.data.source import Source
from trainer.run_options import RunOptions
from trainer.runs.folder import Checkpoint
from trainer.runs.progress import Progress


def open_source(
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
        Assignment.of(prior, "heldout"),
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
