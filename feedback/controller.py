"""The controller: (prior, held-out losses) -> next prior.

It returns a prior and sends nothing. With feedback off it returns the prior it was given, so the
loop around it is the same either way.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from feedback.chance import Chance, of_stream
from feedback.posterior import bin_counts, posterior, weighted_counts
from feedback.rules import Rule, Stream, StreamRule
from feedback.selection import FeedbackError, HighLoss, chosen_by, rule_name
from simulator.randomization.prior import JointPrior, PriorError

PAPER = HighLoss()
"""The rule of the paper."""


class ControllerError(FeedbackError):
    """A controller was asked for something it cannot do."""


@dataclass(frozen=True, eq=False)
class Observation:
    """What one look at the held-out set led to."""

    epoch: int
    """The epoch whose end was observed; -1 for the prior a run begins with, 0 for that of expected
    poses."""
    prior: JointPrior
    """The prior that follows."""
    selected: NDArray[np.int64]
    """(M,) held-out samples in S, hardest first; none with feedback off."""
    losses: NDArray[np.float64]
    """(M,) their losses."""
    rule: str | None = None
    """Name of the rule that selected them; None with feedback off, or before the first look."""
    bin_losses: NDArray[np.float64] | None = None
    """(D, K) mean loss of the held-out samples in each bin, NaN without any; None before a look."""
    expected: bool = False
    """Whether expected poses were counted, rather than losses looked at."""
    chance: Chance | None = None
    """Of a rule that looks at the stream: how far this step moved the prior beside its null."""


class Controller:
    """Holds the current prior and moves it after each look at the held-out set."""

    def __init__(
        self,
        prior: JointPrior,
        rule: Rule = PAPER,
        *,
        enabled: bool = True,
        weight: float = 1.0,
    ) -> None:
        """Begin with a prior.

        Args:
            prior: the one every simulator starts from.
            rule: selects held-out samples, or says the next prior from the stream's losses.
            enabled: off, the prior never changes.
            weight: observations that one selected sample stands for.

        Raises:
            FeedbackError: the weight is out of its range.
        """
        # A wrong weight is told now, not after the first epoch.
        posterior(prior, np.zeros((0, len(prior.alpha)), np.int64), weight)
        self.first = prior
        """What it began with."""
        self.enabled = enabled
        self.rule = rule
        self.weight = weight
        self.observation = Observation(-1, prior, np.zeros(0, np.int64), np.zeros(0))
        """The latest; before the first, the prior the run begins with."""

    @property
    def prior(self) -> JointPrior:
        """The current one."""
        return self.observation.prior

    @property
    def watches(self) -> bool:
        """Whether it wants to see the losses of training samples."""
        return self.enabled and isinstance(self.rule, StreamRule)

    def expect(self, counts: ArrayLike, name: str) -> JointPrior:
        """Count expected poses into the prior, before the first epoch: the conjugate update.

        Args:
            counts: (D, K) of them in each bin.
            name: what the history calls them.

        Raises:
            ControllerError: an epoch was observed already.
        """
        if self.observation.epoch >= 0:
            raise ControllerError(
                f"epoch {self.observation.epoch} was observed; poses are expected before the first"
            )
        prior = self.prior.updated(counts)
        nobody = np.zeros(0, np.int64)
        self.observation = Observation(0, prior, nobody, np.zeros(0), name, expected=True)
        return prior

    def observe(
        self, epoch: int, losses: ArrayLike, bins: ArrayLike, stream: Stream | None = None
    ) -> JointPrior:
        """Look at the held-out set and say what to render from now on.

        Args:
            epoch: the epoch that has just ended; grows from call to call.
            losses: (N,) loss per held-out sample, NaN where there is none.
            bins: (N, D) bins of the held-out samples.
            stream: training samples since the last look, where the controller `watches`.

        Returns:
            The next prior, one version on; the present one with feedback off or nothing to select.

        Raises:
            FeedbackError: shapes or values do not fit, the rule returned no selection, or the epoch
                was already observed.
        """
        values, k = np.asarray(losses, np.float64), np.asarray(bins)
        if epoch <= self.observation.epoch:
            raise ControllerError(
                f"epoch {epoch} was observed already; the latest is {self.observation.epoch}"
            )
        if k.ndim != 2 or values.shape != k.shape[:1]:
            raise ControllerError(
                f"losses of shape {values.shape} and bins of shape {k.shape} do not fit; "
                "expected (N,) and (N, D)"
            )
        chosen, rule, chance, prior = np.zeros(0, np.int64), None, None, self.prior
        if self.enabled:
            rule = rule_name(self.rule)
            if isinstance(self.rule, StreamRule):
                seen = (stream or Stream.none(k.shape[1])).uniform
                prior = self.rule.moved(self.prior, seen)
                chance = of_stream(self.rule, self.prior, seen)
            else:
                chosen = chosen_by(self.rule, values, k)
        if chosen.size:
            prior = posterior(self.prior, k[chosen], self.weight)
        self.observation = Observation(
            epoch,
            prior,
            chosen,
            values[chosen],
            rule,
            _bin_losses(values, k, prior.bins),
            chance=chance,
        )
        return prior

    def state_dict(self) -> dict[str, Any]:
        """All a resumed run needs, as plain JSON values."""
        return {
            "epoch": self.observation.epoch,
            "version": self.prior.version,
            "alpha": self.prior.alpha.tolist(),
            "selected": self.observation.selected.tolist(),
            "losses": self.observation.losses.tolist(),
            "rule": self.observation.rule,
            "expected": self.observation.expected,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`.

        Raises:
            ControllerError: the state is no such dict, is of a prior of another shape, or another
                rule selected so far.
        """
        try:
            alpha = np.asarray(state["alpha"], np.float64)
            if alpha.shape != self.prior.alpha.shape:
                raise ControllerError(
                    f"saved prior has alpha of shape {alpha.shape}, this run's robot and bins ask "
                    f"for {self.prior.alpha.shape}"
                )
            prior = replace(self.prior, alpha=alpha, version=int(state["version"]))
            selected = np.asarray(state["selected"], np.int64)
            losses = np.asarray(state["losses"], np.float64)
            rule = state.get("rule")  # earlier versions knew one rule alone, and expected nothing
            expected = bool(state.get("expected"))
            if not expected:
                self._same_rule(rule)
            self.observation = Observation(
                int(state["epoch"]), prior, selected, losses, rule, expected=expected
            )
        except (KeyError, TypeError, ValueError, PriorError) as error:
            raise ControllerError(
                f"saved controller state cannot be read: {type(error).__name__}: {error}"
            ) from error

    def _same_rule(self, saved: str | None) -> None:
        """See that the rule that selected before is this one.

        Raises:
            ControllerError: it is not.
        """
        if saved not in (None, own := rule_name(self.rule)):
            raise ControllerError(
                f"rule {saved} selected in this run so far; it cannot go on with {own}"
            )


def _bin_losses(
    losses: NDArray[np.float64], bins: NDArray[Any], K: int
) -> NDArray[np.float64] | None:
    """(D, K) mean of the losses (N,) that are finite in each bin, NaN without any."""
    whole = np.isfinite(losses)
    if not whole.any() or bin_counts(bins, K).size == 0:
        return None
    counts = weighted_counts(bins[whole], np.ones(int(whole.sum())), K)
    with np.errstate(invalid="ignore"):
        return weighted_counts(bins[whole], losses[whole], K) / counts
