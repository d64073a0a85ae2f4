"""Bootstrap intervals: how much a number owes to the images that happen to be in a test set.

Images are drawn with replacement, whole, since the keypoints of one image err together; each metric
is computed anew for every such resample, and the middle 95 % of its values are the interval (the
percentile method: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13).

A resample is how often it draws each image, so nothing is copied: a mean is a product of those
numbers with sums per image, and a quantile lies where their running sum, taken along the sorted
values, reaches its place.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from trainer.metrics.keypoints import METRICS, Errors, Metric, finite, quantile

LEVEL = 0.95
"""Share of the resamples that an interval spans."""
RESAMPLES = 1000
BLOCK = 128
"""Sorted values whose draws are summed up at once."""

Interval = tuple[float | None, float | None]
"""Lower and upper end; None is infinite."""


def middle(spread: NDArray[np.float64]) -> Interval:
    """The interval that the values (B,) of a metric in all resamples span, B at least 1."""
    tail = (1 - LEVEL) / 2
    return finite(quantile(spread, tail)), finite(quantile(spread, 1 - tail))


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Resamples of N images."""

    draws: NDArray[np.float32]
    """(N, B) how often resample b draws image i."""

    @classmethod
    def over(cls, images: int, resamples: int = RESAMPLES, seed: int = 0) -> "Bootstrap":
        """So many resamples of so many images; the same arguments give the same ones."""
        drawn = np.random.default_rng(seed).integers(0, images, (resamples, images))
        places = drawn * resamples + np.arange(resamples)[:, None]
        numbers = np.bincount(places.ravel(), minlength=images * resamples)
        return cls(numbers.astype(np.float32).reshape(images, resamples))

    def intervals(self, errors: Errors, counted: NDArray[np.bool_]) -> dict[str, Interval | None]:
        """The interval of every metric, by its name.

        Resamples without anything under a metric are left out of its interval; it has none where
        all that is under it lies in one image, which cannot vary.

        Args:
            errors: (N, J) of the images.
            counted: (N, J) the keypoints that the metrics are over.
        """
        image = np.nonzero(counted)[0]
        chosen = errors[counted]
        over = {"n_found": np.isfinite(chosen.pixels), "n_in_frame": slice(None)}
        return {
            m.name: self._interval(m, chosen[over[m.over]], image[over[m.over]]) for m in METRICS
        }

    def _interval(
        self, metric: Metric, errors: Errors, image: NDArray[np.int64]
    ) -> Interval | None:
        """Over keypoints (M,) that lie in these images (M,)."""
        if not len(image) or image.min() == image.max():
            return None
        values = metric.value(errors)
        if metric.quantile is None:
            spread = self.means(values, image)
        else:
            spread = self.quantiles(values, image, metric.quantile)
        if not len(spread := spread[~np.isnan(spread)]):
            return None
        return middle(spread)

    def means(self, values: NDArray[np.float64], image: NDArray[np.int64]) -> NDArray[np.float64]:
        """(B,) mean of values (M,) of images (M,) in every resample, NaN in those without any."""
        images = len(self.draws)
        sums, numbers = (
            np.bincount(image, weights, images).astype(np.float32) @ self.draws
            for weights in (values, None)
        )
        mean = np.full(len(sums), np.nan)
        return np.divide(sums, numbers, out=mean, where=numbers > 0)

    def quantiles(
        self, values: NDArray[np.float64], image: NDArray[np.int64], q: float
    ) -> NDArray[np.float64]:
        """(B,) quantile likewise, as `metrics.quantile` has it."""
        order = np.argsort(values)
        values, image = values[order], image[order]
        ones, rows = np.ones(len(image), np.float32), np.arange(len(image))
        shape = (rows[-1] // BLOCK + 1, len(self.draws))
        blocks = csr_array((ones, (rows // BLOCK, image)), shape) @ self.draws
        running = np.cumsum(blocks, axis=0, dtype=np.float64)
        numbers = running[-1]
        place = q * np.maximum(numbers - 1, 0)
        low, high = (
            values[self._reaching(np.floor(p), running, image)] for p in (place, np.ceil(place))
        )
        with np.errstate(invalid="ignore"):  # inf - inf, which the comparison leaves out
            part = np.where(low == high, low, low + (high - low) * (place % 1))
        return np.where(numbers > 0, part, np.nan)

    def _reaching(
        self, place: NDArray[np.float64], running: NDArray[np.float64], image: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """(B,) row of the sorted values that is number `place` (B,), counted from 0, in a resample.

        Args:
            place: whole numbers under the resample's number of values.
            running: (blocks, B) values that it has up to the end of every block.
            image: (M,) of the sorted values.
        """
        columns = np.arange(len(place))
        block = np.minimum((running <= place).sum(axis=0), len(running) - 1)
        before = np.where(block > 0, running[block - 1, columns], 0)
        rows = np.minimum(block * BLOCK + np.arange(BLOCK)[:, None], len(image) - 1)
        within = before + np.cumsum(self.draws[image[rows], columns], axis=0)
        return rows[np.minimum((within <= place).sum(axis=0), BLOCK - 1), columns]
