"""Verbs that keep samples and make them again: record, replay, convert."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

from blender_scenes.spec import Device, Engine
from jointloop.cli.app import app, ready, tell_robots
from jointloop.cli.app import out as console
from jointloop.common.errors import JointloopError
from jointloop.common.files import write_bytes
from jointloop.common.folders import make_folder
from jointloop.common.lines import read_lines

if TYPE_CHECKING:
    from simulator.randomization.prior import JointPrior
    from simulator.randomization.settings import SampleSettings
    from simulator.recordings.recording import Recording

SHARD_SAMPLES = 256
HELD_OUT_SHARE = 0.1
"""Of a recording's samples, unless said otherwise."""


@app.command
def record(
    *,
    out: Path,
    samples: int | None = None,
    workers: int = 2,
    resume: bool = False,
    held_out: int | None = None,
    shard_samples: int | None = None,
    robot: str | None = None,
    size: str | None = None,
    seed: int | None = None,
    variety: str | None = None,
    prior: Path | None = None,
    engine: Engine | None = None,
    device: Device | None = None,
    spp: int | None = None,
    backgrounds: Path | None = None,
) -> int:
    """Keep samples in tar shards that WebDataset readers, `convert` and `train --from` read.

    Args:
        out: Folder of the recording.
        samples: How many, the held-out ones included.
        workers: Processes that render.
        resume: Go on with the recording in the folder; what else is given must agree with it.
        held_out: The first so many are drawn from the uniform prior, before backgrounds that no
            other sample shows; by default a tenth.
        shard_samples: Samples in one shard, 256 by default.
        robot: Robot, by default ur10.
        size: Image size WIDTHxHEIGHT, by default 160x120.
        seed: Seed of all draws, by default 0.
        variety: full (the default), calm, or a TOML file.
        prior: Prior of the joint angles: a JSON file or a run's prior_history.jsonl, whose last
            one counts; by default uniform.
        engine: By default cycles; eevee and workbench render with Blender too; stick draws the
            robot as sticks.
        device: That Blender renders on: cpu (the default) or gpu.
        spp: Cycles' samples per pixel, by default 4.
        backgrounds: Folder of your own pictures.
    """
    from simulator.recordings import recorder
    from simulator.recordings.recording import Recording, describe
    from simulator.recordings.replay import rendering_here

    given = {"samples": samples, "held_out": held_out, "shard_samples": shard_samples}
    changes = _changes(robot, size, seed, variety)
    chosen = None if prior is None else _read_prior(prior)
    if resume:
        recording = Recording.open(out)
        _agree(
            recording, given, changes, {"engine": engine, "device": device, "samples": spp}, chosen
        )
        _note_differences(recording, backgrounds)
    else:
        if samples is None:
            raise JointloopError("give --samples N, how many to record, or --resume")
        settings = _settings(changes)
        shares = {
            "held_out": max(1, round(HELD_OUT_SHARE * samples)),
            "shard_samples": SHARD_SAMPLES,
        } | {name: value for name, value in given.items() if value is not None}
        rendering = rendering_here(
            engine or "cycles",
            4 if spp is None else spp,
            settings.height,
            backgrounds,
            _say,
            device or "cpu",
        )
        ready(rendering.engine, rendering.device)
        recording = Recording.create(out, describe(settings, rendering, prior=chosen, **shares))
    tell_robots(recording.about.settings)
    before = recording.count()
    seconds = recorder.record(recording, workers, backgrounds, _say)
    about = recording.about
    made = about.samples - before
    pace = f"{made} of them now, {made / seconds:.1f} samples/s" if made else "all there before"
    _say(
        f"{out}: {about.samples} samples in {len(recording.shards)} shards, the first "
        f"{about.held_out} held out; {pace}"
    )
    return 0


@app.command
def replay(
    *,
    out: Path,
    like: Path | None = None,
    seed: int | None = None,
    worker: int = 0,
    index: int | None = None,
    prior: Path | None = None,
    prior_version: int | None = None,
    split: Literal["train", "heldout"] = "train",
    robot: str | None = None,
    size: str | None = None,
    variety: str | None = None,
    engine: Engine = "cycles",
    device: Device = "cpu",
    spp: int = 4,
    backgrounds: Path | None = None,
) -> int:
    """Make one sample again: the same image byte for byte, and the same labels.

    Args:
        out: Folder that takes KEY.png, KEY.mask.png and KEY.json.
        like: JSON of a recorded sample, which names all that it follows from; the result is
            compared with it, and with the PNG beside it.
        seed: Seed of the draws, by default 0.
        worker: Worker id; 0 in recordings.
        index: Number of the sample among its worker's, from 0.
        prior: Prior it was drawn from: a JSON file or a run's prior_history.jsonl; by default
            uniform.
        prior_version: Which of the file's priors; by default the last.
        split: Training and held-out samples see different backgrounds.
        robot: Robot, by default ur10.
        size: Image size WIDTHxHEIGHT, by default 160x120.
        variety: full (the default), calm, or a TOML file.
        engine: cycles, eevee and workbench render with Blender; stick draws the robot as sticks.
        device: That Blender renders on: cpu or gpu.
        spp: Cycles' samples per pixel.
        backgrounds: Folder of your own pictures.
    """
    from simulator.recordings.replay import recipe_here, recipe_of, rendering_here, sample_of
    from simulator.recordings.sample_files import decode, key_of

    if (like is None) == (index is None):
        raise JointloopError("give --index I (with --seed and --worker), or --like SAMPLE.json")
    if like is not None:
        if out.resolve() == like.parent.resolve():
            raise JointloopError(f"--out {out} would replace {like}; choose another folder")
        recipe = recipe_here(decode(_read(like), str(like)).recipe, backgrounds, _say)
    else:
        settings = _settings(_changes(robot, size, seed, variety))
        chosen = None if prior is None else _read_prior(prior, prior_version)
        rendering = rendering_here(engine, spp, settings.height, backgrounds, _say, device)
        recipe = recipe_of(settings, rendering, worker, index or 0, split, chosen)
    tell_robots(recipe.settings)
    ready(recipe.rendering.engine, recipe.rendering.device)
    made = sample_of(recipe, backgrounds)
    key = key_of(recipe.worker, recipe.index)
    make_folder(out)
    for suffix, data in made.items():
        write_bytes(out / (key + suffix), data)
        _say(f"{out / (key + suffix)}")
    return 0 if like is None else _compare(like, made)


