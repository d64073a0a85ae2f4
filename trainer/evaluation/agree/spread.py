"""How far people's marks lie apart, and what all of them say together.

A keypoint's consensus in an image is the geometric median of its marks: the place that is nearest
to all of them, which one mark far off hardly moves. A mark's spread is its distance from the
consensus of the others, since it would draw its own towards itself; that consensus errs too, so the
distance is taken times sqrt((M - 1) / M) where M people mark: what it would be to the true place,
to within 5 %.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.labels import OUTSIDE
from trainer.evaluation.agree.marks import Marks
from trainer.evaluation.coco_out import Marked, around
from trainer.metrics.bootstrap import LEVEL, Bootstrap, middle

Array = NDArray[np.float64]
SCHEMA = 1
"""Version of agreement.json."""
FAR_OUT = 3.0
"""Quartile ranges beyond the upper quartile from which a mark is one that people disagree on."""
STEPS = 200
"""That a geometric median takes at most."""
DEFINITIONS = {
    "spread": "distance of a mark from the geometric median of the others' marks of that keypoint "
    "in that image, times sqrt((M - 1) / M) for M people, in % of the image's diagonal; n marks of "
    "keypoints that at least two people mark",
    "sigma": "OKS fall-off: square root of the mean squared spread, over the square root of the "
    "area of the robot's box",
    "flags": "share of the people's pairs that give a keypoint the same flag",
    "interval": f"bootstrap over images, the middle {LEVEL:.0%}",
}


def geometric_medians(points: Array) -> Array:
    """(..., 2) the places whose distances from points (M, ..., 2) have the least sum; of many such,
    one of them.

    Points that are NaN do not count; the place of none is NaN. Weiszfeld's iteration, begun at the
    mean; distances under a millionth of the points' extent count as that.
    """
    there = np.isfinite(points[..., 0])
    held = np.where(there[..., None], points, 0.0)
    count = there.sum(axis=0)[..., None]
    place = held.sum(axis=0) / np.where(count > 0, count, np.nan)
    away = np.where(there, np.linalg.norm(held - place, axis=-1), 0.0)
    least = np.maximum(1e-6 * away.max(axis=0, initial=0.0), 1e-12)
    for _ in range(STEPS):
        pulls = there / np.maximum(np.linalg.norm(held - place, axis=-1), least)
        total = pulls.sum(axis=0)[..., None]
        moved = (pulls[..., None] * held).sum(axis=0) / np.where(total > 0, total, np.nan)
        done = np.nan_to_num(np.abs(moved - place).max(axis=-1)) <= least
        place = moved
        if done.all():
            break
    return place


@dataclass(frozen=True, eq=False)
class Agreement:
    """What people's marks of N images come to."""

    marks: Marks
    sizes: NDArray[np.int64]
    """(N, 2) width and height of the images [px]."""

    @cached_property
    def consensus(self) -> Array:
        """(N, J, 2) [px]; NaN where less than half of the people who have the image mark it."""
        enough = 2 * self.counts >= self.marks.seen.sum(axis=0)[:, None]
        return np.where(enough[..., None], geometric_medians(self.marks.pixels), np.nan)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """(N, J) people who mark a keypoint."""
        return np.isfinite(self.marks.pixels[..., 0]).sum(axis=0)

    @cached_property
    def visibility(self) -> NDArray[np.uint8]:
        """(N, J) what most people who mark a keypoint say; hidden where they are as many."""
        visible = (self.marks.visibility == 2).sum(axis=0)
        said = np.where(2 * visible > self.counts, 2, 1)
        return np.where(np.isfinite(self.consensus[..., 0]), said, OUTSIDE).astype(np.uint8)

    @cached_property
    def boxes(self) -> Array:
        """(N, 4) the mean of people's boxes, or the one around the consensus [px]."""
        said = self.marks.boxes[..., 2:].prod(axis=-1) > 0
        total = (self.marks.boxes * said[..., None]).sum(axis=0)
        mean = total / np.maximum(said.sum(axis=0), 1)[:, None]
        shown = self.visibility > OUTSIDE
        own = [around(p[v]) for p, v in zip(self.consensus, shown, strict=True)]
        return np.where(said.any(axis=0)[:, None], mean, np.array(own).reshape(-1, 4))

    @cached_property
    def offsets(self) -> Array:
        """(A, N, J, 2) marks less the consensus of the others, as they would lie about the true
        place [px]; NaN where fewer than two people mark."""
        people = range(len(self.marks.people))
        others = [geometric_medians(np.delete(self.marks.pixels, a, axis=0)) for a in people]
        factor = np.sqrt(np.maximum(self.counts - 1, 0) / np.maximum(self.counts, 1))
        return (self.marks.pixels - np.array(others)) * factor[..., None]

    @cached_property
    def percent(self) -> Array:
        """(A, N, J) sizes of the offsets, in % of the image's diagonal."""
        diagonals = np.linalg.norm(self.sizes, axis=1)
        return 100 * np.linalg.norm(self.offsets, axis=-1) / diagonals[:, None]

    def disputed(self) -> list[int]:
        """Images that people disagree on, the most disputed first.

        One mark lies far out of its keypoint's spread, or some people mark what others leave out.
        """
        with np.errstate(all="ignore"):
            flat = self.percent.reshape(-1, self.percent.shape[-1])
            low, high = (_quantiles(flat, q) for q in (0.25, 0.75))
            over = self.percent / (high + FAR_OUT * (high - low))
        worst = np.nan_to_num(over, nan=0.0).max(axis=(0, 2), initial=0.0)
        have = self.marks.seen.sum(axis=0)[:, None]
        unlike = ((self.counts > 0) & (self.counts < have)).sum(axis=1)
        order = np.lexsort((-unlike, -worst))
        return [int(n) for n in order if worst[n] > 1 or unlike[n]]

    def as_marked(self) -> list[Marked]:
        """The consensus, image by image."""
        rows = zip(
            self.marks.images, self.sizes, self.consensus, self.visibility, self.boxes, strict=True
        )
        return [
            Marked(image.name, (int(w), int(h)), pixels, seen, tuple(box.tolist()))
            for image, (w, h), pixels, seen, box in rows
        ]

    def as_json(self, seed: int = 0) -> dict[str, Any]:
        """All figures."""
        bootstrap = Bootstrap.over(len(self.marks.images), seed=seed)
        names = self.marks.robot.keypoint_names
        return {
            "schema": SCHEMA,
            "robot": self.marks.robot.name,
            "people": list(self.marks.people),
            "images": len(self.marks.images),
            "keypoints": {n: self._of_keypoint(bootstrap, j) for j, n in enumerate(names)},
            "by_person": {
                name: {"median_percent": _plain(float(np.median(own)) if own.size else None)}
                for name, own in zip(self.marks.people, map(_finite, self.percent), strict=True)
            },
            "flags": self._flags(),
            "disputed": [self.marks.images[n].name for n in self.disputed()],
            "definitions": DEFINITIONS,
        }

    def _of_keypoint(self, bootstrap: Bootstrap, j: int) -> dict[str, Any]:
        values, scaled = self.percent[:, :, j], self._scaled(j)
        image = np.nonzero(np.isfinite(values))[1].astype(np.int64)
        values = _finite(values)
        said: dict[str, Any] = {"n": len(values)}
        for name, q in (("median", 0.5), ("lower_quartile", 0.25), ("upper_quartile", 0.75)):
            value = float(np.quantile(values, q)) if len(values) else None
            spread = bootstrap.quantiles(values, image, q) if len(values) else values
            said[f"{name}_percent"] = _figure(value, spread, image)
        image = np.nonzero(np.isfinite(scaled))[1].astype(np.int64)
        squares = _finite(scaled) ** 2
        value = float(np.sqrt(squares.mean())) if len(squares) else None
        spread = np.sqrt(bootstrap.means(squares, image)) if len(squares) else squares
        return said | {"sigma": _figure(value, spread, image)}

    def _scaled(self, j: int) -> Array:
        """(A, N) distances over the square root of the box's area; NaN where it has none."""
        areas = self.boxes[:, 2] * self.boxes[:, 3]
        side = np.sqrt(np.where(areas > 0, areas, np.nan))
        return np.linalg.norm(self.offsets[:, :, j], axis=-1) / side

    def _flags(self) -> dict[str, Any]:
        same = pairs = 0
        people = range(len(self.marks.people))
        for a in people:
            for b in people[:a]:
                both = self.marks.seen[a] & self.marks.seen[b]
                alike = self.marks.visibility[a, both] == self.marks.visibility[b, both]
                same, pairs = same + int(alike.sum()), pairs + alike.size
        return {"same": same / pairs if pairs else None, "pairs": pairs}


def agreement(marks: Marks) -> Agreement:
    """What marks come to; reads the images for their sizes.

    Raises:
        JointloopError: one cannot be read.
    """
    sizes = [image.load().shape[1::-1] for image in marks.images]
    return Agreement(marks, np.array(sizes, np.int64).reshape(-1, 2))


def _finite(values: Array) -> Array:
    return values[np.isfinite(values)]


def _quantiles(values: Array, q: float) -> Array:
    """(J,) quantile of each column (M, J); NaN of one without values."""
    return np.array([np.quantile(own, q) if (own := _finite(c)).size else np.nan for c in values.T])


def _figure(value: float | None, spread: Array, image: NDArray[np.int64]) -> dict[str, Any]:
    spread = _finite(spread)
    varies = len(spread) > 0 and len(set(image.tolist())) > 1
    ends = middle(spread) if varies else None
    return {"value": _plain(value), "interval": None if ends is None else list(map(_plain, ends))}


def _plain(number: float | None) -> float | None:
    return None if number is None else round(float(number), 6)
