"""check-labels: are labels right? Of what is rendered, or those that are there already."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from jointloop.cli.app import say, tell, tell_robots
from jointloop.cli.check_given import NOTHING, Asked, check_given
from jointloop.cli.form import takes
from jointloop.cli.sampling import asked, over, shape
from jointloop.cli.sampling import settings as own
from jointloop.common.errors import JointloopError
from jointloop.common.settings import Tree

if TYPE_CHECKING:
    from simulator.label_check import measure
    from simulator.randomization.settings import SampleSettings

RENDERED = 100
"""Samples that are rendered where nobody says how many."""


@takes(shape(width=640, height=480))
def check_labels(
    *,
    data: Path | None = None,
    images: Path | None = None,
    K: str | None = None,
    joints: str | None = None,
    angles_in: Literal["deg", "rad"] | None = None,
    noise: float | None = None,
    speed_limit: float | None = None,
    samples: int | None = None,
    config: Path | None = None,
    size: str | None = None,
    variety: str | None = None,
    backgrounds: Path | None = None,
    out: Path = Path("."),
    given: Tree | None = None,
) -> int:
    """Measure whether labels are right, rendered ones or a file's, and end with status 1 if not.

    With --data, labels of any origin are compared with the robot itself: marks that no pose of it
    has, two that are swapped, flags that its own meshes contradict. Without, samples are rendered:
    keypoints are compared with glowing balls that Blender draws in their places, without the lens,
    with it, and moved as `train --augment full` moves images; their visibility with the link and
    the distance that the renderer finds along the ray to each; the robot's box and area with its
    rendered alpha. Engine cycles.

    Args:
        data: COCO keypoints file, coco_keypoints.json of `predict`, or folder of a recording.
        images: Folder that a file's image names begin from, where it is not its own.
        K: Intrinsics fx,fy,cx,cy [px] of the pictures, or a file of OpenCV or ROS; a recording has
            its own. Without, every picture's focal length is found as well.
        joints: Joint angles that are known: see `pose`; `truth` takes a recording's own.
        angles_in: Unit of the angles in that file: deg or rad.
        noise: Standard deviation of marks along x and y [px]; by default 1 px for a recording, and
            what people err by for a file: the robot's sigmas for OKS.
        speed_limit: Pictures are frames in order, in which no keypoint moves by more than so many %
            of the diagonal from one to the next.
        samples: How many are rendered; 100 by default.
        config: File of settings, whose part for simulators counts; see `jointloop config`.
        size: Of each rendered image, WIDTHxHEIGHT; 640x480 unless the file says otherwise.
        variety: full (unless the file says otherwise), calm, real, or a TOML file; single
            settings override it.
        backgrounds: Folder of your own pictures to stand behind the robot.
        out: Folder for check-labels.png, a picture of the worst cases, and, with --data,
            check-labels.json.
        given: Settings of the samples; of them, --robot says whose labels a file has.
    """
    if not out.is_dir():
        raise JointloopError(f"out is {out}, but there is no such folder")
    tree = asked(given, config, size, variety)
    words = Asked(images, K, joints, angles_in, noise, speed_limit)
    rendered = any(one is not None for one in (samples, config, backgrounds)) or {*tree} - {"robot"}
    _check(data is not None, words != NOTHING, bool(rendered))
    if data is not None:
        return check_given(data, tree.get("robot"), words, out)
    settings = over(own(width=640, height=480), tree)
    return _rendered(settings, RENDERED if samples is None else samples, backgrounds, out)


def _check(given: bool, about_given: bool, about_rendered: bool) -> None:
    """Words that have no place.

    Raises:
        JointloopError: there are some.
    """
    if given and about_rendered:
        raise JointloopError(
            "--data checks labels that are there: nothing is rendered, so --samples, --config, "
            "--backgrounds and settings of samples other than --robot have no place"
        )
    if about_given and not given:
        raise JointloopError(
            "--images, --K, --joints, --angles-in, --noise and --speed-limit are about labels that "
            "are there: give --data"
        )


def _rendered(settings: "SampleSettings", samples: int, backgrounds: Path | None, out: Path) -> int:
    """Check labels of samples that are rendered for it; the exit code."""
    from simulator.drawing.drawing import contact_sheet, write_png
    from simulator.label_check.measure import check
    from simulator.label_check.verdict import findings, pictures

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
