"""Verbs that look at what the simulators make: gallery, check-labels, train --check-data."""

import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from blender_scenes.spec import Device, Engine
from jointloop.cli.app import app, ready, tell_robots
from jointloop.cli.app import out as console
from jointloop.common.errors import JointloopError

if TYPE_CHECKING:
    from simulator.drawing.drawing import Image
    from simulator.label_check import measure
    from simulator.label_check.finding import Finding
    from simulator.sample import Sample
    from trainer.config.config import Config
    from trainer.run_options import RunOptions

BOX_COLOUR = (255, 190, 40)
"""RGB of the robot's box in a gallery."""


@app.command
def gallery(
    *,
    out: Path = Path("gallery.png"),
    samples: int = 24,
    robot: str = "ur10",
    size: str = "320x240",
    seed: int = 0,
    variety: str = "full",
    backgrounds: Path | None = None,
    split: Literal["train", "heldout"] = "train",
    engine: Engine = "cycles",
    device: Device = "cpu",
    spp: int = 8,
    plain: bool = False,
) -> int:
    """Draw a sheet of samples as these settings make them, with their labels.

    A disc is a visible keypoint, a ring a hidden one; the box holds the robot, hidden parts
    included.

    Args:
        out: PNG file.
        samples: How many.
        robot: Name of a robot, or path of its TOML description.
        size: Of each image, WIDTHxHEIGHT.
        seed: Of all draws.
        variety: full, calm, or a TOML file.
        backgrounds: Folder of your own pictures to stand behind the robot.
        split: Training and held-out samples see different backgrounds.
        engine: cycles, eevee and workbench render with Blender; stick draws the robot as sticks.
        device: That Blender renders on: cpu or gpu.
        spp: Cycles' samples per pixel.
        plain: Leave the labels out.
    """
    from simulator.drawing.drawing import contact_sheet, write_png
    from simulator.labels import HIDDEN, OUTSIDE, VISIBLE
    from simulator.randomization.assignment import Assignment
    from simulator.randomization.prior import JointPrior
    from simulator.randomization.settings import SampleSettings, parse_size
    from simulator.randomization.variety import variety as variety_named
    from simulator.sample_maker import SampleMaker

    if samples < 1:
        raise JointloopError(f"samples is {samples}; expected at least 1")
    if not out.parent.is_dir():
        raise JointloopError(f"out is {out}, but there is no folder {out.parent}")
    width, height = parse_size(size)
    settings = SampleSettings(
        robot=robot, width=width, height=height, seed=seed, variety=variety_named(variety)
    )
    tell_robots(settings)
    ready(engine, device)
    with SampleMaker(settings, engine, spp, backgrounds, say=_say, device=device) as maker:
        arm = maker.robot
        assignment = Assignment.of(JointPrior.uniform(arm.lower, arm.upper, settings.bins), split)
        started = time.perf_counter()
        made = [maker.sample(0, i, assignment) for i in range(samples)]
        pace = samples / (time.perf_counter() - started)
    pictures = [s.image if plain else _labelled(s, arm.skeleton) for s in made]
    write_png(contact_sheet(pictures), out)
    seen = np.concatenate([sample.labels.visibility for sample in made])
    shares = ", ".join(
        f"{(seen == v).mean():.0%} {name}"
        for v, name in ((VISIBLE, "visible"), (HIDDEN, "hidden"), (OUTSIDE, "out of frame"))
    )
    _say(f"{out}: {samples} samples at {pace:.1f} a second; keypoints: {shares}")
    return 0


@app.command(name="check-labels")
def check_labels(
    *,
    robot: str = "ur10",
    samples: int = 100,
    size: str = "640x480",
    seed: int = 0,
    variety: str = "full",
    backgrounds: Path | None = None,
    out: Path = Path("."),
) -> int:
    """Render, measure how far labels are off, and end with status 1 where a bar is missed.

    Keypoints are compared with glowing balls that Blender draws in their places, without the lens,
    with it, and moved as `train --augment full` moves images; their visibility with the link and
    the distance that the renderer finds along the ray to each; the robot's box and area with its
    rendered alpha. Engine cycles.

    Args:
        robot: Name of a robot, or path of its TOML description.
        samples: How many.
        size: Of each image, WIDTHxHEIGHT.
        seed: Of all draws.
        variety: full, calm, or a TOML file.
        backgrounds: Folder of your own pictures to stand behind the robot.
        out: Folder for check-labels.png, a picture of the worst cases.
    """
    from simulator.drawing.drawing import contact_sheet, write_png
    from simulator.label_check.measure import check
    from simulator.label_check.verdict import findings, pictures
    from simulator.randomization.settings import SampleSettings, parse_size
    from simulator.randomization.variety import variety as variety_named

    if not out.is_dir():
        raise JointloopError(f"out is {out}, but there is no such folder")
    width, height = parse_size(size)
    settings = SampleSettings(
        robot=robot, width=width, height=height, seed=seed, variety=variety_named(variety)
    )
    tell_robots(settings)
    report = check(settings, samples, backgrounds, _say, _motion(width, height))
    good = _tell(findings(report))
    picture = out / "check-labels.png"
    write_png(contact_sheet(pictures(report)), picture)
    _say(f"{picture}: the worst keypoint, sight and outline")
    return 0 if good else 1


def check_data(config: "Config", run_options: "RunOptions") -> int:
    """What `train --check-data` does: look at training batches."""
    from simulator.drawing.drawing import write_png
    from trainer.preflight.check_data import SHEET, findings, sheet
    from trainer.preflight.preflight import look
    from trainer.runs.progress import Progress

    with Progress(console) as progress:
        seen = look(config, run_options, progress)
    good = _tell(findings(seen))
    write_png(sheet(seen), SHEET)
    _say(f"{SHEET}: {len(seen.batch)} samples with labels and masks, beside their belief maps")
    return 0 if good else 1


def _tell(findings: "list[Finding]") -> bool:
    """One line per finding; whether all are good."""
    for finding in findings:
        console.print("[green]  ok[/]" if finding.good else "[bold red]fail[/]", end="  ")
        _say(f"{finding.name:<20} {finding.text}; wanted: {finding.bar}")
    return all(finding.good for finding in findings)


def _motion(width: int, height: int) -> "measure.Motion | None":
    """How training moves images; None, said in a line, without PyTorch."""
    if find_spec("torch") is None:
        _say("note: augmented images are not checked: PyTorch is not installed")
        return None
    from trainer.augmentation.geometry import Motion
    from trainer.config.augmentation import amount

    return Motion(amount("full"), width, height)


def _labelled(sample: "Sample", skeleton: tuple[tuple[int, int], ...]) -> "Image":
    from simulator.drawing.drawing import TRUE_COLOUR, draw_box, draw_skeleton

    labels = sample.labels
    boxed = draw_box(sample.image, labels.box, BOX_COLOUR)
    return draw_skeleton(
        boxed, labels.pixels, labels.visibility, skeleton, TRUE_COLOUR, bone=0.7, dot=4.0
    )


def _say(line: str) -> None:
    console.print(line, markup=False)
