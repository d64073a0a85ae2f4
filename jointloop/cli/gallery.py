"""gallery: draws a sheet of samples as the settings make them."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import tyro

from blender_scenes.spec import Device, Engine
from jointloop.cli.app import ready, say, tell_robots
from jointloop.cli.expecting import NOTHING, ExpectOptions
from jointloop.cli.form import takes
from jointloop.cli.sampling import asked, over, shape
from jointloop.cli.sampling import settings as own
from jointloop.common.errors import JointloopError
from jointloop.common.settings import Tree

if TYPE_CHECKING:
    from simulator.drawing.drawing import Image
    from simulator.randomization.assignment import Assignment
    from simulator.sample import Sample
    from simulator.sample_maker import SampleMaker

SAY_S = 10.0
"""Between lines of progress [s]."""
BOX_COLOUR = (255, 190, 40)
"""RGB of the robot's box in a gallery."""


@takes(shape(width=320, height=240))
def gallery(
    *,
    out: Path = Path("gallery.png"),
    samples: int = 24,
    config: Path | None = None,
    size: str | None = None,
    variety: str | None = None,
    backgrounds: Path | None = None,
    expecting: Annotated[ExpectOptions, tyro.conf.arg(name="")] = NOTHING,
    split: Literal["train", "heldout"] = "train",
    engine: Engine = "cycles",
    device: Device = "cpu",
    spp: int = 8,
    plain: bool = False,
    given: Tree | None = None,
) -> int:
    """Draw a sheet of samples as these settings make them, with their labels.

    A disc is a visible keypoint, a ring a hidden one; the box holds the robot, hidden parts
    included.

    Args:
        out: PNG file.
        samples: How many.
        config: File of settings, whose part for simulators counts; see `jointloop config`.
        size: Of each image, WIDTHxHEIGHT; 320x240 unless the file says otherwise.
        variety: full (unless the file says otherwise), calm, real, or a TOML file; single
            settings override it.
        backgrounds: Folder of your own pictures to stand behind the robot.
        expecting: Poses that the robot is expected to take.
        split: Training and held-out samples see different backgrounds, and other rows of a log.
        engine: cycles, eevee and workbench render with Blender; stick draws the robot as sticks.
        device: That Blender renders on: cpu or gpu.
        spp: Cycles' samples per pixel.
        plain: Leave the labels out.
        given: Settings of the samples.
    """
    from simulator.labels import HIDDEN, OUTSIDE, VISIBLE
    from simulator.sample_maker import SampleMaker

    if samples < 1:
        raise JointloopError(f"samples is {samples}; expected at least 1")
    _check(out)
    settings = over(own(width=320, height=240), asked(given, config, size, variety))
    tell_robots(settings)
    ready(engine, device)
    with SampleMaker(settings, engine, spp, backgrounds, say=say, device=device) as maker:
        assignment = expecting.terms(settings, split, say)
        started = time.perf_counter()
        made = _sheet(maker, assignment, samples, out, plain)
        pace = samples / (time.perf_counter() - started)
    seen = np.concatenate([sample.labels.visibility for sample in made])
    shares = ", ".join(
        f"{(seen == v).mean():.0%} {name}"
        for v, name in ((VISIBLE, "visible"), (HIDDEN, "hidden"), (OUTSIDE, "out of frame"))
    )
    say(f"{out}: {samples} samples at {pace:.1f} a second; keypoints: {shares}{_poses(made)}")
    return 0


def _check(out: Path) -> None:
    """Refuse a place where no PNG can be.

    Raises:
        JointloopError: it is one.
    """
    if out.suffix.lower() != ".png":
        raise JointloopError(f"out is {out}; expected a name that ends in .png")
    if not out.parent.is_dir():
        raise JointloopError(f"out is {out}, but there is no folder {out.parent}")


def _sheet(
    maker: "SampleMaker", assignment: "Assignment", count: int, out: Path, plain: bool
) -> "list[Sample]":
    """So many samples on one sheet, or, where it is stopped, those that are done."""
    from simulator.drawing.drawing import contact_sheet, write_png

    made: list[Sample] = []
    said, skeleton = time.monotonic(), maker.robot.skeleton
    try:
        for i in range(count):
            if time.monotonic() - said > SAY_S:
                said = time.monotonic()
                say(f"{i} of {count} samples")
            made.append(maker.sample(0, i, assignment))
    finally:
        if pictures := [s.image if plain else _labelled(s, skeleton) for s in made]:
            write_png(contact_sheet(pictures), out)
    return made


def _poses(made: Sequence["Sample"]) -> str:
    """How many draws were free of collisions, where that was asked."""
    from simulator.randomization.poses import PoseCounts

    return PoseCounts.of(sample.hidden.provenance for sample in made).told


def _labelled(sample: "Sample", skeleton: tuple[tuple[int, int], ...]) -> "Image":
    from simulator.drawing.drawing import TRUE_COLOUR, draw_box, draw_skeleton

    labels = sample.labels
    boxed = draw_box(sample.image, labels.box, BOX_COLOUR)
    return draw_skeleton(
        boxed, labels.pixels, labels.visibility, skeleton, TRUE_COLOUR, bone=0.7, dot=4.0
    )
