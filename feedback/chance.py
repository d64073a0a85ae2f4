"""How far a prior moved, beside how far chance alone would have moved it.

A selection of a few samples moves the prior whatever they are. What losses have to do with it shows
against selections that have nothing to do with them: held-out samples change places, each with all
looks at which it was selected, so that selections are as many, as large and as lasting as before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feedback.rules import Stream, StreamRule
from simulator.randomization.prior import JointPrior

DRAWS = 1000
"""Permutations that a null is taken from."""
STREAM_DRAWS = 200
"""Of a stream's losses, which are more."""
SEED = 0x6368616E
FEW = 5
"""Selected samples per bin under which chance decides where the prior moves: what is expected in a
cell of a table before its statistics are believed."""


@dataclass(frozen=True)
class Chance:
    """A movement beside its null."""

    moved: float
    """Total variation between two priors' marginals, averaged over joints: 0 to 1."""
    low: float
    """The middle 95 % of what chance moves begins here."""
    high: float
    """It ends here."""
    p: float
    """Share of the null that moved at least as far, this movement counted in."""

    @classmethod
    def of(cls, moved: float, null: NDArray[np.float64]) -> "Chance":
        """Of a movement, and as many as chance makes (R,)."""
        low, high = np.quantile(null, (0.025, 0.975))
        beyond = int((null >= moved - 1e-12).sum())
        return cls(moved, float(low), float(high), (1 + beyond) / (1 + len(null)))

    @property
    def words(self) -> str:
        """Such as "24.1 % of its mass, chance 21.7 to 28.9 % (p 0.68)"."""
        return (
            f"{self.moved:.1%} of its mass, chance alone {self.low:.1%} to {self.high:.1%} "
            f"(p {self.p:.2g})"
        )

    def to_json(self) -> dict[str, float]:
        """As plain numbers."""
        return asdict(self)


def shift(first: NDArray[np.float64], last: NDArray[np.float64]) -> NDArray[np.float64]:
    """(...,) total variation between marginals (..., D, K), averaged over joints."""
    return np.abs(last - first).sum(axis=-1).mean(axis=-1) / 2


def of_selections(
    history: Sequence[Mapping[str, Any]],
    bins: NDArray[np.int64],
    last: bool = False,
    draws: int = DRAWS,
) -> list[Chance | None]:
    """The movement since the last prior that losses had no part in, after each history entry.

    Args:
        history: entries of a run's prior history; what comes before the first selection, such as
            the uniform prior or expected poses, is what they are compared with.
        bins: (N, D) of the run's held-out samples.
        last: work out the latest alone.
        draws: permutations.

    Returns:
        One per entry, or the latest; None where nothing was selected up to it.
    """
    order = np.random.default_rng(SEED).permuted(np.tile(np.arange(len(bins)), (draws, 1)), axis=1)
    times = np.zeros(len(bins), np.float32)
    found: list[Chance | None] = []
    before = after = np.zeros(0)
    for i, entry in enumerate(history):
        alpha = np.asarray(entry["alpha"], np.float64)
        chosen = np.asarray(entry["selected"], np.int64)
        times[chosen] += 1
        before, after = (before if times.any() else alpha), alpha
        if chosen.size and not (last and i < len(history) - 1):
            found.append(_of_places(before, after, times, order, bins))
        else:
            found.append(found[-1] if times.any() and found else None)
    if last and times.any() and not history[-1]["selected"]:
        return [_of_places(before, after, times, order, bins)]
    return found[-1:] if last else found


def _of_places(
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    times: NDArray[np.float32],
    order: NDArray[np.int64],
    bins: NDArray[np.int64],
) -> Chance:
    """The movement from one alpha to another beside that of samples that changed places.

    Args:
        before: (D, K) alpha.
        after: (D, K) alpha, grown by the samples' bins.
        times: (N,) how often each sample was selected.
        order: (R, N) permutations.
        bins: (N, D).
    """
    weight = (after.sum() - before.sum()) / (times.sum() * len(after))
    places = np.eye(after.shape[1], dtype=np.float32)[bins].reshape(len(bins), -1)
    null = before + weight * (times[order] @ places).reshape(len(order), *after.shape)
    first = _shares(before)
    return Chance.of(float(shift(first, _shares(after))), shift(first, _shares(null)))


def of_stream(
    rule: StreamRule, prior: JointPrior, stream: Stream, draws: int = STREAM_DRAWS
) -> Chance | None:
    """The one step of a rule beside its steps where losses had nothing to do with bins.

    Args:
        rule: that moved the prior.
        prior: before the step.
        stream: samples that it looked at.
        draws: permutations of the losses.
    """
    if not stream.losses.size:
        return None
    rng = np.random.default_rng(SEED)
    first = prior.marginal
    null = [
        shift(first, rule.moved(prior, Stream(losses, stream.bins, stream.weights)).marginal)
        for losses in (rng.permutation(stream.losses) for _ in range(draws))
    ]
    return Chance.of(
        float(shift(first, rule.moved(prior, stream).marginal)), np.array(null, np.float64)
    )


def too_few(selected: int, K: int) -> str | None:
    """What to say where a selection is too small for its bins to mean anything."""
    if selected == 0 or selected >= FEW * K:
        return None
    return (
        f"note: {selected} selected samples are {selected / K:.1f} per bin; under {FEW} chance "
        "decides where the prior moves. More --stream.held-out, a larger --feedback.select or "
        "fewer --bins would help"
    )


def selected_bins(history: Sequence[Mapping[str, Any]]) -> dict[str, float] | None:
    """How lossy the bins were that the prior was moved to, beside all bins, at first and at last.

    Returns:
        `before` and `after`: mean held-out loss of the bins that the prior renders more often than
        before the first look, each weighed by how much more, over the mean of all bins, at the
        first look and at the last; None where the prior did not move, or nobody looked.
    """
    looks = [i for i, entry in enumerate(history) if entry.get("bin_losses") is not None]
    if not looks or not looks[0]:
        return None
    first, last = (_shares(np.asarray(history[i]["alpha"], np.float64)) for i in (looks[0] - 1, -1))
    gain = np.maximum(last - first, 0.0)
    if gain.sum() < 1e-9:
        return None

    def ratio(entry: Mapping[str, Any]) -> float:
        losses = np.array(entry["bin_losses"], np.float64)  # None becomes NaN
        there = ~np.isnan(losses)
        weights = np.where(there, gain, 0.0)
        known = np.where(there, losses, 0.0)
        mean = known.sum() / max(int(there.sum()), 1)
        return float((weights * known).sum() / max(weights.sum(), 1e-12) / max(mean, 1e-12))

    return {"before": ratio(history[looks[0]]), "after": ratio(history[looks[-1]])}


def _shares(alpha: NDArray[np.float64]) -> NDArray[np.float64]:
    return alpha / alpha.sum(axis=-1, keepdims=True)
