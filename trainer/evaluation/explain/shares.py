"""How much of a loss hidden variables foretell, one by one, in groups and all together.

A hidden variable's values become levels: words as they are, numbers in equal parts of the samples.
A ridge regression on the levels foretells the loss of samples that it has not seen, fold by fold;
its penalty is what generalised cross-validation picks (Golub, Heath and Wahba, 1979). The share is
1 - (squared error of that) / (squared error of the mean loss): 1 if the variable tells all, 0 or
less if it tells nothing. Variance that levels have by chance alone does not count, as it would in
an analysis of variance; few samples teach less than there is to know, so shares grow a little with
their number. Shares of variables that go together overlap. Intervals are over samples; by how much
the regression would vary is not in them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.randomization.factors import Factor
from trainer.metrics.bootstrap import Bootstrap, Interval, middle

PARTS = 8
"""Levels of a number, at most."""
FEWEST = 10
"""Samples of a level; words that are rarer are one level."""
FOLDS = 10
PENALTIES = np.geomspace(0.5, 5000.0, 13)
"""Of the ridge regression, in samples: a level with as many is trusted by half."""
ABSENT, RARE = "none", "other"
GROUPS = {
    "q": "pose",
    "view": "camera",
    "sun": "light",
    "environment": "light",
    "exposure": "light",
    "lamps": "light",
    "materials": "surface",
    "wear": "surface",
    "background": "background",
    "stand": "surroundings",
    "props": "surroundings",
    "others": "surroundings",
    "stains": "surroundings",
    "tool": "surroundings",
    "sensor": "picture",
    "film": "picture",
}
"""What a hidden variable belongs to, by the first part of its name."""
ALL = "all together"

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Levels:
    """A hidden variable of N samples in L levels."""

    names: tuple[str, ...]
    """(L,) as words: a number's range, or the word."""
    places: NDArray[np.int64]
    """(N,) level of each sample."""

    @property
    def columns(self) -> Floats:
        """(N, L) 1 where a sample has the level."""
        return np.eye(len(self.names))[self.places]


@dataclass(frozen=True)
class Share:
    """What one variable, a group or all of them foretell."""

    name: str
    group: str | None
    """None of a group."""
    share: float
    """Of the loss' variance; 1 at most, 0 or less where it foretells nothing."""
    interval: Interval
    """95 %, a bootstrap over samples."""
    levels: tuple[tuple[str, int, float], ...] = ()
    """Of a variable: name, samples and mean loss of each level."""


def levels(values: Sequence[Factor]) -> Levels:
    """The levels of a variable's values (N,)."""
    words = [ABSENT if v is None else v for v in values]
    if numbers := [v for v in words if isinstance(v, float)]:
        parts = iter(_parts(np.array(numbers)))
        words = [next(parts) if isinstance(v, float) else v for v in words]
    counts = Counter(words)
    words = [RARE if counts[word] < FEWEST else word for word in words]
    names = tuple(sorted(set(words)))
    return Levels(names, np.array([names.index(word) for word in words]))


def _parts(numbers: Floats) -> list[str]:
    """The part of its variable that each number lies in, as a range."""
    parts = min(max(len(numbers) // FEWEST, 1), PARTS)
    edges = np.unique(np.quantile(numbers, np.linspace(0.0, 1.0, parts + 1)))
    places = np.searchsorted(edges[1:-1], numbers, side="right")
    names = {int(place): _range(numbers[places == place]) for place in np.unique(places)}
    return [names[int(place)] for place in places]


def _range(numbers: Floats) -> str:
    low, high = (f"{end:.3g}" for end in (numbers.min(), numbers.max()))
    return low if low == high else f"{low} to {high}"


def shares(factors: Sequence[Mapping[str, Factor]], losses: Floats, seed: int = 0) -> list[Share]:
    """What each variable, each group and all of them foretell, the largest share first.

    Args:
        factors: (N,) hidden variables of each sample, by name; N at least `2 * FOLDS`.
        losses: (N,) of the samples.
        seed: of folds and bootstrap.
    """
    names = dict.fromkeys(name for one in factors for name in one)
    all_levels = {name: levels([one.get(name) for one in factors]) for name in names}
    varied = {name: one for name, one in all_levels.items() if len(one.names) > 1}
    folds = np.random.default_rng(seed).permutation(len(losses)) % FOLDS
    bootstrap = Bootstrap.over(len(losses), seed=seed)

    def share(name: str, group: str | None, chosen: Sequence[Levels]) -> Share:
        columns = np.hstack([one.columns for one in chosen])
        value, interval = _share(columns, losses, folds, bootstrap)
        told = _told(chosen[0], losses) if group else ()
        return Share(name, group, value, interval, told)

    single = [share(name, group_of(name), [one]) for name, one in varied.items()]
    groups = dict.fromkeys(group_of(name) for name in varied)
    together = [
        share(group, None, [one for name, one in varied.items() if group_of(name) == group])
        for group in groups
    ]
    if varied:
        together.append(share(ALL, None, list(varied.values())))
    return sorted([*together, *single], key=lambda one: -one.share)


def group_of(name: str) -> str:
    """What a hidden variable belongs to."""
    first = name.split(".")[0]
    return GROUPS.get(first, first)


def _told(one: Levels, losses: Floats) -> tuple[tuple[str, int, float], ...]:
    return tuple(
        (name, int((one.places == i).sum()), float(losses[one.places == i].mean()))
        for i, name in enumerate(one.names)
    )


def _share(
    columns: Floats, losses: Floats, folds: NDArray[np.int64], bootstrap: Bootstrap
) -> tuple[float, Interval]:
    """The share that columns (N, L) foretell, and its interval."""
    left, whole = np.empty(len(losses)), np.empty(len(losses))
    for fold in range(FOLDS):
        out = folds == fold
        mean = losses[~out].mean()
        foretold = _ridge(columns[~out], losses[~out] - mean, columns[out])
        whole[out] = (losses[out] - mean) ** 2
        left[out] = (losses[out] - mean - foretold) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = 1.0 - (left @ bootstrap.draws) / (whole @ bootstrap.draws)
        share = 1.0 - left.sum() / whole.sum()
    return float(share), middle(spread)


def _ridge(known: Floats, losses: Floats, asked: Floats) -> Floats:
    """What a ridge regression on centred columns foretells, by the best of `PENALTIES`."""
    centre = known.mean(axis=0)
    U, s, Vt = np.linalg.svd(known - centre, full_matrices=False)
    along = U.T @ losses
    shrink = s**2 / (s**2 + PENALTIES[:, None])
    fits = (shrink * along) @ U.T
    freedom = 1.0 - (1.0 + shrink.sum(axis=1)) / len(losses)
    best = int(np.argmin(((losses - fits) ** 2).sum(axis=1) / freedom**2))
    slopes = np.divide(shrink[best] * along, s, out=np.zeros_like(s), where=s > 1e-9)
    return (asked - centre) @ (Vt.T @ slopes)
