"""What a simulator is to draw from: a prior of the joint angles or a bank of poses, and a split.

In plain numbers with limits on their lengths, so that it goes as it is over the wire and into
recordings.
"""

from functools import cached_property
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from simulator.randomization.bank import Bank, BankError, Count, PerJoint
from simulator.randomization.prior import JointPrior, PriorError
from simulator.robot import MAX_JOINTS

Split = Literal["train", "heldout"]
SPLITS: tuple[Split, ...] = ("train", "heldout")
Promise = Literal["complete", "latest"]
"""What a run promises of its samples: that each is used once, whatever befalls it, or that those
used are the newest."""

MAX_BINS = 256
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
    """Of the prior, and of the bank that comes with it."""
    split: Split
    bank: Bank | msgspec.UnsetType = msgspec.UNSET
    """Poses to draw from; without one, they come from the prior."""

    @classmethod
    def of(
        cls,
        prior: JointPrior,
        split: Split = "train",
        bank: Bank | msgspec.UnsetType = msgspec.UNSET,
    ) -> "Assignment":
        """To draw samples of that split from that prior, or from that bank."""
        return cls(
            alpha=tuple(map(tuple, prior.alpha.tolist())),
            lower=tuple(prior.lower.tolist()),
            upper=tuple(prior.upper.tolist()),
            version=prior.version,
            split=split,
            bank=bank,
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
            PriorError: it is for others, or holds no usable prior or bank.
        """
        if (shape := self.prior.alpha.shape) != (joints, bins):
            raise PriorError(f"prior: alpha is of shape {shape}; expected ({joints}, {bins})")
        if self.bank is not msgspec.UNSET:
            try:
                self.bank.check(self.prior.lower, self.prior.upper)
            except BankError as error:
                raise PriorError(str(error)) from None
        return self

    def only(self, row: int | None) -> "Assignment":
        """This assignment with that row of its bank alone; the sample drawn by it is the same."""
        if self.bank is msgspec.UNSET or row is None:
            return self
        return msgspec.structs.replace(self, bank=self.bank.only(row))
