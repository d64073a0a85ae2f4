"""Samples from Python: one, several, or a recording of many."""

from collections.abc import Iterable, Iterator
from numbers import Integral
from pathlib import Path

from blender_scenes.engines import need
from blender_scenes.spec import SPP, Device, Engine
from jointloop.common.errors import JointloopError
from simulator.randomization.assignment import SPLITS, Assignment, Split
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings
from simulator.recordings import recorder
from simulator.recordings.recording import Recording, describe
from simulator.recordings.replay import rendering_here
from simulator.robot import Robot
from simulator.sample import Sample
from simulator.sample_maker import SampleMaker

LIMIT = 2**62
"""Numbers of workers and samples lie below."""


def samples(
    settings: SampleSettings | str,
    indices: Iterable[int],
    *,
    prior: JointPrior | None = None,
    split: Split = "train",
    worker: int = 0,
    engine: Engine = "cycles",
    device: Device = "cpu",
    spp: int = SPP,
    backgrounds: Path | str | None = None,
) -> Iterator[Sample]:
    """Draw, render and label samples, one after the other.

    The same settings, prior, worker and index give the same sample, byte for byte with Cycles on
    the CPU and with sticks. One iterator at a time where the engine is Blender's.

    Args:
        settings: of the samples, or the name of a robot, or the path of its TOML description.
        indices: of the samples; any from 0 on, in any order.
        prior: of the joint angles; None takes the uniform one.
        split: train or heldout; the two see different backgrounds.
        worker: whose draws they are; each worker's are its own.
        engine: cycles, eevee and workbench render with Blender, stick draws the robot as sticks.
        device: that Blender renders on: cpu or gpu.
        spp: Cycles' samples per pixel.
        backgrounds: folder of your own pictures to stand behind the robot.

    Raises:
        JointloopError: the robot, the engine or the pictures cannot be used here, the prior is
            another robot's, or a number or the split is none that there is.
    """
    settings = _settings(settings)
    _check_number("worker", worker)
    assignment = _assignment(prior, split, settings)
    need(engine, device)
    folder = None if backgrounds is None else Path(backgrounds)
    with SampleMaker(settings, engine, spp, folder, device=device) as maker:
        for index in indices:
            _check_number("index", index)
            yield maker.sample(worker, index, assignment)


def render(
    settings: SampleSettings | str,
    index: int = 0,
    *,
    prior: JointPrior | None = None,
    split: Split = "train",
    worker: int = 0,
    engine: Engine = "cycles",
    device: Device = "cpu",
    spp: int = SPP,
    backgrounds: Path | str | None = None,
) -> Sample:
    """Draw, render and label one sample; see `samples`, which makes several for one start."""
    made = samples(
        settings,
        [index],
        prior=prior,
        split=split,
        worker=worker,
        engine=engine,
        device=device,
        spp=spp,
        backgrounds=backgrounds,
    )
    (sample,) = made
    return sample


def record(
    settings: SampleSettings | str,
    out: Path | str,
    count: int,
    *,
    workers: int = 2,
    held_out: int | None = None,
    shard_samples: int | None = None,
    prior: JointPrior | None = None,
    engine: Engine = "cycles",
    device: Device = "cpu",
    spp: int = SPP,
    backgrounds: Path | str | None = None,
) -> Recording:
    """Keep samples on disk, in tar shards of WebDataset's layout.

    Args:
        settings: of the samples, or the name of a robot, or the path of its TOML description.
        out: a new or empty folder.
        count: of samples, the held-out ones included.
        workers: processes that render.
        held_out: the first so many are held out; None is a tenth.
        shard_samples: samples in one shard; None is 256.
        prior: of the training samples' joint angles; None takes the uniform one.
        engine: as for `samples`; likewise device, spp and backgrounds.
        device: that Blender renders on: cpu or gpu.
        spp: Cycles' samples per pixel.
        backgrounds: folder of your own pictures to stand behind the robot.

    Raises:
        JointloopError: the folder holds something, or an input or the environment does not allow
            it; what was made stays, and `jointloop record --resume` goes on with it.
    """
    settings = _settings(settings)
    need(engine, device)
    folder = None if backgrounds is None else Path(backgrounds)
    rendering = rendering_here(engine, spp, settings, folder, _quiet, device)
    about = describe(settings, rendering, count, held_out, shard_samples, prior)
    recording = Recording.create(Path(out), about)
    recorder.record(recording, workers, folder, _quiet)
    return recording


def _settings(given: SampleSettings | str) -> SampleSettings:
    return SampleSettings(robot=given) if isinstance(given, str) else given


def _assignment(prior: JointPrior | None, split: Split, settings: SampleSettings) -> Assignment:
    """To draw from the prior, or from the uniform one, for the settings' robot.

    Raises:
        PriorError: it is of other joints or bins.
        JointloopError: there is no such split.
    """
    if split not in SPLITS:
        raise JointloopError(f"split is {split!r}; expected one of {', '.join(SPLITS)}")
    robot = Robot.named(settings.robot)
    chosen = prior or JointPrior.uniform(robot.lower, robot.upper, settings.bins)
    return Assignment.of(chosen, split).check(robot.lower.size, settings.bins)


def _check_number(name: str, value: int) -> None:
    """Refuse what counts no worker and no sample.

    Raises:
        JointloopError: it is so.
    """
    if not (isinstance(value, Integral) and 0 <= value < LIMIT):
        raise JointloopError(f"{name} is {value!r}; expected a whole number of 0 to 2**62 - 1")


def _quiet(line: str) -> None:
    """A call from Python says nothing."""
