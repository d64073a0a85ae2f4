"""What a comparison came to: samples to a level, areas and errors, with intervals and p.

A curve is the mean error over pairs by samples, as low as it has been so far. An arm's ratio is the
samples it needs to the level that a control ends at, over those that the control needs; intervals
are of a bootstrap over pairs, and p of Wilcoxon's signed ranks of areas under the log of the error,
pair by pair.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from trainer.evaluation.arms.study import CONTROLS, Arm
from trainer.evaluation.arms.training import COLUMNS
from trainer.metrics.bootstrap import middle

RESAMPLES = 2000
SEED = 0x61726D73
LEAST = 6
"""Pairs under which no signed ranks come to p under 0.05."""


@dataclass(frozen=True, eq=False)
class Curves:
    """Errors of all arms in the pairs that all of them have."""

    samples: NDArray[np.int64]
    """(E,) trained on by the end of each epoch."""
    errors: dict[Arm, NDArray[np.float64]]
    """(P, E) mean error of each arm [% of the diagonal]."""
    elsewhere: dict[Arm, NDArray[np.float64]]
    """(P,) likewise of uniform poses at the end; NaN where those are the target."""

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]], arms: Sequence[Arm]) -> "Curves":
        """The curves of rows of `training.COLUMNS`; pairs that lack an arm are left out."""
        by: dict[Arm, dict[int, list[Mapping[str, Any]]]] = {arm: {} for arm in arms}
        for row in rows:
            by[row["arm"]].setdefault(row["pair"], []).append(row)
        whole = sorted(set.intersection(*(set(by[arm]) for arm in arms)))
        samples = [row["samples"] for row in by[arms[0]][whole[0]]] if whole else []
        errors: dict[Arm, NDArray[np.float64]] = {
            arm: np.array([[row["error_mean"] for row in by[arm][pair]] for pair in whole])
            for arm in arms
        }
        last: dict[Arm, NDArray[np.float64]] = {
            arm: np.array([by[arm][pair][-1]["elsewhere_mean"] for pair in whole], np.float64)
            for arm in arms
        }
        return cls(np.array(samples, np.int64), errors, last)

    @property
    def pairs(self) -> int:
        """P."""
        return len(next(iter(self.errors.values())))


def samples_to(samples: NDArray[np.int64], errors: NDArray[np.float64], level: float) -> float:
    """Samples at which a curve (E,) first is at a level, between epochs by straight lines.

    Infinite where it never is; before the first epoch, the first epoch's.
    """
    best = np.minimum.accumulate(errors)
    if best[-1] > level:
        return float("inf")
    at = int(np.argmax(best <= level))
    if at == 0:
        return float(samples[0])
    share = (best[at - 1] - level) / (best[at - 1] - best[at])
    return float(samples[at - 1] + share * (samples[at] - samples[at - 1]))


def ratio(
    samples: NDArray[np.int64], errors: NDArray[np.float64], control: NDArray[np.float64]
) -> float:
    """Samples that a curve (E,) needs to the level its control ends at, over the control's own."""
    level = float(np.minimum.accumulate(control)[-1])
    return samples_to(samples, errors, level) / samples_to(samples, control, level)


def outcome(curves: Curves) -> list[dict[str, Any]]:
    """A line of the table for every arm, against each control that there is."""
    P = curves.pairs
    drawn = np.random.default_rng(SEED).integers(0, P, (RESAMPLES, P))
    lines = []
    for arm, errors in curves.errors.items():
        line: dict[str, Any] = {
            "arm": arm,
            "pairs": P,
            "final_error": _with_interval(errors[:, -1], drawn),
            "area": _with_interval(_areas(errors), drawn),
            "elsewhere": None,
        }
        if not np.isnan(curves.elsewhere[arm]).any():
            line["elsewhere"] = _with_interval(curves.elsewhere[arm], drawn)
        for control in CONTROLS:
            if control in curves.errors and control != arm:
                other = curves.errors[control]
                line[f"against_{control}"] = _against(curves.samples, errors, other, drawn)
        lines.append(line)
    return lines


def _signed_rank(off: NDArray[np.float64]) -> float:
    """Of differences (P,), the p of Wilcoxon's signed-rank test."""
    if len(off) < 2 or not off.any():
        return 1.0
    _, p = np.asarray(wilcoxon(off), np.float64)
    return float(p)


def _against(
    samples: NDArray[np.int64],
    errors: NDArray[np.float64],
    control: NDArray[np.float64],
    drawn: NDArray[np.int64],
) -> dict[str, Any]:
    spread = np.array(
        [ratio(samples, errors[some].mean(axis=0), control[some].mean(axis=0)) for some in drawn]
    )
    value = ratio(samples, errors.mean(axis=0), control.mean(axis=0))
    off = _areas(errors) - _areas(control)
    p = _signed_rank(off)
    return {
        "samples_ratio": value if np.isfinite(value) else None,
        "interval": middle(spread),
        "p": p,
    }


def _areas(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """(P,) mean over epochs of the log of the error."""
    return np.log(np.maximum(errors, 1e-9)).mean(axis=1)


def _with_interval(values: NDArray[np.float64], drawn: NDArray[np.int64]) -> dict[str, Any]:
    return {"mean": float(values.mean()), "interval": middle(values[drawn].mean(axis=1))}


def table(lines: Sequence[Mapping[str, Any]]) -> str:
    """The outcome as a table of Markdown."""
    controls = [c for c in CONTROLS if any(f"against_{c}" in line for line in lines)]
    heads = ["arm", "pairs"]
    for control in controls:
        heads += [f"samples, of {control}'s", f"p, {control}"]
    heads += ["final error [%]", "uniform poses [%]"]
    rows = [heads, ["---"] * len(heads)]
    for line in lines:
        cells = [str(line["arm"]), str(line["pairs"])]
        for control in controls:
            against = line.get(f"against_{control}")
            cells += ["", ""] if against is None else [_ratio(against), f"{against['p']:.3g}"]
        cells += [_number(line["final_error"]), _number(line["elsewhere"])]
        rows.append(cells)
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def notes(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a reader of the table should know, a line each."""
    found = []
    if lines[0]["pairs"] < LEAST:
        found.append(
            f"note: {lines[0]['pairs']} pairs; with fewer than {LEAST} no p can be under 0.05"
        )
    if not any(line["arm"] == "aa" for line in lines):
        found.append(
            "note: without arm aa nothing says how far two trainings that differ in nothing are "
            "apart"
        )
    return found


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """All rows, with a line of names."""
    held = io.StringIO()
    writer = csv.DictWriter(held, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return held.getvalue()


def _ratio(against: Mapping[str, Any]) -> str:
    value, (low, high) = against["samples_ratio"], against["interval"]
    middle_ = "never" if value is None else f"{value:.2f}"
    low, high = ("never" if end is None else f"{end:.2f}" for end in (low, high))
    return f"{middle_} [{low}, {high}]"


def _number(value: Mapping[str, Any] | None) -> str:
    if value is None:
        return ""
    low, high = value["interval"]
    return f"{value['mean']:.2f} [{low:.2f}, {high:.2f}]"
