"""Logged poses to draw from in place of the prior's bins: a row of the log, and jitter about it.

What goes together in the log stays together, which a prior of independent joints cannot say.
"""

from functools import cached_property
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from jointloop.common.errors import JointloopError
from simulator.robot import MAX_JOINTS

MAX_POSES = 4096
"""Of a bank; a longer log is thinned."""
Count = Annotated[int, Meta(ge=0, lt=2**62)]
PerJoint = Annotated[tuple[float, ...], Meta(min_length=1, max_length=MAX_JOINTS)]


class BankError(JointloopError):
    """A bank's numbers cannot be used."""


class Bank(msgspec.Struct, frozen=True, dict=True):
    """Logged poses, and how far from them a draw may lie."""

    q: Annotated[tuple[PerJoint, ...], Meta(min_length=1, max_length=MAX_POSES)]
    """(R, D) joint angles [rad], or [m] where a joint slides."""
    rows: Annotated[tuple[Count, ...], Meta(min_length=1, max_length=MAX_POSES)]
    """(R,) their numbers in the log, from 0."""
    jitter: PerJoint
    """(D,) an angle is moved by at most this, either way [rad]."""

    @classmethod
    def of(
        cls, q: NDArray[np.float64], rows: NDArray[np.int64], jitter: NDArray[np.float64]
    ) -> "Bank":
        """A bank of such poses (R, D), of more than `MAX_POSES` an evenly spaced choice."""
        some = np.unique(np.linspace(0, len(q) - 1, min(len(q), MAX_POSES)).astype(int))
        return cls(
            tuple(map(tuple, q[some].tolist())), tuple(rows[some].tolist()), tuple(jitter.tolist())
        )

    @cached_property
    def poses(self) -> NDArray[np.float64]:
        """(R, D) the poses."""
        return np.array(self.q)

    def check(self, lower: NDArray[np.float64], upper: NDArray[np.float64]) -> "Bank":
        """This bank, which is for joints of that range.

        Raises:
            BankError: it is for others, or a number is none.
        """
        joints = len(lower)
        if {len(pose) for pose in self.q} | {len(self.jitter)} != {joints}:
            raise BankError(f"bank: its poses are not all of {joints} joint angles")
        if len(self.rows) != len(self.q):
            raise BankError(f"bank: {len(self.rows)} row numbers for {len(self.q)} poses")
        within = (self.poses >= lower) & (self.poses < upper)  # NaN is not
        if not (within.all() and np.isfinite(self.jitter).all() and min(self.jitter) >= 0):
            raise BankError("bank: a pose leaves the joints' ranges, or the jitter is no width")
        return self

    def only(self, row: int) -> "Bank":
        """The bank of that row alone: the same random numbers draw the same pose from it."""
        at = self.rows.index(row)
        return Bank((self.q[at],), (row,), self.jitter)

    def choose(self, rng: np.random.Generator) -> int:
        """The place of a pose, drawn by one number: 0 where there is but one."""
        return min(int(rng.random() * len(self.rows)), len(self.rows) - 1)

    def about(
        self,
        at: int,
        rng: np.random.Generator,
        lower: NDArray[np.float64],
        upper: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Draw a pose about one of these.

        Args:
            at: its place.
            rng: source of the jitter, D numbers.
            lower: (D,) of the joints' ranges [rad]; what jitter moves beyond is moved back.
            upper: (D,) likewise, not included.

        Returns:
            (D,) joint angles [rad].
        """
        moved = self.poses[at] + (2 * rng.random(len(lower)) - 1) * np.array(self.jitter)
        return np.clip(moved, lower, np.nextafter(upper, -np.inf))