@app.command
def convert(
    recording: tyro.conf.Positional[Path], *, to: Literal["coco", "dream"], out: Path
) -> int:
    """Write a recording's complete shards in another format.

    Args:
        recording: Its folder.
        to: coco writes COCO keypoints, dream writes DREAM's NDDS JSON.
        out: A new folder.
    """
    from simulator.recordings.convert import to_coco, to_dream
    from simulator.recordings.recording import Recording

    write = {"coco": to_coco, "dream": to_dream}[to]
    for line in write(Recording.open(recording), out):
        _say(line)
    return 0


def _compare(like: Path, made: dict[str, bytes]) -> int:
    """Whether what was made is what lies at `like` and beside it; 1 if not."""
    different = 0
    for suffix, data in made.items():
        path = like.with_suffix(suffix)
        if not path.is_file():
            _say(f"{path} is not there to compare with")
            continue
        same = path.read_bytes() == data
        different |= not same
        _say(f"{'the same as' if same else 'differs from'} {path}")
    return int(different)


def _changes(
    robot: str | None, size: str | None, seed: int | None, variety: str | None
) -> dict[str, Any]:
    """What the command line asks of the settings."""
    from simulator.randomization.settings import parse_size
    from simulator.randomization.variety import variety as named_variety

    changes: dict[str, Any] = {"robot": robot, "seed": seed}
    if size is not None:
        changes["width"], changes["height"] = parse_size(size)
    if variety is not None:
        changes["variety"] = named_variety(variety)
    return {name: value for name, value in changes.items() if value is not None}


def _settings(changes: dict[str, Any]) -> "SampleSettings":
    from simulator.randomization.settings import SampleSettings
    from simulator.randomization.variety import FULL

    return replace(SampleSettings(variety=FULL), **changes)


def _agree(
    recording: "Recording",
    given: dict[str, Any],
    changes: dict[str, Any],
    rendering: dict[str, Any],
    prior: "JointPrior | None",
) -> None:
    """Raise if something that was given contradicts the recording."""
    from simulator.randomization.assignment import Assignment

    about = recording.about
    asked: list[tuple[str, Any, Any]] = []
    for source, values in ((about, given), (about.settings, changes), (about.rendering, rendering)):
        asked += [(name, value, getattr(source, name)) for name, value in values.items()]
    if prior is not None:
        asked.append(("prior", Assignment.of(prior), about.assignment))
    for name, value, recorded in asked:
        if value is not None and value != recorded:
            short = name in ("variety", "prior")
            name = {"width": "size: width", "height": "size: height"}.get(name, name)
            values = "is another" if short else f"{value} was given, but {recorded} recorded"
            raise JointloopError(
                f"{name}: {values}; leave it out to go on with {recording.folder}, or record into "
                "another folder"
            )


def _note_differences(recording: "Recording", backgrounds: Path | None) -> None:
    """Say what here is not as it was when the recording began."""
    from simulator.recordings.replay import rendering_here

    then, height = recording.about.rendering, recording.about.settings.height
    here = rendering_here(then.engine, then.samples, height, backgrounds, _say, then.device)
    for difference in then.differences(here):
        _say(f"note: begun with {difference}")


def _read_prior(path: Path, version: int | None = None) -> "JointPrior":
    """A prior from a JSON object, or from the lines of a run's prior history.

    Raises:
        JointloopError: there is none of that version, or no such file.
    """
    from feedback.history import prior_of

    data = _read(path)
    try:
        one = path.suffix == ".json"
        priors = [prior_of(json.loads(data))] if one else read_lines(path, "prior", prior_of)
    except (ValueError, KeyError, TypeError, JointloopError) as error:
        raise JointloopError(
            f"{path} holds no prior with alpha, lower, upper and version: {error!r}"
        ) from None
    wanted = [p for p in priors if version is None or p.version == version]
    if not wanted:
        there = ", ".join(str(p.version) for p in priors) or "none"
        raise JointloopError(f"{path} holds no prior of version {version}; it has {there}")
    return wanted[-1]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise JointloopError(f"cannot read {path}: {error.strerror}") from error


def _say(line: str) -> None:
    console.print(line, markup=False)
