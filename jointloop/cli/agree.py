"""agree: how far the marks of several people lie apart."""

from pathlib import Path
from typing import Any

import tyro

from jointloop.cli.app import say
from jointloop.common.errors import JointloopError


def agree(
    files: tyro.conf.Positional[tuple[Path, ...]],
    *,
    out: Path,
    robot: str | None = None,
    images: Path | None = None,
    pictures: int = 12,
    seed: int = 0,
) -> int:
    """Measure how well people agree who mark the same images, and write what they say together.

    Args:
        files: COCO keypoints files, one of each person.
        out: A new folder: takes agreement.json, consensus.json (COCO), the spread of every keypoint
            as kernels on an image and as a chart, and pictures of what people disagree on.
        robot: Name or TOML file of the robot; by default the one that the first file names.
        images: Folder that the files' image names begin from, where it is not their own.
        pictures: Of disputed images, at most.
        seed: Of the bootstrap.
    """
    from jointloop.common.files import write_json
    from jointloop.common.folders import new_folder
    from simulator.drawing.drawing import write_png
    from simulator.robot import Robot
    from trainer.evaluation.agree import pictures as drawn
    from trainer.evaluation.agree.marks import read_marks, robot_of
    from trainer.evaluation.agree.spread import agreement
    from trainer.evaluation.coco_out import as_coco

    if pictures < 0:
        raise JointloopError(f"pictures is {pictures}; expected at least 0")
    if seed < 0:
        raise JointloopError(f"seed is {seed}; expected at least 0")
    if not files:
        raise JointloopError("no file of labels is given; expected at least two people's")
    known = Robot.named(robot or robot_of(files))
    marks = read_marks(files, known, images)
    found = agreement(marks)
    figures = found.as_json(seed)
    new_folder(out)
    write_json(out / "agreement.json", figures)
    write_json(out / "consensus.json", as_coco(known, found.as_marked()))
    write_png(drawn.kernels(found), out / "kernels.png")
    write_png(drawn.boxes(found), out / "spread.png")
    disputed = found.disputed()
    for n in disputed[:pictures]:
        write_png(drawn.of_image(found, n), out / f"disputed-{n:06d}.png")
    for note in marks.notes:
        say(f"note: {note}")
    _print(figures)
    say(f"{len(disputed)} of {figures['images']} images are disputed")
    say(f"agreement {out / 'agreement.json'}; consensus {out / 'consensus.json'}")
    return 0


def _print(figures: dict[str, Any]) -> None:
    """The table: spread in % of the diagonal, sigmas."""
    say(f"{'% of the diagonal':<18}{'median':>8}{'95 %':>16}{'quartiles':>16}{'sigma':>8}{'n':>6}")
    for name, one in figures["keypoints"].items():
        median, sigma = one["median_percent"], one["sigma"]["value"]
        low, high = (one[f"{q}_quartile_percent"]["value"] for q in ("lower", "upper"))
        cells = [_cell(median["value"], 8), _span(median["interval"]), _span([low, high])]
        cells += [_cell(sigma, 8, 4), f"{one['n']:>6}"]
        say(f"{name:<18}" + "".join(cells))
    for name, one in figures["by_person"].items():
        say(f"{name:<18}{_cell(one['median_percent'], 8)}")
    if figures["flags"]["pairs"]:
        say(f"flags agree in {figures['flags']['same']:.1%} of {figures['flags']['pairs']} pairs")


def _cell(value: float | None, width: int, digits: int = 2) -> str:
    return f"{'–' if value is None else format(value, f'.{digits}f'):>{width}}"


def _span(ends: list[float | None] | None) -> str:
    low, high = ends or (None, None)
    return f"{_cell(low, 0)} to {_cell(high, 0)}".rjust(16)
