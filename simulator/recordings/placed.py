"""Shards made on the machines of a Ray cluster, one a task, and written here as they come."""

import socket
import tempfile
from pathlib import Path

import msgspec

from jointloop.common.files import write_bytes
from simulator.fleet.cluster import Cluster
from simulator.fleet.process import say
from simulator.recordings.description import Description
from simulator.recordings.recipe import versions
from simulator.recordings.recorder import Job, by_fleet
from simulator.recordings.recording import Recording
from simulator.recordings.sample_files import RecordingError


def by_cluster(job: Job, cluster: Cluster) -> list[str]:
    """Make shards on a cluster; says which were given up, and why.

    Raises:
        ClusterError: it cannot be used.
        RecordingError: its machines cannot make them; says why.
    """
    about = job.recording.about
    engine, device = about.rendering.engine, about.rendering.device
    same = (about.text(), job.backgrounds, versions(engine))
    given_up: list[str] = []
    vain = 0
    with cluster.open(job.workers, gpus=int(device == "gpu")) as session:
        calls = ((shard, (shard, *same)) for shard in job.missing)
        for shard, data, reason in session.run(
            make_shard, calls, job.workers, lambda: job.look(list)
        ):
            if not reason:
                write_bytes(job.recording.path(shard), data)
                vain = 0
                continue
            given_up.append(f"shard {shard}: {reason}")
            vain += 1
            if vain == job.workers:
                raise RecordingError(f"{given_up[-1]}; go on with --resume")
            job.say(f"{given_up[-1]}; the others go on")
    return given_up


def make_shard(
    shard: int, description: bytes, backgrounds: Path | None, wanted: dict[str, str]
) -> bytes:
    """What a task does: make one shard of a recording, in a folder of its own.

    Args:
        shard: its number.
        description: the recording's.
        backgrounds: folder of the user's pictures, on this machine as well.
        wanted: versions of the packages that take part.

    Raises:
        JointloopError: it cannot be made here.
    """
    about = msgspec.json.decode(description, type=Description)
    if (here := versions(about.rendering.engine)) != wanted:
        raise RecordingError(
            f"machine {socket.gethostname()} has {_listed(here)}; expected {_listed(wanted)}, as "
            "where the recording is kept"
        )
    with tempfile.TemporaryDirectory(prefix="jointloop-") as folder:
        recording = Recording.create(Path(folder) / "recording", about)
        by_fleet(Job(recording, (shard,), 1, backgrounds, say))  # Ray passes it on
        return recording.path(shard).read_bytes()


def _listed(found: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in found.items())
