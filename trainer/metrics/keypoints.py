"""How good keypoints are, each number with its definition and its denominator.

The localization error is the distance between a keypoint and its prediction, in percent of the
diagonal of its image. A miss is a keypoint in the frame that was not found; it has no error, so
means and percentiles are over found keypoints and always stand beside the miss rate, while the
median over all, PCK and the areas under it count a miss as infinitely far. `METRICS` says it for
each; `bootstrap` puts intervals around them.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.labels import HIDDEN, OUTSIDE, VISIBLE

DEFINITION = 1
"""Counts up whenever the same keypoints come to give other figures."""
PCK_PERCENT = (0.5, 1.0, 2.0, 5.0)
"""Thresholds of PCK, in percent of the diagonal."""
AUC_PERCENT = 5.0
"""Upper end of the area under the PCK curve, in percent of the diagonal."""
AUC_PIXELS, AUC_STEP = 20.0, 0.01
"""Upper end and step of the area under the PCK curve in pixels [px]."""

Over = Literal["n_found", "n_in_frame"]


@dataclass(frozen=True, eq=False)
class Errors:
    """How far predictions lie from keypoints; three arrays of one shape, (N, J) or (M,)."""

    pixels: NDArray[np.float64]
    """Distance in the image [px], inf where missed."""
    percent: NDArray[np.float64]
    """The same in percent of the diagonal of the keypoint's own image."""
    best_percent: NDArray[np.float64]
    """That of the best peak whatever its score: nothing is missed."""

    @classmethod
    def of(
        cls,
        predicted: NDArray[np.float64],
        true: NDArray[np.float64],
        found: NDArray[np.bool_],
        diagonals: ArrayLike,
    ) -> "Errors":
        """Errors of N images.

        Args:
            predicted: (N, J, 2) best peaks [px].
            true: (N, J, 2) keypoints [px].
            found: (N, J) false where the prediction counts as a miss.
            diagonals: (N,) of the images, or one of all [px].
        """
        distance = np.linalg.norm(predicted - true, axis=-1)
        percent = 100.0 * distance / np.asarray(diagonals, dtype=np.float64)[..., None]
        return cls(
            np.where(found, distance, np.inf),
            np.where(found, percent, np.inf),
            best_percent=percent,
        )

    def __getitem__(self, chosen: Any) -> "Errors":
        """Those that an index or a mask chooses."""
        return Errors(*(getattr(self, field.name)[chosen] for field in fields(self)))


@dataclass(frozen=True)
class Metric:
    """One number about many keypoints: the mean or a quantile of a value that each of them has."""

    name: str
    """Its key in JSON; a dot leads into a group."""
    unit: str
    over: Over
    """The keypoints that count: those found, or all in the frame."""
    definition: str
    value: Callable[[Errors], NDArray[Any]]
    """Of each keypoint."""
    quantile: float | None = None
    """Which; None is the mean."""

    def of(self, errors: Errors) -> float | None:
        """The number over in-frame keypoints (M,); None without any under it, or if infinite."""
        values = self.value(errors)
        if self.over == "n_found":
            values = values[np.isfinite(errors.pixels)]
        if not len(values):
            return None
        if self.quantile is None:
            return finite(float(np.mean(values)))
        return finite(quantile(values, self.quantile))


