"""What a simulator is to draw from: a prior of the joint angles, and a split.

In plain numbers with limits on their lengths, so that it goes as it is over the wire and into
recordings.
"""

from functools import cached_property
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from simulator.randomization.prior import JointPrior, PriorError
from simulator.robot import MAX_JOINTS

Split = Literal["train", "heldout"]
SPLITS: tuple[Split, ...] = ("train", "heldout")

MAX_BINS = 256
Count = Annotated[int, Meta(ge=0, lt=2**62)]
PerJoint = Annotated[tuple[float, ...], Meta(min_length=1, max_length=MAX_JOINTS)]
Row = Annotated[tuple[float, ...], Meta(min_length=2, max_length=MAX_BINS)]
Rows = Annotated[tuple[Row, ...], Meta(min_length=1, max_length=MAX_JOINTS)]


class Assignment(msgspec.Struct, frozen=True, dict=True):
    """What a simulator is to draw from now on; called `terms` where it is written down."""

    alpha: Rows
    """(D, K) of the prior."""
    lower: PerJoint
    """(D,) [rad]; likewise upper."""
    upper: PerJoint
    version: Count
    """Of the prior."""
    split: Split

    @classmethod
    def of(cls, prior: JointPrior, split: Split = "train") -> "Assignment":
        """To draw samples of that split from that prior."""
        return cls(
            alpha=tuple(map(tuple, prior.alpha.tolist())),
            lower=tuple(prior.lower.tolist()),
            upper=tuple(prior.upper.tolist()),
            version=prior.version,
            split=split,
        )

    @cached_property
    def prior(self) -> JointPrior:
        """The prior of these numbers, exactly.

        Raises:
            PriorError: they are none.
        """
        if len({len(row) for row in self.alpha}) != 1:
            raise PriorError("prior: the rows of alpha are not of one length")
        alpha, lower, upper = map(np.array, (self.alpha, self.lower, self.upper))
        return JointPrior(alpha, lower, upper, self.version)

    def check(self, joints: int, bins: int) -> "Assignment":
        """This assignment, which is for that many joints and bins.

        Raises:
            PriorError: it is for others, or holds no usable prior.
        """
        if (shape := self.prior.alpha.shape) != (joints, bins):
            raise PriorError(f"prior: alpha is of shape {shape}; expected ({joints}, {bins})")
        return self
