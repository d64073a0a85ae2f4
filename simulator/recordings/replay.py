"""Makes samples from their recipes: the same recipe gives the same bytes, in any process.

Recipe --sample_maker_for--> SampleMaker --make--> PNGs, JSON
"""

from collections.abc import Callable
from pathlib import Path

import msgspec

from blender_scenes.photos import Photos
from blender_scenes.spec import SHADING, Device, Engine
from simulator.randomization.assignment import Assignment, Split
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings
from simulator.recordings.recipe import Listing, Recipe, Rendering, versions
from simulator.recordings.sample_files import Entry, RecordingError, encode
from simulator.robot import Robot
from simulator.sample_maker import SampleMaker, detail_for


def rendering_here(
    engine: Engine,
    spp: int,
    settings: SampleSettings,
    backgrounds: Path | None = None,
    say: Callable[[str], None] = print,
    device: Device = "cpu",
) -> Rendering:
    """How this machine makes images of that size.

    Args:
        engine: what makes them.
        spp: Cycles' samples per pixel.
        settings: of the samples.
        backgrounds: folder of the user's pictures.
        say: takes one line for each picture that cannot be read, and one where all are small.
        device: that Cycles computes on.

    Raises:
        SceneError: the folder cannot be used.
    """
    photos = None if backgrounds is None else Photos(backgrounds, say)
    if photos and (line := photos.too_small(settings.width, settings.height)):
        say(f"note: {line}")
    return Rendering(
        engine=engine,
        spp=spp,
        detail=None if engine == "stick" else detail_for(settings.height),
        backgrounds=None if photos is None else Listing.of(photos.folder, photos.names),
        versions=versions(engine),
        device=device,
        shading=msgspec.UNSET if engine == "stick" else SHADING,
    )


def recipe_of(
    settings: SampleSettings,
    rendering: Rendering,
    worker: int,
    index: int,
    split: Split = "train",
    prior: JointPrior | None = None,
) -> Recipe:
    """What makes a sample.

    Args:
        settings: of the sample.
        rendering: how its image is made.
        worker: its worker's id.
        index: its number among its worker's samples.
        split: training and held-out samples see different backgrounds.
        prior: of the joint angles; None takes the uniform one.

    Raises:
        RecordingError: a number is out of its range, or the prior does not fit the robot.
        RobotError: the settings' robot cannot be used.
    """
    for name, value in (("worker", worker), ("index", index)):
        if not 0 <= value < 2**62:
            raise RecordingError(f"{name} is {value}; expected 0 to 2**62 - 1")
    robot = Robot.named(settings.robot)
    prior = prior or JointPrior.uniform(robot.lower, robot.upper, settings.bins)
    if prior.alpha.shape != (wanted := (robot.lower.size, settings.bins)):
        raise RecordingError(
            f"the prior's alpha is of shape {prior.alpha.shape}; robot {robot.name} with "
            f"{settings.bins} bins asks for {wanted}"
        )
    return Recipe(worker, index, Assignment.of(prior, split), settings, rendering)


def recipe_here(
    recorded: Recipe,
    backgrounds: Path | None = None,
    say: Callable[[str], None] = print,
) -> Recipe:
    """A recorded recipe as this machine can follow it: with the versions that are here.

    Args:
        recorded: what made the sample.
        backgrounds: folder of the user's pictures.
        say: takes one line for each thing that is different here.

    Raises:
        SceneError: the folder cannot be used.
    """
    then, settings = recorded.rendering, recorded.settings
    here = rendering_here(then.engine, then.spp, settings, backgrounds, say, then.device)
    here = msgspec.structs.replace(here, detail=then.detail)
    for difference in then.differences(here):
        say(f"note: it was made with {difference}")
    return msgspec.structs.replace(recorded, rendering=here)


def sample_maker_for(
    settings: SampleSettings,
    rendering: Rendering,
    backgrounds: Path | None = None,
    say: Callable[[str], None] = print,
) -> SampleMaker:
    """A sample maker that makes images in that way.

    Args:
        settings: of the samples.
        rendering: how they are made.
        backgrounds: folder of the user's pictures.
        say: takes one line for each picture that cannot be read, and one where all are small.

    Raises:
        RecordingError: the folder is not the one that `rendering` means.
        SceneError: the scene cannot be built here.
    """
    wanted = rendering.backgrounds
    if wanted is None and backgrounds is not None:
        raise RecordingError(f"backgrounds {backgrounds} were given, but it was made without any")
    if wanted is not None and backgrounds is None:
        raise RecordingError(
            f"it was made with {wanted.count} background pictures; give their folder as "
            "--backgrounds DIR"
        )
    maker = SampleMaker(
        settings,
        rendering.engine,
        rendering.spp,
        backgrounds,
        rendering.detail,
        say,
        rendering.device,
    )
    if backgrounds is not None and wanted != (here := Listing.of(backgrounds, maker.photos)):
        maker.close()
        raise RecordingError(f"backgrounds {backgrounds}: expected {wanted}; these are {here}")
    return maker


def make(maker: SampleMaker, recipe: Recipe) -> dict[str, bytes]:
    """The files of the sample that a recipe describes; see `sample_files.encode`.

    Raises:
        PriorError: its prior is none for the robot.
    """
    assignment = recipe.assignment.check(len(maker.robot.lower), recipe.settings.bins)
    sample = maker.sample(recipe.worker, recipe.index, assignment)
    return encode(Entry.of(recipe, maker.robot, sample), sample.image, sample.mask)


def sample_of(recipe: Recipe, backgrounds: Path | None = None) -> dict[str, bytes]:
    """The files of the sample that a recipe describes, by a maker of its own.

    Raises:
        JointloopError: the recipe cannot be followed here.
    """
    with sample_maker_for(
        recipe.settings, recipe.rendering, backgrounds, lambda line: None
    ) as maker:
        return make(maker, recipe)