def area_under_pck(percent: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the thresholds 0 to `AUC_PERCENT` that each error meets."""
    return np.clip(1.0 - percent / AUC_PERCENT, 0.0, 1.0)


def area_under_pck_pixels(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each error adds to DREAM's area under the PCK curve in pixels.

    Thresholds are 0, 0.01, ..., 19.99 px; the curve is the share of errors strictly below each, its
    area the trapezoidal rule's over 20 px (Lee et al., "Camera-to-Robot Pose Estimation from a
    Single Image", ICRA 2020, and its code). A perfect prediction adds 0.99925.
    """
    thresholds = np.arange(0, AUC_PIXELS, AUC_STEP)
    met = len(thresholds) - np.searchsorted(thresholds, pixels, side="right")
    return np.maximum(met - 0.5, 0.0) * AUC_STEP / AUC_PIXELS


def _pck(threshold: float) -> Metric:
    return Metric(
        f"pck.{threshold:g}%",
        "share",
        "n_in_frame",
        f"keypoints with a localization error of at most {threshold:g} %",
        lambda e: e.percent <= threshold,
    )


METRICS = (
    Metric(
        "miss_rate",
        "share",
        "n_in_frame",
        "keypoints whose best peak has a belief under the threshold",
        lambda e: np.isinf(e.pixels),
    ),
    Metric("mean_percent", "%", "n_found", "mean localization error", lambda e: e.percent),
    Metric("median_percent", "%", "n_found", "median localization error", lambda e: e.percent, 0.5),
    Metric(
        "p95_percent",
        "%",
        "n_found",
        "95th percentile of the localization error",
        lambda e: e.percent,
        0.95,
    ),
    Metric(
        "median_all_percent",
        "%",
        "n_in_frame",
        "median localization error, a miss infinitely far; null where it is one",
        lambda e: e.percent,
        0.5,
    ),
    Metric("epe_mean_px", "px", "n_found", "mean end-point error", lambda e: e.pixels),
    Metric("epe_median_px", "px", "n_found", "median end-point error", lambda e: e.pixels, 0.5),
    *(_pck(threshold) for threshold in PCK_PERCENT),
    Metric(
        "auc",
        "share",
        "n_in_frame",
        f"area under PCK over thresholds 0 to {AUC_PERCENT:g} %, exact, divided by its width",
        lambda e: area_under_pck(e.percent),
    ),
    Metric(
        "pck_auc_20px",
        "share",
        "n_in_frame",
        "area under PCK over thresholds 0 to 20 px in steps of 0.01 px, errors strictly below, by "
        "the trapezoidal rule, divided by 20 px (DREAM's)",
        lambda e: area_under_pck_pixels(e.pixels),
    ),
    Metric(
        "best_peak.mean_percent",
        "%",
        "n_in_frame",
        "mean localization error of the best peak whatever its belief: nothing is a miss",
        lambda e: e.best_percent,
    ),
    Metric(
        "best_peak.median_percent",
        "%",
        "n_in_frame",
        "median localization error of the best peak whatever its belief: nothing is a miss",
        lambda e: e.best_percent,
        0.5,
    ),
)
"""All of them; the localization error is in percent of the image's diagonal."""


def groups(
    visibility: NDArray[np.uint8], names: Sequence[str]
) -> dict[str, dict[str, NDArray[np.bool_]]]:
    """The (N, J) masks of in-frame keypoints to give numbers for, besides all of them.

    Args:
        visibility: (N, J) 0 outside the frame, 1 inside but hidden, 2 visible.
        names: (J,) of the keypoints.
    """
    joints = np.arange(len(names))
    return {
        "joints": {name: (visibility > OUTSIDE) & (joints == j) for j, name in enumerate(names)},
        "visibility": {"hidden": visibility == HIDDEN, "visible": visibility == VISIBLE},
    }


def evaluate(errors: Errors, visibility: NDArray[np.uint8], names: Sequence[str]) -> dict[str, Any]:
    """All metrics, overall, per joint and per visibility, ready for JSON.

    Args:
        errors: (N, J).
        visibility: (N, J) 0 outside the frame, which does not count, 1 hidden, 2 visible.
        names: (J,) of the keypoints.

    Returns:
        The keys of `summarise` over all joints, `images`, and the same keys for each name under
        `joints` and for hidden and visible keypoints under `visibility`.
    """
    return {
        "images": len(visibility),
        **summarise(errors[visibility > OUTSIDE]),
        **{
            kind: {name: summarise(errors[mask]) for name, mask in masks.items()}
            for kind, masks in groups(visibility, names).items()
        },
    }


def summarise(errors: Errors) -> dict[str, Any]:
    """`METRICS` of in-frame keypoints (M,), with how many there are and how many were found."""
    return counts(errors) | nested({metric.name: metric.of(errors) for metric in METRICS})


def counts(errors: Errors) -> dict[Over, int]:
    """The denominators: in-frame keypoints (M,), and those of them that were found."""
    return {"n_in_frame": len(errors.pixels), "n_found": int(np.isfinite(errors.pixels).sum())}


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by the names of their metrics, groups led into."""
    tree: dict[str, Any] = {}
    for name, value in values.items():
        group, dot, leaf = name.partition(".")
        if dot:
            tree.setdefault(group, {})[leaf] = value
        else:
            tree[name] = value
    return tree


def quantile(values: NDArray[np.float64], q: float) -> float:
    """Quantile with linear interpolation that may be infinite (numpy's would be NaN then)."""
    place = q * (len(values) - 1)
    near = (math.floor(place), math.ceil(place))
    low, high = np.partition(values, near)[list(near)].tolist()
    return low if low == high else low + (high - low) * (place - near[0])


def finite(number: float) -> float | None:
    """The number for JSON: None if it is none or infinite."""
    return number if math.isfinite(number) else None
