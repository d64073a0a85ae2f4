"""evaluate: judges a detector by images with true keypoints, in a table, a file and a picture."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from jointloop.cli.app import out as console
from jointloop.cli.app import say, scales_in
from jointloop.common.errors import JointloopError

if TYPE_CHECKING:
    from simulator.drawing.drawing import Image
    from trainer.evaluation.evaluate import Evaluation

COLUMNS = (
    ("median", "median_percent", 1.0),
    ("mean", "mean_percent", 1.0),
    ("p95", "p95_percent", 1.0),
    ("missed", "miss_rate", 100.0),
    ("PCK@1", "pck.1%", 100.0),
    ("PCK@2", "pck.2%", 100.0),
    ("PCK@5", "pck.5%", 100.0),
    ("AUC", "auc", 100.0),
    ("px", "epe_median_px", 1.0),
)
"""Of the table: title, metric, factor."""
TILE = (320, 240)
"""Width and height of one of the worst cases in their picture [px]."""


def evaluate(
    *,
    data: Path,
    weights: Path | None = None,
    out: Path = Path("metrics.json"),
    split: Literal["heldout", "train", "all"] = "heldout",
    images: Path | None = None,
    scales: str = "1",
    zoom: bool = True,
    device: str = "auto",
    worst: int = 12,
    seed: int = 0,
) -> int:
    """Judge a detector by images with true keypoints: every metric, its denominator, its interval.

    Keypoints are matched by name. COCO's keypoints count from the centre of the upper left pixel;
    an image that shows several robots is left out.

    Args:
        data: Folder of a recording, or a COCO keypoints JSON, of `convert` or marked by hand.
        weights: A run's best.safetensors, or an .onnx file of `export`; by default those that come
            with Jointloop.
        out: JSON file for the metrics; the worst cases are drawn beside it, as a PNG.
        split: Of a recording's samples: the held-out ones, the others, or all.
        images: Folder that a COCO file's image names begin from, where it is not the file's own.
        scales: Sizes at which each image is looked at, relative to the one trained at, such as
            0.8,1,1.25; beliefs are averaged.
        zoom: Look again at the part of an image that shows the robot, where that is small, and at a
            finer scale where the first look is unsure.
        device: cpu, cuda, cuda:N, or auto: a GPU where there is one.
        worst: Cases in the picture; 0 leaves it out.
        seed: Of the bootstrap.
    """
    from jointloop.common.files import write_json
    from jointloop.common.progress import Progress
    from simulator.drawing.drawing import contact_sheet, write_png
    from trainer.evaluation.evaluate import evaluate as run_over
    from trainer.evaluation.evaluate import figures, open_data
    from trainer.inference.closer import Closer
    from trainer.inference.detector import Detector
    from trainer.weights.shipped import shipped_weights

    if worst < 0:
        raise JointloopError(f"worst is {worst}; expected at least 0")
    if seed < 0:
        raise JointloopError(f"seed is {seed}; expected at least 0")
    _check_place(out)
    chosen_scales = scales_in(scales)
    weights = weights or shipped_weights()
    detector = Detector.open(weights, device)
    annotated = open_data(data, detector.info, split, images)
    with Progress(console) as progress:
        evaluation = run_over(Closer(detector, zoom), annotated, chosen_scales, progress.update)
        progress.update("resampling")
        found = figures(evaluation, detector.info, seed)
    if not found["overall"]["n_in_frame"]:
        raise JointloopError(
            f"{data} labels no keypoint in any of its {found['images']} images; expected some with "
            "visibility 1 or 2"
        )
    asked = {"weights": str(weights), "data": str(data), "scales": list(chosen_scales)}
    asked |= {"zoom": zoom, "seed": seed} | ({"split": split} if data.is_dir() else {})
    write_json(out, found | {"asked": asked})
    for note in found["notes"]:
        say(f"note: {note}")
    _print(found)
    say(f"metrics   {out}")
    if chosen := evaluation.worst(worst):
        picture = out.with_name(f"{out.stem}-worst.png")
        tiles = [
            _case(evaluation, i, detector.info.keypoints, detector.info.skeleton) for i in chosen
        ]
        write_png(contact_sheet(tiles), picture)
        say(f"worst     {picture}: green is true, magenta is found")
    return 0


def _check_place(out: Path) -> None:
    """Metrics may take the place of older ones, and of nothing else.

    Raises:
        JointloopError: there is no folder, the name is no .json, or something else lies there.
    """
    if not out.parent.is_dir():
        raise JointloopError(f"out is {out}, but there is no folder {out.parent}")
    if out.suffix != ".json":
        raise JointloopError(f"out is {out}; expected a name that ends in .json")
    try:
        metrics = not out.exists() or "definitions" in json.loads(out.read_bytes())
    except (OSError, ValueError, TypeError):
        metrics = False
    if not metrics:
        raise JointloopError(f"out is {out}, which holds something other than metrics")


def _print(found: dict[str, Any]) -> None:
    """The table of all groups, and OKS."""
    _row("% of the diagonal", "in frame", [title for title, *_ in COLUMNS])
    for name, group in {"all": found["overall"], **found["visibility"], **found["joints"]}.items():
        numbers = [(_at(group, path), factor) for _, path, factor in COLUMNS]
        _row(name, group["n_in_frame"], [_number(n["value"], by) for n, by in numbers])
        if name == "all":
            for side, title in enumerate(("  95 % from", "  to")):
                ends = [((n["interval"] or (None, None))[side], by) for n, by in numbers]
                _row(title, "", [_number(end, by) for end, by in ends])
    oks = found["oks"]
    say(
        f"{found['images']} images; median, mean, p95 and px (the median in pixels) are over found "
        "keypoints, the rest over all in the frame"
    )
    say(
        f"OKS AP {_number(oks['ap']['value'], 100)} %, AP50 "
        f"{_number(oks['ap50']['value'], 100)} %, AP75 "
        f"{_number(oks['ap75']['value'], 100)} %, over {oks['n_robots']} robots; PCK-AUC to 20 px "
        f"{_number(found['overall']['pck_auc_20px']['value'], 100)} %"
    )


def _row(name: str, count: object, cells: list[str]) -> None:
    say(f"{name:<18}{count:>9}" + "".join(f"{cell:>8}" for cell in cells))


def _at(group: dict[str, Any], path: str) -> dict[str, Any]:
    """A group's number by the name of its metric."""
    for key in path.split(".", 1):
        group = group[key]
    return group


