"""gap: says which numbers of a user's photos differ from those of renderings."""

from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from blender_scenes.spec import SPP, Engine
from jointloop.cli.app import out as console
from jointloop.cli.app import ready, say, tell_robots
from jointloop.cli.form import takes
from jointloop.cli.sampling import asked, over, shape
from jointloop.cli.sampling import settings as own
from jointloop.common.errors import JointloopError
from jointloop.common.settings import Tree

if TYPE_CHECKING:
    from simulator.randomization.settings import SampleSettings
    from trainer.gap.comparison import Row

FEW = 20
"""Renderings under which a line says that their quartiles are rough."""


@takes(shape(width=256, height=192))
def gap(
    photos: tyro.conf.Positional[Path],
    *,
    labels: Path | None = None,
    weights: Path | None = None,
    threshold: float = 0.2,
    samples: int = 100,
    out: Path | None = None,
    config: Path | None = None,
    size: str | None = None,
    variety: str | None = None,
    backgrounds: Path | None = None,
    engine: Engine = "cycles",
    spp: int = SPP,
    given: Tree | None = None,
) -> int:
    """Say which numbers of photos differ from those of renderings, and by how much.

    Sharpness, contrast, colour, noise, the robot's size and others, all at the renderings' width; a
    shift is the distance of the medians, in units of the renderings' spread.

    Args:
        photos: Folder of pictures; the folders in it are not looked into.
        labels: COCO keypoints of them, pictures without labels are left out; without, the detector
            says where the robot is.
        weights: Of the detector; by default those that come with Jointloop.
        threshold: Score from which keypoints count as found; half of them make a robot.
        samples: How many renderings.
        out: Page (.html) or figures (.json) to write as well.
        config: File of settings, whose part for simulators counts; see `jointloop config`.
        size: Of each rendering, WIDTHxHEIGHT; 256x192 unless the file says otherwise.
        variety: full (unless the file says otherwise), calm, real, or a TOML file; single settings
            override it.
        backgrounds: Folder of your own pictures to stand behind the robot.
        engine: cycles, eevee and workbench render with Blender; stick draws the robot as sticks.
        spp: Cycles' samples per pixel.
        given: Settings of the samples.
    """
    from jointloop.common.progress import Progress
    from simulator.sample_maker import SampleMaker
    from trainer.gap.comparison import compare
    from trainer.gap.sources import of_renderings

    _check(photos, samples, threshold, out)
    settings = over(own(width=256, height=192), asked(given, config, size, variety))
    tell_robots(settings)
    ready(engine)
    seen = _photos(photos, labels, weights, threshold, settings)
    make = SampleMaker(settings, engine, spp, backgrounds, say=say)
    with make as maker, Progress(console) as progress:
        rendered = of_renderings(maker, samples, progress.update)
    rows = compare(seen, rendered)
    about = f"{len(seen)} photos, {samples} renderings, both {settings.width} px wide"
    _tell(rows, about, samples)
    if out is not None:
        _write(out, rows, about)
    return 0


def _check(photos: Path, samples: int, threshold: float, out: Path | None) -> None:
    """Refuse what makes no sense.

    Raises:
        JointloopError: it does not.
    """
    if not photos.is_dir():
        raise JointloopError(f"photos is {photos}; expected a folder of pictures")
    if samples < 2:
        raise JointloopError(f"samples is {samples}; expected at least 2")
    if not 0.0 <= threshold <= 1.0:
        raise JointloopError(f"threshold is {threshold}; expected 0 to 1")
    if out is not None and out.suffix not in (".html", ".json"):
        raise JointloopError(f"out is {out}; expected a name that ends in .html or .json")
    if out is not None and not out.parent.is_dir():
        raise JointloopError(f"out is {out}, but there is no folder {out.parent}")


def _photos(
    photos: Path,
    labels: Path | None,
    weights: Path | None,
    threshold: float,
    settings: "SampleSettings",
) -> list[dict[str, float]]:
    """Statistics of the photos."""
    from simulator.robot import Robot
    from trainer.gap.sources import of_labelled, of_unlabelled
    from trainer.inference.detector import Detector
    from trainer.weights.shipped import shipped_weights

    robot, width = Robot.named(settings.robot), settings.width
    if labels is not None:
        return of_labelled(photos, labels, robot, width, say)
    detector = Detector.open(weights or shipped_weights())
    return of_unlabelled(photos, detector, robot, width, threshold, say)


def _tell(rows: "list[Row]", about: str, samples: int) -> None:
    """Print the table, and what it is of."""
    from trainer.gap.page import lines

    for line in lines(rows):
        say(line)
    say(f"{about}; medians and [quartiles]")
    if samples < FEW:
        say(f"note: {samples} renderings are few; with {FEW} and more their spread is surer")


def _write(out: Path, rows: "list[Row]", about: str) -> None:
    from jointloop.common.files import write_json, write_text
    from trainer.gap.comparison import as_json
    from trainer.gap.page import page

    if out.suffix == ".json":
        write_json(out, {"about": about, "statistics": as_json(rows)})
    else:
        write_text(out, page(rows, about))
    say(f"{'page' if out.suffix == '.html' else 'figures':<10}{out}")
