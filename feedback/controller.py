"""The controller: (prior, held-out losses) -> next prior.

It returns a prior and sends nothing. With feedback off it returns the prior it was given, so the
loop around it is the same either way.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from feedback.posterior import posterior
from feedback.selection import FeedbackError, HighLoss, SelectionRule, chosen_by, rule_name
from simulator.randomization.prior import JointPrior, PriorError

PAPER = HighLoss()
"""The rule of the paper."""


class ControllerError(FeedbackError):
    """A controller was asked for something it cannot do."""


@dataclass(frozen=True, eq=False)
class Observation:
    """What one look at the held-out set led to."""

    epoch: int
    """The epoch whose end was observed; -1 for the prior a run begins with."""
    prior: JointPrior
    """The prior that follows."""
    selected: NDArray[np.int64]
    """(M,) held-out samples in S, hardest first; none with feedback off."""
    losses: NDArray[np.float64]
    """(M,) their losses."""
    rule: str | None = None
    """Name of the rule that selected them; None with feedback off, or before the first look."""


class Controller:
    """Holds the current prior and moves it after each look at the held-out set."""

    def __init__(
        self,
        prior: JointPrior,
        rule: SelectionRule = PAPER,
        *,
        enabled: bool = True,
        weight: float = 1.0,
    ) -> None:
        """Begin with a prior.

        Args:
            prior: the one every simulator starts from.
            rule: selects held-out samples.
            enabled: off, the prior never changes.
            weight: observations that one selected sample stands for.

        Raises:
            FeedbackError: the weight is out of its range.
        """
        # A wrong weight is told now, not after the first epoch.
        posterior(prior, np.zeros((0, len(prior.alpha)), np.int64), weight)
        self.enabled = enabled
        self.rule = rule
        self.weight = weight
        self.observation = Observation(-1, prior, np.zeros(0, np.int64), np.zeros(0))
        """The latest; before the first, the prior the run begins with."""

    @property
    def prior(self) -> JointPrior:
        """The current one."""
        return self.observation.prior

    def observe(self, epoch: int, losses: ArrayLike, bins: ArrayLike) -> JointPrior:
        """Look at the held-out set and say what to render from now on.

        Args:
            epoch: the epoch that has just ended; grows from call to call.
            losses: (N,) loss per held-out sample, NaN where there is none.
            bins: (N, D) bins of the held-out samples.

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
        chosen, rule = np.zeros(0, np.int64), None
        if self.enabled:
            chosen, rule = chosen_by(self.rule, values, k), rule_name(self.rule)
        prior = posterior(self.prior, k[chosen], self.weight) if chosen.size else self.prior
        self.observation = Observation(epoch, prior, chosen, values[chosen], rule)
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
            rule = self._same_rule(state.get("rule"))  # earlier versions knew one rule alone
            self.observation = Observation(int(state["epoch"]), prior, selected, losses, rule)
        except (KeyError, TypeError, ValueError, PriorError) as error:
            raise ControllerError(
                f"saved controller state cannot be read: {type(error).__name__}: {error}"
            ) from error

    def _same_rule(self, saved: str | None) -> str | None:
        """The name of the rule that selected before, which must be this one's."""
        if saved not in (None, own := rule_name(self.rule)):
            raise ControllerError(
                f"rule {saved} selected in this run so far; it cannot go on with {own}"
            )
        return saved
