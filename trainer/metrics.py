"""How good keypoints are, each number with its denominator.

The localization error is the distance between a keypoint and its prediction, in percent of the
diagonal of the image. A miss is a keypoint in the frame that was not found; it has no error, so
means and percentiles are over found keypoints and always stand beside the miss rate, while the
median over all, PCK and AUC count a miss as infinitely far.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

DEFINITION = 1
"""Counts up whenever the same keypoints come to give other figures."""
PCK_PERCENT = (0.5, 1.0, 2.0, 5.0)
"""Thresholds of PCK, in percent of the diagonal."""
AUC_PERCENT = 5.0
"""Upper end of the area under the PCK curve, in percent of the diagonal."""


def distances(
    predicted: NDArray[np.float64], true: NDArray[np.float64], found: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(N, J) distance of predictions (N, J, 2) from keypoints (N, J, 2) [px], inf where missed."""
    return np.where(found, np.linalg.norm(predicted - true, axis=-1), np.inf)


def evaluate(
    distance: NDArray[np.float64],
    in_frame: NDArray[np.bool_],
    size: tuple[int, int],
    names: Sequence[str],
) -> dict[str, Any]:
    """All metrics, overall and per joint, ready for JSON.

    Args:
        distance: (N, J) from `distances` [px], inf where missed.
        in_frame: (N, J) the keypoints that count.
        size: width and height of the image [px].
        names: (J,) of the keypoints.

    Returns:
        The keys of `summarise` over all joints, `images`, `diagonal_px`, and `joints`: the same
        keys for each name.
    """
    diagonal = math.hypot(*size)
    return {
        "images": len(distance),
        "diagonal_px": diagonal,
        **summarise(distance[in_frame], diagonal),
        "joints": {
            name: summarise(distance[in_frame[:, j], j], diagonal) for j, name in enumerate(names)
        },
    }


def best_peak(
    predicted: NDArray[np.float64],
    true: NDArray[np.float64],
    in_frame: NDArray[np.bool_],
    size: tuple[int, int],
) -> dict[str, float | None]:
    """Localization error of the best peak whatever its score, over all keypoints in the frame.

    Nothing is a miss here, so networks of any confidence compare, untrained ones included.

    Args:
        predicted: (N, J, 2) best peaks [px].
        true: (N, J, 2) keypoints [px].
        in_frame: (N, J) the keypoints that count.
        size: width and height of the image [px].
    """
    percent = 100.0 * np.linalg.norm(predicted - true, axis=-1)[in_frame] / math.hypot(*size)
    return {
        "mean_percent": _number(np.mean, percent),
        "median_percent": _number(np.median, percent),
    }


def summarise(distance: NDArray[np.float64], diagonal: float) -> dict[str, Any]:
    """Metrics of the in-frame keypoints at these distances [px], inf where missed.

    `*_percent` are localization errors in percent of the diagonal; `mean`, `median` and `p95` are
    over `n_found`, everything else over `n_in_frame`. A number without anything under it, or an
    infinite one, is None.
    """
    percent = 100.0 * distance / diagonal
    seen = percent[np.isfinite(percent)]
    pixels = distance[np.isfinite(distance)]
    n = len(distance)
    return {
        "n_in_frame": n,
        "n_found": len(seen),
        "miss_rate": 1.0 - len(seen) / n if n else None,
        "mean_percent": _number(np.mean, seen),
        "median_percent": _number(np.median, seen),
        "p95_percent": _number(lambda v: np.percentile(v, 95), seen),
        "median_all_percent": _number(_median, percent),
        "epe_mean_px": _number(np.mean, pixels),
        "epe_median_px": _number(np.median, pixels),
        "pck": {f"{t:g}%": _number(lambda v, t=t: np.mean(v <= t), percent) for t in PCK_PERCENT},
        "auc": _number(area_under_pck, percent),
    }


def area_under_pck(percent: NDArray[np.float64]) -> float:
    """Mean of PCK over thresholds 0 to `AUC_PERCENT`, exact: the mean of max(0, 1 - e / end)."""
    return float(np.mean(np.clip(1.0 - percent / AUC_PERCENT, 0.0, 1.0)))


def _median(values: NDArray[np.float64]) -> float:
    """Median that may be infinite (numpy averages inf and inf to nan in an even count)."""
    low, high = (
        np.percentile(values, 50, method="lower"),
        np.percentile(values, 50, method="higher"),
    )
    return float(high if np.isinf(high) else (low + high) / 2)


def _number(statistic: Any, values: NDArray[np.float64]) -> float | None:
    if not len(values):
        return None
    value = float(statistic(values))
    return value if math.isfinite(value) else None
