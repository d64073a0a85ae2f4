"""What a check of the labels comes to: each measure against its bar, and pictures of the worst."""

import cv2
import numpy as np
from numpy.typing import NDArray

from simulator.drawing.drawing import PREDICTED_COLOUR, TRUE_COLOUR, Image, draw_box, draw_skeleton
from simulator.label_check.finding import Finding
from simulator.label_check.measure import Outlines, Positions, Report, Sight
from simulator.labels import OUTSIDE, VISIBLE

FARTHEST = 0.5
"""Largest distance between a label and its ball [px]."""
AGREEMENT = 0.99
"""Least share of the keypoints in the frame whose visibility agrees."""
BOX_ERROR = 2.0
"""Largest distance between the sides of the boxes [px]."""
AREA_ERROR = 0.02
"""Largest difference of the areas, of the rendered one."""
ZOOM = 16
"""Of the picture of the worst ball."""


def findings(report: Report) -> list[Finding]:
    """All measures, in the order they were taken."""
    by_name = [_of_positions(report, name) for name in report.positions]
    strays = sum(found.strays for found in report.positions.values())
    outside = sum(found.outside for found in report.positions.values())
    text = f"{strays} of {outside} keypoints labelled outside the frame are seen in it"
    return [
        *by_name,
        Finding(strays == 0, "outside the frame", text, "none"),
        _of_sight(report),
        *_of_outlines(report.outlines),
    ]


def _of_positions(report: Report, name: str) -> Finding:
    found = report.positions[name]
    error = found.error
    looked = ~np.isnan(error)
    if not looked.any():
        return Finding(False, f"keypoints, {name}", "none in the frame", "some")
    i, j = np.unravel_index(np.nanargmax(error), error.shape)
    text = (
        f"at most {error[i, j]:.2f} px from their balls (sample {i}, "
        f"{report.robot.keypoint_names[j]}), {error[looked].mean():.3f} px on average, "
        f"{looked.sum()} balls"
    )
    return Finding(error[i, j] < FARTHEST, f"keypoints, {name}", text, f"under {FARTHEST} px")


def _of_sight(report: Report) -> Finding:
    sight: Sight = report.sight
    inside = sight.labelled > OUTSIDE
    hidden = (sight.labelled == VISIBLE - 1).sum() / max(inside.sum(), 1)
    text = f"{sight.agreement:.2%} of {inside.sum()} keypoints agree, {hidden:.0%} of them hidden"
    if sight.differ.any():
        i, j = np.argwhere(sight.differ)[0]
        text += f" (first to differ: sample {i}, {report.robot.keypoint_names[j]})"
    good = bool(inside.any()) and sight.agreement >= AGREEMENT
    return Finding(good, "visibility", text, f"at least {AGREEMENT:.0%}")


def _of_outlines(outlines: Outlines) -> list[Finding]:
    box, area = outlines.box_error, outlines.area_error
    return [
        Finding(
            bool(box.max() <= BOX_ERROR),
            "robot's box",
            f"sides at most {box.max():.1f} px off (sample {box.argmax()}), {box.mean():.2f} px on "
            "average",
            f"at most {BOX_ERROR:g} px",
        ),
        Finding(
            bool(area.max() <= AREA_ERROR),
            "robot's area",
            f"at most {area.max():.2%} off (sample {area.argmax()}), {area.mean():.2%} on average",
            f"at most {AREA_ERROR:.0%}",
        ),
    ]


def pictures(report: Report) -> list[Image]:
    """The worst ball, enlarged (green the label, magenta the ball's centre); the sample whose
    visibility differs most (rings of magenta there); the worst box (magenta as rendered)."""
    errors = {name: np.nanmax(found.error, initial=0) for name, found in report.positions.items()}
    worst = report.positions[max(errors, key=lambda name: errors[name])]
    height, width = report.cases[0].sample.image.shape[:2]
    i = int(report.sight.differ.sum(axis=1).argmax())
    sample = report.cases[i].sample
    skeleton = report.robot.skeleton
    pixels = sample.labels.pixels
    seen = draw_skeleton(sample.image, pixels, sample.labels.visibility, skeleton, TRUE_COLOUR)
    rings = np.where(report.sight.differ[i], 1, 0)
    seen = draw_skeleton(seen, pixels, rings, (), PREDICTED_COLOUR, dot=5)
    k = int(report.outlines.box_error.argmax())
    boxed = draw_box(report.cases[k].sample.image, report.outlines.boxes[k], PREDICTED_COLOUR)
    boxed = draw_box(boxed, report.cases[k].sample.labels.box, TRUE_COLOUR)
    return [_enlarged(worst, width, height), seen, boxed]


def _enlarged(found: Positions, width: int, height: int) -> Image:
    """The surroundings of the ball that is farthest from its label, as large as the frame."""
    error = np.nan_to_num(found.error, nan=-1.0)
    i, j = np.unravel_index(error.argmax(), error.shape)
    columns, rows = width // ZOOM, height // ZOOM
    x, y = np.nan_to_num(found.labelled[i, j])
    x0 = int(np.clip(round(x - columns / 2), 0, width - columns))
    y0 = int(np.clip(round(y - rows / 2), 0, height - rows))
    part = np.rint(255 * found.worst[y0 : y0 + rows, x0 : x0 + columns]).astype(np.uint8)
    large = cv2.resize(part, (width, height), interpolation=cv2.INTER_NEAREST)
    picture = np.repeat(large[..., None], 3, axis=2).astype(np.uint8)
    for point, colour in ((found.labelled, TRUE_COLOUR), (found.rendered, PREDICTED_COLOUR)):
        _cross(picture, (point[i, j] - (x0, y0) + 0.5) * ZOOM - 0.5, colour)
    return picture


def _cross(picture: Image, at: NDArray[np.float64], colour: tuple[int, int, int]) -> None:
    if np.isfinite(at).all():
        place = tuple(np.rint(at).astype(int).tolist())
        cv2.drawMarker(picture, place, colour, cv2.MARKER_CROSS, 3 * ZOOM, 1)
