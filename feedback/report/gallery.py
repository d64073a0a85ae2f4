"""The report's gallery: held-out images with the true and the predicted skeleton."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feedback.report.run_data import RunData
from simulator.drawing.drawing import belief_strip, data_uri

EACH = 4
"""Images of each kind: worst, median, best."""
LOSSLESS = 200 * 150
"""Images of more pixels than this are embedded as JPEG, to keep the page small."""


def gallery(run: RunData) -> str:
    """The worst, the middle and the best held-out images there are."""
    g = run.gallery
    if not g or not len(g["images"]):
        return '<p class="missing">No gallery was written yet.</p>'
    groups = "".join(
        f'<h3>{title}</h3><div class="pictures">{"".join(_card(run, g, i) for i in chosen)}</div>'
        for title, chosen in pick(g["losses"], EACH).items()
        if len(chosen)
    )
    return (
        '<p class="intro">Below each image: the belief map of every keypoint, in its order along '
        "the arm. A ring is a true keypoint that lies in the frame but is hidden; a missed "
        "keypoint has no prediction.</p>"
        '<ul class="legend"><li class="true">true</li><li class="predicted">predicted</li></ul>'
        + groups
    )


def pick(losses: NDArray[np.float64], each: int) -> dict[str, list[int]]:
    """Indices of the images with the highest, middle and lowest loss, no image twice.

    An image without a loss (NaN) is left out.
    """
    order = [int(i) for i in np.argsort(-losses, kind="stable") if not math.isnan(losses[i])]
    n = len(order)
    each = min(each, max(n // 3, 1))
    middle = max((n - each) // 2, 0)
    places = {
        "Worst": range(each),
        "Median": range(middle, middle + each),
        "Best": range(n - each, n),
    }
    seen: set[int] = set()
    groups: dict[str, list[int]] = {}
    for title, span in places.items():
        groups[title] = [order[p] for p in span if 0 <= p < n and p not in seen]
        seen.update(span)
    return groups


def _card(run: RunData, g: Mapping[str, NDArray[Any]], i: int) -> str:
    image, true, predicted = g["images"][i], g["pixels"][i], g["predicted"][i]
    height, width = image.shape[:2]
    names = [n.replace("_", " ") for n in run.keypoints] or [str(j) for j in range(len(true))]
    bones = run.robot["skeleton"] if run.robot else []
    seen = g["visibility"][i]
    found = (seen > 0) & g["found"][i]
    error = np.linalg.norm(predicted - true, axis=-1) / math.hypot(width, height) * 100
    error = np.where(found, error, np.nan)
    notes = [
        f"{name}\nscore {score:.2f}\n" + (f"error {e:.2f} % of the diagonal" if f else "missed")
        for name, e, score, f in zip(names, error, g["scores"][i], found, strict=True)
    ]
    r = width / 80
    overlay = _skeleton(true, seen, bones, "true", notes, r) + _skeleton(
        predicted, np.where(found, 2, 0), bones, "predicted", notes, r
    )
    typical = f"median error {np.nanmedian(error):.2f} %" if found.any() else "no keypoint found"
    picture = data_uri(image, photo=width * height > LOSSLESS)
    size = f'width="{width}" height="{height}"'
    return (
        f'<figure class="picture"><svg viewBox="-0.5 -0.5 {width} {height}" '
        f'style="--bone:{width / 130:.2f}px">'
        f'<image href="{picture}" x="-0.5" y="-0.5" {size}/>{overlay}</svg>'
        f"{_beliefs(g['beliefs'][i], names, g['scores'][i])}"
        f"<figcaption>{typical}<small>loss {g['losses'][i]:.3f}</small></figcaption>"
        "</figure>"
    )


def _skeleton(
    points: NDArray[Any],
    seen: NDArray[Any],
    bones: Sequence[Sequence[int]],
    style: str,
    notes: list[str],
    radius: float,
) -> str:
    shown = (np.asarray(seen) > 0) & np.isfinite(points).all(axis=1)
    lines = "".join(
        f'<line x1="{points[a][0]:.2f}" y1="{points[a][1]:.2f}" x2="{points[b][0]:.2f}" '
        f'y2="{points[b][1]:.2f}"/>'
        for a, b in bones
        if shown[a] and shown[b]
    )
    dots = "".join(
        f'<circle class="{"ring" if seen[j] == 1 else ""}" cx="{points[j][0]:.2f}" '
        f'cy="{points[j][1]:.2f}" r="{radius:.2f}" data-tip="{escape(style)} {escape(notes[j])}"/>'
        for j in np.flatnonzero(shown)
    )
    return f'<g class="bones {style}">{lines}{dots}</g>'


def _beliefs(beliefs: NDArray[Any], names: Sequence[str], scores: NDArray[Any]) -> str:
    J, h, w = beliefs.shape
    width = J * w + J - 1
    spots = "".join(
        f'<rect x="{j * (w + 1)}" y="0" width="{w}" height="{h}" '
        f'data-tip="{escape(name)}\nscore {score:.2f}"/>'
        for j, (name, score) in enumerate(zip(names, scores, strict=True))
    )
    return (
        f'<svg class="beliefs" viewBox="0 0 {width} {h}"><image width="{width}" height="{h}" '
        f'href="{data_uri(belief_strip(beliefs))}"/>{spots}</svg>'
    )
