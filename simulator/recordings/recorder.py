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


def record(
    recording: Recording,
    workers: int,
    backgrounds: Path | None = None,
    say: Callable[[str], None] = print,
    ended: Callable[[End], None] = lambda end: None,
    look: Callable[[Callable[[], list[Row]]], None] = lambda rows: None,
) -> float:
    """Make all samples that a recording lacks.

    Args:
        recording: begun, or to be gone on with.
        workers: processes, at most one for each missing shard.
        backgrounds: folder of the user's pictures, the one it was begun with.
        say: takes a line of progress.
        ended: takes the end of every process.
        look: called time and again; takes what gives the processes' rows.

    Returns:
        Seconds that it took.

    Raises:
        RecordingError: another process is recording into the folder, or not all could be made.
        FleetError: a process cannot work here, or keeps dying.
    """
    started = time.monotonic()
    with recording.held():
        missing = tuple(recording.missing)
        if not missing:
            return 0.0
        workers = min(workers, len(missing))
        options = RecorderOptions(recording.folder, missing, workers, backgrounds)
        progress = _Progress(recording, say)
        try:
            with Fleet(workers, options, say=say, silence_s=IMAGE_S, ended=ended) as fleet:
                while not fleet.ended:
                    fleet.poll()
                    progress.look()
                    look(lambda: of_fleet(fleet.members))
                    time.sleep(0.1)
        except KeyboardInterrupt:
            say(
                f"stopped with {recording.count()} of {recording.about.samples} samples; go on "
                "with --resume"
            )
            raise
    if line := told(fleet.troubles):
        say(line)
    if left := recording.missing:
        lacks = in_ranges(index for shard in left for index in recording.indices(shard))
        why = ", ".join(f"worker {number} {reason}" for number, reason in fleet.retired.items())
        raise RecordingError(
            f"{len(left)} shards are missing still, samples {lacks}"
            f"{f' ({why})' if why else ''}; go on with --resume"
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
