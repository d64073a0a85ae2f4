"""check-labels --data: labels that are there, against the robot that they are of."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jointloop.cli.app import out as console
from jointloop.cli.app import say
from jointloop.cli.known import angles, check_joints, with_lens
from jointloop.common.errors import JointloopError

if TYPE_CHECKING:
    from simulator.robot import Robot
    from trainer.pose.marks.faults import Looked

ROBOT = "ur10"
"""Whose labels a file has where nobody says."""
RECORDED = 1.0
"""Standard deviation of a recording's labels, which are exact [px]."""
SHEET = 12
"""Pictures in the sheet at most."""
LINES = 40
"""Of faults, that are printed."""


@dataclass(frozen=True)
class Asked:
    """What is known of the pictures, and what is asked."""

    images: Path | None
    K: str | None
    joints: str | None
    unit: Literal["deg", "rad"] | None
    noise: float | None
    """[px]."""
    limit: float | None
    """[% of the diagonal]."""


NOTHING = Asked(None, None, None, None, None, None)
"""Is asked where labels are rendered."""


def check_given(data: Path, robot: str | None, asked: Asked, out: Path) -> int:
    """Look through labels; the exit code.

    Raises:
        JointloopError: they or their pictures cannot be read, or do not fit the robot.
    """
    from jointloop.common.files import write_json
    from jointloop.common.progress import Progress
    from simulator.drawing.drawing import contact_sheet, write_png
    from simulator.recordings.recording import Recording
    from trainer.pose import shots as kinds
    from trainer.pose.marks.faults import look_through
    from trainer.pose.marks.table import as_json, picture

    for name, value in (("noise", asked.noise), ("speed-limit", asked.limit)):
        if value is not None and not 0 < value < float("inf"):
            raise JointloopError(f"{name} is {value}; expected more than 0")
    check_joints(asked.joints, asked.unit)
    noise = asked.noise
    if Recording.is_at(data):
        known, shots = kinds.of_recording(data, robot)
        if Recording.open(data).about.rendering.engine == "stick":
            shots = [replace(shot, flags=None) for shot in shots]
            say("note: sticks hide less than the robot itself would: flags are not checked")
        noise = RECORDED if noise is None else noise
    elif data.is_dir():
        raise JointloopError(f"{data} holds no recording; expected one, or a file of labels")
    else:
        known, shots = kinds.of_file(data, robot or ROBOT, asked.images)
    shots = with_lens(shots, asked.K)
    q = angles(known, shots, asked.joints, asked.unit)
    with Progress(console) as progress:
        looked = look_through(known, shots, noise, q, asked.limit, progress.update)
    figures = as_json(known, looked)
    write_json(out / "check-labels.json", figures)
    faulty = [one for one in looked if one.faults]
    _print(known, figures, faulty)
    say(f"table     {out / 'check-labels.json'}")
    if faulty:
        tiles = [picture(known, one) for one in faulty[:SHEET]]
        write_png(contact_sheet(tiles), out / "check-labels.png")
        say(f"pictures  {out / 'check-labels.png'}: red is at fault, magenta the robot's pose")
    return 1 if faulty else 0


def _print(robot: "Robot", figures: dict[str, Any], faulty: "list[Looked]") -> None:
    shown = 0
    for one in faulty:
        for fault in one.faults:
            if shown < LINES:
                say(f"{one.shot.name}: {fault.text}")
            shown += 1
    if shown > LINES:
        say(f"and {shown - LINES} more")
    say(f"{'residual [sigmas]':<20}{'median':>8}{'95 %':>8}{'n':>7}")
    for name, one in figures["keypoints"].items():
        cells = [one["median_sigmas"], one["p95_sigmas"]]
        line = "".join(f"{'–' if c is None else format(c, '.2f'):>8}" for c in cells)
        say(f"{name:<20}{line}{one['n']:>7}")
    count, checked = figures["images"], figures["checked"]
    said = ", ".join(f"{n} {kind}" for kind, n in figures["faults"].items()) or "none"
    say(f"{len(faulty)} of {count} pictures are faulty: {said}")
    if checked < count:
        say(f"{count - checked} pictures have too few marks to be checked against {robot.name}")