def _number(value: float | None, factor: float) -> str:
    return "–" if value is None else f"{factor * value:.{2 if factor == 1 else 1}f}"


def _case(
    evaluation: "Evaluation",
    i: int,
    keypoints: tuple[str, ...],
    skeleton: tuple[tuple[int, int], ...],
) -> "Image":
    """One image with what is true and what was found, fitted into a tile, and its mean error."""
    from simulator.drawing.drawing import PREDICTED_COLOUR, TRUE_COLOUR, draw_skeleton

    place = {keypoints.index(name): j for j, name in enumerate(evaluation.data.keypoints)}
    bones = [(place[a], place[b]) for a, b in skeleton if a in place and b in place]
    tile, factor = _fitted(evaluation.data.images[i].load())
    true, peaks = (
        (points[i] + 0.5) * factor - 0.5
        for points in (evaluation.robots.pixels, evaluation.peaks.pixels)
    )
    seen = evaluation.robots.visibility[i]
    shown = np.where((seen > 0) & evaluation.peaks.found[i], 2, 0)
    tile = draw_skeleton(tile, true, seen, bones, TRUE_COLOUR)
    tile = draw_skeleton(tile, peaks, shown, bones, PREDICTED_COLOUR)
    errors = evaluation.errors.percent[i][seen > 0]
    hit = errors[np.isfinite(errors)]
    mean = f"{hit.mean():.1f} %" if len(hit) else ""
    missed = f"{len(errors) - len(hit)} missed" if len(hit) < len(errors) else ""
    return _captioned(tile, ", ".join(part for part in (mean, missed) if part))


def _fitted(image: "Image") -> tuple["Image", NDArray[np.float64]]:
    """The image in the upper left of a black tile, as large as fits, and tile per image pixels."""
    import cv2

    height, width = image.shape[:2]
    factor = min(TILE[0] / width, TILE[1] / height)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    tile = np.zeros((TILE[1], TILE[0], 3), np.uint8)
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    tile[: size[1], : size[0]] = cv2.resize(image, size, None, 0, 0, how)
    return tile, np.array(size) / (width, height)


def _captioned(tile: "Image", text: str) -> "Image":
    """The tile with a line of text at its foot."""
    import cv2

    spot, font = (4, TILE[1] - 6), cv2.FONT_HERSHEY_SIMPLEX
    for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(tile, text, spot, font, 0.4, colour, thickness, cv2.LINE_AA)
    return tile
