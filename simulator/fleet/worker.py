"""One simulator process: joins a trainer's run, then draws, renders and publishes for credits.

`python -m simulator.fleet.worker JSON` runs `WorkerOptions` given as JSON; the exit code is an
`Exit`.
"""

import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blender_scenes.spec import SPP, Device, Engine
from simulator.fleet.ends import Exit
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
from simulator.fleet.words import Word
from simulator.randomization.settings import SampleSettings
from simulator.robot import Robot, RobotError
from simulator.sample_maker import SampleMaker
from simulator.transport import Link, RefusedError, Security, TrainerGoneError, TransportError
from simulator.transport.messages import SCHEMA, Bye, Hello, Welcome, WireError, brief

IDLE_S = 0.25
"""Longest wait before looking whether to stop."""


@dataclass(frozen=True)
class WorkerOptions(ProcessOptions):
    """What one worker is to do."""

    module = "simulator.fleet.worker"
    address: str
    """Of the trainer."""
    engine: Engine = "cycles"
    """What makes the images."""
    device: Device = "cpu"
    """That Cycles computes on."""
    spp: int = SPP
    """Cycles' samples per pixel."""
    backgrounds: Path | None = None
    """Folder of pictures to stand behind the robot."""
    wanted: dict[str, Any] = field(default_factory=dict)
    """Settings that a run must have to be worked for, by dotted path."""
    wait_s: float = 600.0
    """For a trainer to answer."""
    insecure: bool = False
    """See `Security`, likewise keys."""
    keys: Path | None = None
    notes: bool = False
    """Say what is noted of the robot's files, where the trainer's command has not."""

    @property
    def security(self) -> Security:
        """How the connection is kept safe."""
        return Security(self.insecure, self.keys)


def run_worker(options: WorkerOptions) -> Exit:
    """Work for the trainer until either side is done.

    Takes over the process: its signal handlers, its niceness, its ties to its parent.

    Raises:
        JointloopError: an input or the environment does not allow it.
    """
    if not settle(options.parent, options.nice):
        return Exit.DONE
    stop = Stop()
    instance = uuid.uuid4().bytes
    hello = Hello(
        schema=SCHEMA,
        instance=instance,
        slot=bytes.fromhex(options.slot) if options.slot else instance,
        worker=options.worker,
        wanted=options.wanted,
        restarts=options.restarts,
        last_error=brief(options.last_error),
    )
    try:
        return _join(hello, options, stop)
    except (TransportError, WireError) as error:
        say(str(error))
        return Exit.UNCONNECTED


def _join(hello: Hello, options: WorkerOptions, stop: Stop) -> Exit:
    with Link(options.address, options.security) as link:
        try:
            welcome = link.join(hello, options.wait_s, stop.not_asked, _alone)
            if welcome is None:
                return Exit.DONE
            return _work(link, welcome, hello.instance, options, stop)
        except RefusedError as error:
            say(str(error))
            return Exit.REFUSED
        except TrainerGoneError as error:
            _alone(f"{error}; waiting up to {options.wait_s:g} s for it to come back")
            return Exit.TRAINER_GONE


def _work(
    link: Link, welcome: Welcome, instance: bytes, options: WorkerOptions, stop: Stop
) -> Exit:
    settings = welcome.settings
    robot = Robot.named(settings.robot)
    if welcome.fingerprint not in ("", robot.fingerprint):
        raise RobotError(
            f"robot {settings.robot!r} is another one here than at the trainer: its keypoints, "
            "ranges or URDF differ; bring both sides to the same files"
        )
    for note in robot.notes if options.notes else ():
        say(Word.NOTE.of(note))
    link.attach(welcome, robot, instance, options.wait_s, stop.not_asked, _alone)
    if link.farewell is not None:
        return _part(link.farewell)
    if stop.asked:
        link.bye("asked to stop")
        return Exit.DONE
    manner = "adaptive" if welcome.adaptive else "uniform"
    say(Word.JOINED.of(f"connected to run {welcome.run} as worker {welcome.worker}, {manner}"))
    with _maker(settings, options) as maker:
        stop.listen()  # Blender may have taken the signals
        limits = Limits(options.recycle_frames, options.recycle_mb)
        made = 0

        def tell(made: int, rss: int) -> None:
            link.alive(made, rss)
            Status(made, rss, link.assignment.version).say()

        while not (stop.asked or limits.reached):
            link.pump(0 if link.order else IDLE_S)
            if link.farewell is not None:
                return _part(link.farewell)
            if order := link.order:
                link.publish(maker.sample(order.worker, order.index, order.terms))
                if not made:
                    say(Word.DELIVERED.of("its first sample"))
                made += 1
            limits.count(made, tell)
        limits.tell(made, tell)
        link.bye("recycle" if limits.reached else "asked to stop")
    return Exit.RECYCLE if limits.reached else Exit.DONE


def _maker(settings: SampleSettings, options: WorkerOptions) -> SampleMaker:
    return SampleMaker(
        settings,
        options.engine,
        options.spp,
        options.backgrounds,
        say=say,
        device=options.device,
    )


def _part(farewell: Bye) -> Exit:
    word = Word.TRAINER if farewell.again else Word.GOODBYE
    say(word.of(f"the trainer said goodbye: {farewell.reason}"))
    return Exit.TRAINER_GONE if farewell.again else Exit.DONE


def _alone(line: str) -> None:
    say(Word.TRAINER.of(line))


def main(argv: list[str]) -> Exit:
    """Run the options given as one JSON argument; errors end as one line."""
    return ending(lambda: run_worker(WorkerOptions.from_json(argv[0])))


if __name__ == "__main__":
    run_as_process(main)
