"""Poses that the robot is expected to take, from its log: some to draw from, others to judge by.

Rows that follow one another are nearly the same pose, so the log is cut into blocks and every
`EVERY`-th block is held out: no pose is judged whose neighbour was drawn from.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from jointloop.common.errors import JointloopError
from simulator.randomization.assignment import Assignment
from simulator.randomization.bank import MAX_POSES, Bank
from simulator.randomization.prior import JointPrior

Mode = Literal["bins", "poses"]
BLOCKS = 50
"""That a log is cut into; of a log of fewer rows, each row is one."""
EVERY = 5
"""Of so many blocks one is held out."""
LEAST = 10
"""Rows of the shortest log."""
FEW = 5
"""Poses per bin under which the bins follow chance rather than the log."""


class ExpectError(JointloopError):
    """Expected poses cannot be used."""


@dataclass(frozen=True, eq=False)
class Expected:
    """A log of expected poses, split in two."""

    q: NDArray[np.float64]
    """(R, D) joint angles [rad], or [m] where a joint slides; within the joints' ranges."""
    name: str
    """Of the log."""
    mode: Mode = "bins"
    """bins: they are counted into the prior; poses: they are drawn themselves, and jitter."""
    jitter: float = 0.5
    """Of mode poses: the share of a bin by which an angle moves at most, either way."""

    def __post_init__(self) -> None:
        if len(self.q) < LEAST:
            raise ExpectError(
                f"{self.name} has {len(self.q)} poses; expected at least {LEAST}, some of which "
                "are held out"
            )

    @property
    def held_out(self) -> NDArray[np.bool_]:
        """(R,) whether a row is held out."""
        block = np.arange(len(self.q)) * min(BLOCKS, len(self.q)) // len(self.q)
        return block % EVERY == EVERY - 1

    @cached_property
    def digest(self) -> str:
        """Differs where poses, mode or jitter do."""
        jitter = self.jitter if self.mode == "poses" else None
        said = repr((self.mode, jitter)).encode() + self.q.round(9).tobytes()
        return hashlib.sha256(said).hexdigest()[:16]

    def check(self, prior: JointPrior) -> "Expected":
        """These poses, which are enough for the prior's bins.

        Raises:
            ExpectError: they are too few to say anything about bins.
        """
        drawn = int((~self.held_out).sum())
        if self.mode == "bins" and drawn < prior.bins:
            raise ExpectError(
                f"{self.name} has {drawn} poses to count into {prior.bins} bins a joint; expected "
                "at least as many as bins: give a longer log, fewer --bins, or --expect-mode poses"
            )
        return self

    def notes(self, prior: JointPrior) -> list[str]:
        """What a user should know of the split, a line each."""
        held, blocks = int(self.held_out.sum()), min(BLOCKS, len(self.q))
        drawn = len(self.q) - held
        how = "count into the prior" if self.mode == "bins" else "are drawn from"
        lines = [
            f"expected poses: of {len(self.q)} rows of {self.name}, {drawn} {how} and {held} are "
            f"held out (every {EVERY}th of {blocks} blocks of rows that follow one another)"
        ]
        if self.mode == "bins" and drawn < FEW * prior.bins:
            lines.append(
                f"note: {drawn / prior.bins:.1f} poses per bin; under {FEW} the bins follow "
                "chance rather than the log: give a longer log, fewer --bins, or --expect-mode "
                "poses"
            )
        if self.mode == "poses" and drawn > MAX_POSES:
            lines.append(f"note: {MAX_POSES} of the {drawn} poses are drawn from, evenly spaced")
        return lines

    def counts(self, prior: JointPrior) -> NDArray[np.int64]:
        """(D, K) how many of the poses to draw from lie in each bin."""
        bins = prior.bin_of(self.q[~self.held_out])
        return np.stack([np.bincount(row, minlength=prior.bins) for row in bins.T])

    def prior(self, first: JointPrior) -> JointPrior:
        """The posterior of the poses to draw from, one version on."""
        return first.updated(self.counts(first))

    def terms(self, prior: JointPrior) -> Assignment:
        """What training samples are drawn from: the prior, or the poses."""
        if self.mode == "bins":
            return Assignment.of(prior)
        width = (prior.upper - prior.lower) / prior.bins
        return Assignment.of(prior, bank=self._bank(~self.held_out, prior, self.jitter * width))

    def held_out_terms(self, prior: JointPrior) -> Assignment:
        """What held-out samples are drawn from: the other rows, as they were logged."""
        bank = self._bank(self.held_out, prior, np.zeros(len(prior.lower)))
        return Assignment.of(prior, "heldout", bank)

    def _bank(
        self, chosen: NDArray[np.bool_], prior: JointPrior, jitter: NDArray[np.float64]
    ) -> Bank:
        inside = np.clip(self.q, prior.lower, np.nextafter(prior.upper, -np.inf))
        return Bank.of(inside[chosen], np.flatnonzero(chosen), jitter)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """These poses as arrays by name, for `of_arrays`."""
        said = {"name": self.name, "mode": self.mode, "jitter": self.jitter}
        return {"q": self.q} | {name: np.array(value) for name, value in said.items()}

    @staticmethod
    def of_arrays(arrays: Mapping[str, NDArray[Any]]) -> "Expected":
        """The poses of such arrays.

        Raises:
            KeyError: an array is missing.
            ValueError: one is of another kind.
        """
        mode: Any = str(arrays["mode"])
        return Expected(
            np.asarray(arrays["q"], np.float64),
            str(arrays["name"]),
            mode,
            float(arrays["jitter"]),
        )


def training_terms(prior: JointPrior, expected: Expected | None) -> Assignment:
    """What training samples are drawn from, with expected poses or without."""
    return Assignment.of(prior) if expected is None else expected.terms(prior)
