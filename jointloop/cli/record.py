"""record: keeps samples in tar shards."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from blender_scenes.spec import SPP, Device, Engine
from jointloop.cli.app import ready, say, tell_robots
from jointloop.cli.expecting import NOTHING, ExpectOptions
from jointloop.cli.form import takes
from jointloop.cli.priors import read_prior
from jointloop.cli.sampling import asked, over, shape
from jointloop.cli.sampling import settings as own
from jointloop.cli.watching import UNWATCHED, WatchOptions
from jointloop.common.errors import JointloopError
from jointloop.common.settings import Tree, flat

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.fleet.watch import Watch
    from simulator.randomization.prior import JointPrior
    from simulator.randomization.settings import SampleSettings
    from simulator.recordings.recipe import Rendering
    from simulator.recordings.recorder import Job
    from simulator.recordings.recording import Recording


@takes(shape())
def record(
    *,
    out: Path,
    samples: int | None = None,
    workers: int = 2,
    resume: bool = False,
    held_out: int | None = None,
    shard_samples: int | None = None,
    shards: str | None = None,
    ray: str | None = None,
    config: Path | None = None,
    size: str | None = None,
    variety: str | None = None,
    prior: Path | None = None,
    expecting: Annotated[ExpectOptions, tyro.conf.arg(name="")] = NOTHING,
    engine: Engine | None = None,
    device: Device | None = None,
    spp: int | None = None,
    backgrounds: Path | None = None,
    watching: Annotated[WatchOptions, tyro.conf.arg(name="")] = UNWATCHED,
    given: Tree | None = None,
) -> int:
    """Keep samples in tar shards that WebDataset readers, `convert` and `train --from` read.

    Args:
        out: Folder of the recording.
        samples: How many, the held-out ones included.
        workers: Processes that render.
        resume: Go on with the recording in the folder; what else is given must agree with it.
        held_out: The first so many are drawn from the uniform prior, or held-out rows of what is
            expected, before backgrounds that no other sample shows; by default a tenth.
        shard_samples: Samples in one shard, 256 by default.
        shards: Make the shards from A on and before B alone, given as A:B, while others make
            others; 0:0 begins the recording and makes none.
        ray: Make shards as tasks on the Ray cluster at HOST:PORT, that many workers at once; auto
            finds one, local starts one here.
        config: File of settings, whose part for simulators counts; see `jointloop config`.
        size: Image size WIDTHxHEIGHT.
        variety: full (unless the file says otherwise), calm, real, or a TOML file; single
            settings override it.
        prior: Prior of the joint angles: a JSON file or a run's prior_history.jsonl, whose last
            one counts; by default uniform.
        expecting: Poses that the robot is expected to take.
        engine: By default cycles; eevee and workbench render with Blender too; stick draws the
            robot as sticks.
        device: That Blender renders on: cpu (the default) or gpu.
        spp: Cycles' samples per pixel, by default 2.
        backgrounds: Folder of your own pictures.
        watching: What shows how the processes stand.
        given: Settings of the samples.
    """
    from simulator.recordings.recorder import by_fleet
    from simulator.recordings.recording import Recording, describe

    counts = {"samples": samples, "held_out": held_out, "shard_samples": shard_samples}
    wanted = asked(given, config, size, variety)
    chosen = None if prior is None else read_prior(prior)
    make = by_fleet if ray is None else _on_cluster(ray)
    with watching.open(f"recording into {out}") as watch:
        if resume:
            recording = Recording.open(out)
            rendering = {"engine": engine, "device": device, "spp": spp}
            _agree(recording, counts, wanted, rendering, chosen, expecting)
            _note_differences(recording, backgrounds)
        else:
            if samples is None:
                raise JointloopError("give --samples N, how many to record, or --resume")
            settings = over(own(), wanted)
            manner = _manner(engine, device, spp, settings, backgrounds)
            expected = expecting.read(settings, say, chosen)
            about = describe(settings, manner, samples, held_out, shard_samples, chosen, expected)
            recording = Recording.create(out, about)
        tell_robots(recording.about.settings)
        _make(recording, workers, backgrounds, watch, shards, make)
    return 0


def _manner(
    engine: Engine | None,
    device: Device | None,
    spp: int | None,
    settings: "SampleSettings",
    backgrounds: Path | None,
) -> "Rendering":
    """How samples are to be rendered, which can be done here."""
    from simulator.recordings.replay import rendering_here

    engine, device = engine or "cycles", device or "cpu"
    quality = SPP if spp is None else spp
    manner = rendering_here(engine, quality, settings, backgrounds, say, device)
    ready(engine, device)
    return manner


def _on_cluster(address: str) -> "Callable[[Job], list[str]]":
    """Makes shards on a Ray cluster, which is there."""
    from simulator.fleet.cluster import Cluster
    from simulator.recordings.placed import by_cluster

    cluster = Cluster(address)
    return lambda job: by_cluster(job, cluster)


def _make(
    recording: "Recording",
    workers: int,
    backgrounds: Path | None,
    watch: "Watch",
    chosen: str | None,
    make: "Callable[[Job], list[str]]",
) -> None:
    """Make what a recording lacks, or of it the shards that were chosen, and say what is there."""
    from simulator.recordings import recorder

    about, shards = recording.about, None if chosen is None else recording.among(chosen)
    wanted = recording.shards if shards is None else shards
    before = recording.count_of(wanted)
    seconds = recorder.record(
        recording,
        workers,
        backgrounds,
        say=watch.say,
        ended=watch.ended,
        look=watch.look,
        shards=shards,
        make=make,
    )
    there = recording.count_of(wanted)
    made = there - before
    pace = f"{made} of them now, {made / seconds:.1f} samples/s" if made else "all there before"
    if shards is not None:
        total = f"{len(recording.complete)} of all {len(recording.shards)} shards are there"
        watch.say(f"{recording.folder}: {there} samples of shards {chosen}; {pace}; {total}")
        return
    number = len(recording.shards)
    watch.say(
        f"{recording.folder}: {there} samples in {number} shard{'s' * (number > 1)}, the first "
        f"{about.held_out} held out; {pace}{_poses(recording)}"
    )


def _poses(recording: "Recording") -> str:
    """How many draws were free of collisions, where that was asked."""
    from simulator.randomization.poses import PoseCounts

    if recording.about.settings.variety.poses is None:
        return ""
    entries = (recording.entry(group, file) for group, file in recording.read())
    return PoseCounts.of(entry.hidden.provenance for entry in entries).told


def _agree(
    recording: "Recording",
    counts: dict[str, Any],
    wanted: Tree,
    rendering: dict[str, Any],
    prior: "JointPrior | None",
    expecting: ExpectOptions,
) -> None:
    """Raise if something that was given contradicts the recording."""
    from simulator.randomization.assignment import Assignment
    from simulator.randomization.wishes import unlike

    about = recording.about
    pairs = [
        (name, value, getattr(source, name))
        for source, values in ((about, counts), (about.rendering, rendering))
        for name, value in values.items()
        if value is not None
    ]
    if prior is not None and Assignment.of(prior) != about.assignment:
        pairs.append(("prior", "another", "its own"))
    if expecting.expect and expecting.terms(about.settings, "train", say) != about.assignment:
        pairs.append(("expect", "another log", "its own"))
    pairs += [other] if (other := unlike(about.settings, flat(wanted))) else []
    for name, value, recorded in pairs:
        if value != recorded:
            raise JointloopError(
                f"{name}: {value} was given, but {recorded} recorded; leave it out to go on with "
                f"{recording.folder}, or record into another folder"
            )


def _note_differences(recording: "Recording", backgrounds: Path | None) -> None:
    """Say what here is not as it was when the recording began."""
    from simulator.recordings.replay import rendering_here

    then, settings = recording.about.rendering, recording.about.settings
    here = rendering_here(then.engine, then.spp, settings, backgrounds, say, then.device)
    for difference in then.differences(here):
        say(f"note: begun with {difference}")
