"""Statistics of photos beside those of renderings: medians, quartiles, how far apart they lie."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from trainer.gap.statistics import STATISTICS

NEAR, FAR = 0.5, 1.5
"""Shifts, in spreads, up to which photos are like renderings, and from which they are far apart."""
NORMAL = 1.349
"""Distance of the quartiles of a normal distribution, in its standard deviations."""
LEAST = 0.02
"""Smallest spread, of the median: renderings that are all alike still differ by something."""
OF_SHARES = {"highlights": 0.5, "blacks": 0.5}
"""Smallest spread of what is zero in most pictures [%]."""

Verdict = Literal["alike", "higher", "lower", "far higher", "far lower", "unknown"]
Kept = Sequence[dict[str, float]]
"""The statistics of pictures; some may lack some."""


@dataclass(frozen=True)
class Spread:
    """Of one statistic over pictures."""

    count: int
    median: float
    quartiles: tuple[float, float]

    @staticmethod
    def of(pictures: Kept, name: str) -> "Spread | None":
        """Over those that have the statistic; None where none has."""
        values = [one[name] for one in pictures if name in one]
        if not values:
            return None
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75]).tolist()
        return Spread(len(values), middle, (low, high))


@dataclass(frozen=True)
class Row:
    """One statistic of both."""

    name: str
    photos: Spread | None
    renderings: Spread | None

    @property
    def unit(self) -> float:
        """The renderings' spread, as a normal distribution's deviation."""
        assert self.renderings is not None
        low, high = self.renderings.quartiles
        least = max(OF_SHARES.get(self.name, 0.0), LEAST * abs(self.renderings.median), 1e-9)
        return max((high - low) / NORMAL, least)

    @property
    def shift(self) -> float | None:
        """Of the photos' median from the renderings', in the renderings' spread."""
        if self.photos is None or self.renderings is None:
            return None
        return (self.photos.median - self.renderings.median) / self.unit

    @property
    def verdict(self) -> Verdict:
        """What the photos are, beside the renderings."""
        if self.shift is None:
            return "unknown"
        if abs(self.shift) <= NEAR:
            return "alike"
        far = abs(self.shift) >= FAR
        if self.shift > 0:
            return "far higher" if far else "higher"
        return "far lower" if far else "lower"


def compare(photos: Kept, renderings: Kept) -> list[Row]:
    """A row for each of `STATISTICS`."""
    return [Row(name, Spread.of(photos, name), Spread.of(renderings, name)) for name in STATISTICS]


def as_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows as they are written down."""

    def spread(one: Spread | None) -> dict[str, Any] | None:
        if one is None:
            return None
        return {"pictures": one.count, "median": one.median, "quartiles": list(one.quartiles)}

    return [
        {
            "statistic": row.name,
            "definition": STATISTICS[row.name],
            "photos": spread(row.photos),
            "renderings": spread(row.renderings),
            "shift": row.shift,
            "verdict": row.verdict,
        }
        for row in rows
    ]
