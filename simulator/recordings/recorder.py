"""Makes a recording: several processes that each render their share of the shards, kept alive.

`python -m simulator.recordings.recorder JSON` runs `RecorderOptions` given as JSON; its exit code
is an `Exit`. A shard that a process left unfinished is gone on with after its last whole sample.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jointloop.common.ranges import in_ranges
from simulator.fleet.ends import End, Exit, told
from simulator.fleet.fleet import Fleet
from simulator.fleet.process import (
    Limits,
    ProcessOptions,
    Status,
    Stop,
    ending,
    run_as_process,
    say,
    settle,
)
from simulator.fleet.rows import Row, of_fleet
from simulator.fleet.words import Word
from simulator.recordings.recording import Recording
from simulator.recordings.replay import make, sample_maker_for
from simulator.recordings.sample_files import RecordingError
from simulator.recordings.shards import ShardWriter

IMAGE_S = 3600.0
"""The longest that an image may take: nobody waits for it, and rays may be many."""
SAY_S = 10.0
"""Between progress lines."""


Rows = Callable[[], list[Row]]
"""Gives rows on processes as they are."""


@dataclass(frozen=True)
class RecorderOptions(ProcessOptions):
    """What one process of a recording is to do."""

    module = "simulator.recordings.recorder"
    folder: Path
    """Of the recording."""
    shards: tuple[int, ...]
    """That were missing when the fleet began."""
    processes: int
    """In the fleet; this one makes every so many-th of the shards."""
    backgrounds: Path | None = None
    """Folder of the user's pictures."""


@dataclass(frozen=True)
class Job:
    """Shards that are to be made, and how."""

    recording: Recording
    missing: tuple[int, ...]
    """Numbers of the shards."""
    workers: int
    """That make them at once."""
    backgrounds: Path | None
    """Folder of the user's pictures."""
    say: Callable[[str], None]
    """Takes a line."""
    look: Callable[[Rows], None] = lambda rows: None
    """Takes what gives the processes' rows, and shows how far it is; call it often."""
    ended: Callable[[End], None] = lambda end: None
    """Takes the end of every process."""


def by_fleet(job: Job) -> list[str]:
    """Make shards by processes of this machine; says which were given up, and why."""
    options = RecorderOptions(job.recording.folder, job.missing, job.workers, job.backgrounds)
    say, ended = job.say, job.ended
    with Fleet(job.workers, options, say=say, silence_s=IMAGE_S, ended=ended) as fleet:
        while not fleet.ended:
            fleet.poll()
            job.look(lambda: of_fleet(fleet.members))
            time.sleep(0.1)
    if line := told(fleet.troubles):
        say(line)
    return [f"worker {number} {reason}" for number, reason in fleet.retired.items()]


def record(
    recording: Recording,
    workers: int,
    backgrounds: Path | None = None,
    say: Callable[[str], None] = print,
    ended: Callable[[End], None] = lambda end: None,
    look: Callable[[Rows], None] = lambda rows: None,
    shards: range | None = None,
    make: Callable[[Job], list[str]] = by_fleet,
) -> float:
    """Make all samples that a recording lacks.

    Args:
        recording: begun, or to be gone on with.
        workers: processes, at most one for each missing shard.
        backgrounds: folder of the user's pictures, the one it was begun with.
        say: takes a line of progress.
        ended: takes the end of every process.
        look: called time and again; takes what gives the processes' rows.
        shards: to make these alone, while other processes make others.
        make: makes them; says of what could not be made why.

    Returns:
        Seconds that it took.

    Raises:
        RecordingError: another process is recording into the folder, or not all could be made.
        JointloopError: `make` cannot work here; of a fleet, that a process keeps dying.
    """
    started = time.monotonic()
    wanted = recording.shards if shards is None else shards
    with recording.held(shared=shards is not None):
        missing = tuple(recording.missing_of(wanted))
        if not missing:
            return 0.0
        progress = _Progress(recording, say)

        def looked(rows: Rows) -> None:
            progress.look()
            look(rows)

        try:
            workers = min(workers, len(missing))
            why = make(Job(recording, missing, workers, backgrounds, say, looked, ended))
        except KeyboardInterrupt:
            say(
                f"stopped with {recording.count()} of {recording.about.samples} samples; go on "
                "with --resume"
            )
            raise
    if left := recording.missing_of(wanted):
        lacks = in_ranges(index for shard in left for index in recording.indices(shard))
        reasons = f" ({', '.join(why)})" if why else ""
        raise RecordingError(
            f"{len(left)} shards are missing still, samples {lacks}{reasons}; go on with --resume"
        )
    return time.monotonic() - started


class _Progress:
    """Says now and then how far a recording is, and how fast it grows."""

    def __init__(self, recording: Recording, say: Callable[[str], None]) -> None:
        self._recording, self._say = recording, say
        self._started = self._said = time.monotonic()
        self._before = recording.count()

    def look(self) -> None:
        """Say a line if it is time to."""
        now = time.monotonic()
        if now - self._said < SAY_S:
            return
        self._said = now
        made = self._recording.count()
        rate = (made - self._before) / (now - self._started)
        self._say(f"{made} of {self._recording.about.samples} samples, {rate:.1f} samples/s")


def run(options: RecorderOptions) -> Exit:
    """Make this process's share of the shards.

    Raises:
        JointloopError: an input or the environment does not allow it.
    """
    if not settle(options.parent, options.nice):
        return Exit.DONE
    stop = Stop()
    recording = Recording.open(options.folder)
    share = options.shards[options.worker or 0 :: options.processes]
    limits = Limits(options.recycle_frames, options.recycle_mb)
    rendered = 0
    about = recording.about
    with sample_maker_for(about.settings, about.rendering, options.backgrounds, _quiet) as maker:
        stop.listen()  # Blender may have taken the signals
        for shard in share:
            path, indices = recording.path(shard), recording.indices(shard)
            if path.is_file():
                continue
            with ShardWriter(path, [recording.key(i) for i in indices]) as writer:
                for index in indices[writer.done :]:
                    if stop.asked or limits.reached:
                        return Exit.DONE if stop.asked else Exit.RECYCLE
                    writer.add(
                        recording.key(index), recording.kept(make(maker, recording.recipe(index)))
                    )
                    if not rendered:
                        say(Word.DELIVERED.of("its first sample"))
                    rendered += 1
                    limits.count(rendered, _tell)
                writer.finish()
    limits.tell(rendered, _tell)
    return Exit.DONE


def _tell(made: int, rss: int) -> None:
    Status(made, rss).say()


def _quiet(line: str) -> None:
    """Whoever began the recording has said it already."""


def main(argv: list[str]) -> Exit:
    """Run the options given as one JSON argument; errors end as one line."""
    return ending(lambda: run(RecorderOptions.from_json(argv[0])))


if __name__ == "__main__":
    run_as_process(main)
