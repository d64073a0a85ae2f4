"""simulate: renders for a trainer elsewhere; never loads torch."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from blender_scenes.spec import SPP, Device, Engine
from jointloop.cli.app import ready, say
from jointloop.cli.expecting import NOTHING, ExpectOptions
from jointloop.cli.form import takes
from jointloop.cli.sampling import asked, over, shape
from jointloop.cli.sampling import settings as own
from jointloop.cli.watching import UNWATCHED, WatchOptions
from jointloop.common.errors import JointloopError
from jointloop.common.settings import Tree, flat, nested

if TYPE_CHECKING:
    from simulator.fleet.watch import Watch
    from simulator.fleet.worker import WorkerOptions


@takes(shape())
def simulate(
    *,
    connect: str,
    workers: int = 1,
    engine: Engine = "cycles",
    device: Device = "cpu",
    spp: int = SPP,
    backgrounds: Path | None = None,
    config: Path | None = None,
    size: str | None = None,
    variety: str | None = None,
    expecting: Annotated[ExpectOptions, tyro.conf.arg(name="")] = NOTHING,
    timeout: float = 86_400.0,
    silence: float = 180.0,
    insecure: bool = False,
    keys: Path | None = None,
    ray: str | None = None,
    watching: Annotated[WatchOptions, tyro.conf.arg(name="")] = UNWATCHED,
    given: Tree | None = None,
) -> int:
    """Render for a trainer elsewhere; start before or after it, join or leave in mid-run.

    The run decides what is rendered; settings given here are wishes, for runs that have them.

    Args:
        connect: Address of the trainer, such as tcp://127.0.0.1:5555.
        workers: Simulators to start.
        engine: cycles, eevee and workbench render with Blender; stick draws the robot as sticks.
        device: That Blender renders on: cpu or gpu.
        spp: Cycles' samples per pixel.
        backgrounds: Folder of your own pictures to stand behind the robot.
        config: File of settings that the run must have; see `jointloop config`.
        size: Image size WIDTHxHEIGHT that the run must have.
        variety: full, calm, real, or a TOML file that the run must have.
        expecting: Poses that the run must expect.
        timeout: Longest wait for the trainer, at the beginning and whenever it is gone [s].
        silence: Replace a simulator that shows no life, not even an image, for so long [s].
        insecure: Connect to another machine without keys, unencrypted.
        keys: Folder that `jointloop keys` made.
        ray: Place them on the Ray cluster at HOST:PORT; auto finds one, local starts one here.
        watching: What shows how workers stand; of those on Ray, only what they say.
        given: Settings that the run must have.
    """
    from simulator.fleet.worker import WorkerOptions

    with watching.open(f"working for {connect}") as watch:
        wanted = _wishes(flat(asked(given, config, size, variety)), expecting)
        options = WorkerOptions(
            address=connect,
            engine=engine,
            device=device,
            spp=spp,
            backgrounds=backgrounds,
            wanted=wanted,
            wait_s=timeout,
            insecure=insecure,
            keys=keys,
            notes=True,
        )
        return _run(workers, options, silence, watch, ray)


def _run(
    workers: int, options: "WorkerOptions", silence: float, watch: "Watch", ray: str | None
) -> int:
    """Work with so many simulators until the run is over, here or on Ray, as an exit code."""
    from simulator.fleet.fleet import Fleet
    from simulator.fleet.rows import of_fleet
    from simulator.transport import check_way

    check_way(options.address, options.insecure, options.keys)
    if ray is None:
        ready(options.engine, options.device)
        fleet = Fleet(workers, options, say=watch.say, silence_s=silence, ended=watch.ended)
        return fleet.run(lambda: watch.look(lambda: of_fleet(fleet.members)))
    from simulator.fleet.cluster import Cluster
    from simulator.fleet.placed import simulate_on

    return simulate_on(Cluster(ray), workers, options, watch.say, silence)


def _wishes(wanted: dict[str, Any], expecting: ExpectOptions) -> dict[str, Any]:
    """What a run must have: settings by dotted path, and these expected poses.

    They go into the first message to a trainer, whose size has a limit.

    Raises:
        JointloopError: they do not, or the log cannot be used.
    """
    from simulator.randomization.wishes import EXPECT
    from simulator.transport.messages import BRIEF, SCHEMA, WORKER_LIMIT, Hello, encode

    if expected := expecting.read(over(own(), nested(wanted)), say):
        wanted = wanted | {EXPECT: expected.digest}
    longest = Hello(SCHEMA, bytes(16), bytes(16), 0, wanted, 2**31, BRIEF * "…")
    size = len(encode(longest))
    if size > WORKER_LIMIT:
        raise JointloopError(
            f"the settings that the run must have take {size} bytes to say; expected at most "
            f"{WORKER_LIMIT}: shorten the names of robots"
        )
    return wanted
