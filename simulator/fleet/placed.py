"""Simulators on the machines of a Ray cluster: every task keeps one process alive, as a fleet does.

Ray decides where a task runs and starts it anew elsewhere when it is lost; within it a `Fleet` of
one replaces a simulator that dies, hangs or has rendered enough.
"""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from simulator.fleet import process
from simulator.fleet.cluster import Cluster, ClusterError
from simulator.fleet.fleet import SILENCE_S, SOME_GIVEN_UP, Fleet, FleetError
from simulator.fleet.worker import WorkerOptions
from simulator.transport import Security
from simulator.transport.addresses import Address
from simulator.transport.security import SIMULATOR, TRAINER


def simulate_on(
    cluster: Cluster,
    workers: int,
    options: WorkerOptions,
    say: Callable[[str], None] = print,
    silence_s: float = SILENCE_S,
) -> int:
    """Work on a cluster until the trainer is done, or Ctrl-C or SIGTERM; gives an exit code.

    Args:
        cluster: whose machines have Jointloop.
        workers: how many; those that find no room wait for it.
        options: of each.
        say: takes a line.
        silence_s: see `Fleet`.

    Raises:
        ClusterError: it cannot be used, or its machines cannot reach that trainer.
        FleetError: no worker is left that can work; says why.
    """
    keys = _read(options.security)
    alike = replace(options, keys=None)
    calls = [
        (number, (replace(alike, worker=number).to_json(), keys, silence_s))
        for number in range(workers)
    ]
    given_up = 0
    try:
        with cluster.open(workers, gpus=int(options.device == "gpu")) as session:
            if Address.parse(options.address).private and session.machines > 1:
                raise ClusterError(
                    f"address {options.address} is of one machine, and the Ray cluster has "
                    f"{session.machines}; give the trainer's address as they see it"
                )
            if (room := session.processors) < workers:
                say(f"note: the Ray cluster has {room} processors; further simulators wait for one")
            for number, _, reason in session.run(simulate_one, calls, workers):
                if reason:
                    given_up += 1
                    if given_up == workers:
                        raise FleetError(reason)
                    say(f"{reason}; worker {number} is given up, {workers - given_up} go on")
    except KeyboardInterrupt:
        say("stopped")
    else:
        say("all workers ended")
    return SOME_GIVEN_UP if given_up else 0


def simulate_one(options: str, keys: Mapping[str, bytes], silence_s: float) -> None:
    """What a task does: keep one simulator at work until its trainer is done.

    Args:
        options: a `WorkerOptions` as JSON.
        keys: what the files of a folder of keys hold, by their names.
        silence_s: see `Fleet`.

    Raises:
        FleetError: it cannot work here.
    """
    with _written(keys) as folder:
        wanted = replace(WorkerOptions.from_json(options), keys=folder)
        Fleet(1, wanted, say=process.say, silence_s=silence_s).run()


def _read(security: Security) -> dict[str, bytes]:
    """What simulators need of a folder of keys; nothing of the trainer's secret."""
    if not security.keys:
        return {}
    own, trainers = (SIMULATOR, True), (TRAINER, False)
    paths = [security.certificate(name, secret=secret) for name, secret in (own, trainers)]
    return {path.name: path.read_bytes() for path in paths}


@contextlib.contextmanager
def _written(keys: Mapping[str, bytes]) -> Iterator[Path | None]:
    """A folder of keys that only this user can read, for as long as the context lasts."""
    if not keys:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="jointloop-keys-") as folder:
        for name, data in keys.items():
            file = os.open(Path(folder) / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(file, "wb") as opened:
                opened.write(data)
        yield Path(folder)
