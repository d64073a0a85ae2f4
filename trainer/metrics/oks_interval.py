"""Intervals of OKS AP: average precision in every resample of the images.

Images are drawn with replacement, as in `bootstrap`. An image that is drawn twice gives two
robots and two detections of one score; precision is read at the end of such a group, where it peaks
if the detection is right, which is what the envelope of the curve takes anyway.
"""

import numpy as np
from numpy.typing import NDArray

from trainer.metrics.bootstrap import Bootstrap, Interval, middle
from trainer.metrics.oks import DEFINITIONS, Matches

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""OKS from which a detection is right."""
RECALLS = np.linspace(0.0, 1.0, 101)
"""Where precision is read."""
NEAR = 1e-10
"""COCO's tools take a similarity that is less than this under 1 for 1."""


def intervals(matches: Matches, bootstrap: Bootstrap) -> dict[str, Interval | None]:
    """The interval of everything in `trainer.metrics.oks.DEFINITIONS`, by name.

    Resamples without a robot are left out; None where no or one image has a robot, which cannot
    vary.

    Args:
        matches: of N images.
        bootstrap: resamples of as many.
    """
    if matches.robots.sum() < 2:
        return dict.fromkeys(DEFINITIONS)
    order, right = _sorted(matches)
    rows = []
    for drawn in bootstrap.draws.T.astype(np.float64):
        if robots := float(drawn[matches.robots].sum()):
            rows.append(summary(drawn[order], right, robots))
    spreads = zip(DEFINITIONS, np.array(rows).T, strict=True)
    return {name: middle(spread) for name, spread in spreads}


def _sorted(matches: Matches) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(D,) images with a detection, best score first; (T, D) whether it is right."""
    found = np.flatnonzero(np.isfinite(matches.scores))
    order = found[np.argsort(-matches.scores[found], kind="stable")]
    least = np.minimum(THRESHOLDS, 1 - NEAR)[:, None]
    return order, (matches.similarity[order] >= least) & matches.robots[order]


def summary(
    drawn: NDArray[np.float64], right: NDArray[np.bool_], robots: float
) -> tuple[float, float, float, float]:
    """AP, AP50, AP75 and AR of detections, best score first.

    Args:
        drawn: (D,) how often each detection is there.
        right: (T, D) whether it is, by threshold.
        robots: how many there are to find.
    """
    if not drawn.size or not (seen := np.cumsum(drawn))[-1]:
        return 0.0, 0.0, 0.0, 0.0
    hits = np.cumsum(drawn * right, axis=1)
    recall, precision = hits / robots, hits / np.maximum(seen, 1.0)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    envelope = np.pad(envelope, ((0, 0), (0, 1)))  # recalls that are never reached
    read = [e[np.searchsorted(r, RECALLS)] for e, r in zip(envelope, recall, strict=True)]
    by_threshold = np.mean(read, axis=1)
    return (
        float(by_threshold.mean()),
        float(by_threshold[0]),
        float(by_threshold[5]),
        float(recall[:, -1].mean()),
    )
