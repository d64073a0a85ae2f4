"""Every version of the prior and what led to it: `prior_history.jsonl` in the run folder.

JSON lines (`jointloop.common.lines`), only ever appended.
"""

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feedback.controller import Observation
from feedback.selection import FeedbackError
from jointloop.common.lines import LinesError, append_line, keep_lines, read_lines
from simulator.randomization.prior import JointPrior

FILE = "prior_history.jsonl"


class HistoryError(FeedbackError):
    """A prior history cannot be read or continued."""


def movement(first: JointPrior, last: JointPrior) -> dict[str, Any]:
    """How far the prior moved, as JSON values.

    Returns:
        `total_variation`: (D,) half the L1 distance between the marginals of the two, 0 to 1, the
        share of rendered images whose bin changed; `total_variation_mean` and `_max` over joints;
        `entropy_first`, `entropy`: (D,) entropy of the marginals over log K, 1 when uniform;
        `kl_uniform`: (D,) Kullback-Leibler divergence of the last marginal from uniform [nat].

    Raises:
        HistoryError: the two are of different shapes.
    """
    if first.alpha.shape != last.alpha.shape:
        raise HistoryError(
            f"priors of shapes {first.alpha.shape} and {last.alpha.shape} cannot be compared"
        )
    moved = np.abs(last.marginal - first.marginal).sum(axis=1) / 2
    divergence = (1 - last.entropy) * np.log(last.bins)  # log K - H
    return {
        "total_variation": moved.tolist(),
        "total_variation_mean": float(moved.mean()),
        "total_variation_max": float(moved.max()),
        "entropy_first": first.entropy.tolist(),
        "entropy": last.entropy.tolist(),
        "kl_uniform": np.maximum(divergence, 0.0).tolist(),
    }


def read_history(folder: Path) -> list[dict[str, Any]]:
    """The entries of a run's prior history, oldest first; none if there is no file yet.

    Returns:
        Dicts with `version`, `epoch` (-1: what the run began with, 0: expected poses), `time` [s
        since 1970], `alpha` (D, K), `lower` and `upper` (D,) [rad], `selected` (M,) and `rule`, the
        name of what selected them or else moved the prior (None where nothing did, and in histories
        older than rules), `losses` (M,), `bin_losses` (D, K) mean held-out loss of each bin (None
        before a look), `chance` (of a rule that selects none; see `Chance`) and `movement` (see the
        function of that name; from the run's first prior).

    Raises:
        HistoryError: a line other than a half-written last one is no such entry.
    """
    try:
        return read_lines(folder / FILE, "prior", _entry)
    except LinesError as error:
        raise HistoryError(str(error)) from error


def prior_of(entry: Mapping[str, Any]) -> JointPrior:
    """The prior that a history entry holds."""
    lower, upper = (np.asarray(entry[k], np.float64) for k in ("lower", "upper"))
    return JointPrior(np.asarray(entry["alpha"], np.float64), lower, upper, int(entry["version"]))


def marginals(history: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
    """(T, D, K) probability of each bin after each of T history entries."""
    return np.stack([prior_of(entry).marginal for entry in history])


class History:
    """Appends to the prior history of one run."""

    def __init__(self, folder: Path) -> None:
        """Open the history of a run folder, new or to be continued.

        Raises:
            HistoryError: what is there is no prior history.
        """
        self.path = folder / FILE
        entries = read_history(folder)
        self._first = prior_of(entries[0]) if entries else None
        self._last = prior_of(entries[-1]) if entries else None

    @property
    def version(self) -> int:
        """The newest version written; -1 before the first."""
        return self._last.version if self._last else -1

    def rewind(self, epoch: int) -> None:
        """Cut off what was written after an epoch: the run goes on from there.

        Only priors that were never given out may be cut: one version never means two priors.
        """
        entries = read_history(self.path.parent)
        kept = [entry for entry in entries if entry["epoch"] <= epoch]
        keep_lines(self.path, len(kept))
        self._last = prior_of(kept[-1]) if kept else None

    def append(self, observation: Observation) -> None:
        """Write one observation through to the disk.

        With feedback off the same prior comes again under the same version.

        Raises:
            HistoryError: the version does not grow, though the prior is another.
        """
        prior = observation.prior
        same = self._last is not None and np.array_equal(prior.alpha, self._last.alpha)
        if prior.version < self.version or (prior.version == self.version and not same):
            raise HistoryError(
                f"{self.path}: version {prior.version} of epoch {observation.epoch} does not "
                f"follow version {self.version}; a changed prior needs a higher one"
            )
        self._first = self._first or prior
        entry = {
            "version": prior.version,
            "epoch": observation.epoch,
            "time": time.time(),
            "selected": observation.selected.tolist(),
            "rule": observation.rule,
            "losses": [_number(loss) for loss in observation.losses],
            "bin_losses": _rows(observation.bin_losses),
            "chance": observation.chance and observation.chance.to_json(),
            "movement": movement(self._first, prior),
            "lower": prior.lower.tolist(),
            "upper": prior.upper.tolist(),
            "alpha": prior.alpha.tolist(),
        }
        append_line(self.path, entry)
        self._last = prior


def _entry(row: dict[str, Any]) -> dict[str, Any]:
    prior_of(row)
    later = {"rule": None, "bin_losses": None, "chance": None}  # than the first histories
    return later | row | {"epoch": int(row["epoch"])}


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _rows(values: NDArray[np.float64] | None) -> list[list[float | None]] | None:
    return None if values is None else [[_number(value) for value in row] for row in values]
