"""Which held-out samples feed the posterior: the selection S, and the rules that choose it."""

import math
from dataclasses import dataclass, is_dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jointloop.common.errors import JointloopError


class FeedbackError(JointloopError):
    """The feedback was given something it cannot use."""


class SelectionError(FeedbackError):
    """Losses or a share from which nothing can be selected, or a selection that is none."""


class SelectionRule(Protocol):
    """Chooses the selection S; any function of these two does.

    A rule that draws at random brings a generator of its own.
    """

    def __call__(self, losses: NDArray[np.float64], bins: NDArray[np.int64], /) -> ArrayLike:
        """Choose held-out samples.

        Args:
            losses: (N,) loss per held-out sample; NaN where there is none, because no keypoint lies
                in the frame.
            bins: (N, D) bin of each of its joint angles.

        Returns:
            (M,) indices into `losses`, each at most once; none leaves the prior as it is.
        """
        ...


@dataclass(frozen=True)
class HighLoss:
    """The rule of the paper: the samples with the highest loss; see `select`.

    Raises:
        SelectionError: the share is not within 0 to 1.
    """

    share: float = 0.1
    """Of the samples that have a loss."""

    def __post_init__(self) -> None:
        select([], self.share)

    def __call__(self, losses: NDArray[np.float64], bins: NDArray[np.int64]) -> NDArray[np.int64]:
        """See `SelectionRule`."""
        return select(losses, self.share)


def rule_name(rule: object) -> str:
    """What a prior history calls a rule: a dataclass by its fields, anything else by its name."""
    if is_dataclass(rule):
        return repr(rule)
    return getattr(rule, "__qualname__", type(rule).__qualname__)


def chosen_by(
    rule: SelectionRule, losses: NDArray[np.float64], bins: NDArray[np.int64]
) -> NDArray[np.int64]:
    """What a rule selects, checked.

    Returns:
        (M,) indices into `losses`.

    Raises:
        SelectionError: they are not whole numbers within 0 to N - 1, each at most once.
    """
    given: Any = rule(losses, bins)
    chosen = np.asarray(given)
    if chosen.size == 0:
        return np.zeros(0, np.int64)
    if chosen.ndim != 1 or not np.issubdtype(chosen.dtype, np.integer):
        raise SelectionError(
            f"rule {rule_name(rule)} returned {chosen.dtype} of shape {chosen.shape}; expected "
            "(M,) indices, whole numbers"
        )
    least, most, different = chosen.min(), chosen.max(), np.unique(chosen).size
    if least < 0 or most >= len(losses) or different < chosen.size:
        raise SelectionError(
            f"rule {rule_name(rule)} returned {chosen.size} indices of {different} samples, from "
            f"{least} to {most}; expected each at most once, within 0 to {len(losses) - 1}"
        )
    return chosen.astype(np.int64)


def select(losses: ArrayLike, share: float) -> NDArray[np.int64]:
    """The held-out samples with the highest loss, hardest first.

    Args:
        losses: (N,) loss per held-out sample; NaN where there is none, because no keypoint lies in
            the frame. Such a sample is never selected, an infinite loss is the highest.
        share: of the samples that have a loss, 0 to 1; above 0 it selects at least one of them.

    Returns:
        (M,) indices into `losses`; equal losses stand in the order of their indices.

    Raises:
        SelectionError: the share is not within 0 to 1, or the losses are not one row of numbers.
    """
    values = np.asarray(losses, np.float64)
    if values.ndim != 1:
        raise SelectionError(f"losses of shape {values.shape} cannot be ranked; expected (N,)")
    if not 0 <= share <= 1:
        raise SelectionError(f"selected share is {share}; expected 0 to 1")
    usable = np.flatnonzero(~np.isnan(values))
    # Rounded first, so that 0.1 * 30 = 3.0000000000000004 does not become 4.
    count = math.ceil(round(share * usable.size, 9)) if share > 0 else 0
    count = min(max(count, int(share > 0)), usable.size)
    hardest = np.argsort(-values[usable], kind="stable")[:count]
    return usable[hardest].astype(np.int64)
