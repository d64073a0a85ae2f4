"""check-labels: renders, measures how far labels are off, and says whether that is well."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from jointloop.cli.app import say, tell, tell_robots
from jointloop.cli.form import takes
from jointloop.cli.sampling import asked, over, shape
from jointloop.cli.sampling import settings as own
from jointloop.common.errors import JointloopError
from jointloop.common.settings import Tree

if TYPE_CHECKING:
    from simulator.label_check import measure


@takes(shape(width=640, height=480))
def check_labels(
    *,
    samples: int = 100,
    config: Path | None = None,
    size: str | None = None,
    variety: str | None = None,
    backgrounds: Path | None = None,
    out: Path = Path("."),
    given: Tree | None = None,
) -> int:
    """Render, measure how far labels are off, and end with status 1 where a bar is missed.

    Keypoints are compared with glowing balls that Blender draws in their places, without the lens,
    with it, and moved as `train --augment full` moves images; their visibility with the link and
    the distance that the renderer finds along the ray to each; the robot's box and area with its
    rendered alpha. Engine cycles.

    Args:
        samples: How many.
        config: File of settings, whose part for simulators counts; see `jointloop config`.
        size: Of each image, WIDTHxHEIGHT; 640x480 unless the file says otherwise.
        variety: full (unless the file says otherwise), calm, real, or a TOML file; single
            settings override it.
        backgrounds: Folder of your own pictures to stand behind the robot.
        out: Folder for check-labels.png, a picture of the worst cases.
        given: Settings of the samples.
    """
    from simulator.drawing.drawing import contact_sheet, write_png
    from simulator.label_check.measure import check
    from simulator.label_check.verdict import findings, pictures

    if not out.is_dir():
        raise JointloopError(f"out is {out}, but there is no such folder")
    settings = over(own(width=640, height=480), asked(given, config, size, variety))
    tell_robots(settings)
    report = check(settings, samples, backgrounds, say, _motion(settings.width, settings.height))
    good = tell(findings(report))
    picture = out / "check-labels.png"
    write_png(contact_sheet(pictures(report)), picture)
    say(f"{picture}: the worst keypoint, sight and outline")
    return 0 if good else 1


def _motion(width: int, height: int) -> "measure.Motion | None":
    """How training moves images; None, said in a line, without PyTorch."""
    if find_spec("torch") is None:
        say("note: augmented images are not checked: PyTorch is not installed")
        return None
    from trainer.augmentation.geometry import Motion
    from trainer.config.augmentation import amount

    return Motion(amount("full"), width, height)
