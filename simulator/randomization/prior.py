"""The prior over joint angles: Dirichlet, then Categorical, then Uniform.

Heindl et al. 2019, section III: D ~ Dirichlet(alpha), K given D ~ Categorical(D), and the angle
given K uniform within bin K. Each joint has its own row of alpha.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jointloop.common.errors import JointloopError


class PriorError(JointloopError):
    """A prior's numbers cannot be used."""


@dataclass(frozen=True, eq=False)
class JointPrior:
    """Dirichlet-Categorical-Uniform prior of D joint angles over K bins each."""

    alpha: NDArray[np.float64]
    """(D, K) Dirichlet concentrations, all positive."""
    lower: NDArray[np.float64]
    """(D,) lower end of each joint's range [rad]."""
    upper: NDArray[np.float64]
    """(D,) upper end, not included [rad]."""
    version: int = 0
    """Only grows."""

    def __post_init__(self) -> None:
        joints = self.lower.shape
        if self.alpha.ndim != 2 or self.alpha.shape[:1] != joints or self.upper.shape != joints:
            raise PriorError(
                f"prior: alpha {self.alpha.shape}, lower {joints} and upper {self.upper.shape} "
                "do not fit; expected (D, K), (D,), (D,)"
            )
        if not (np.isfinite(self.alpha).all() and (self.alpha > 0).all()):
            raise PriorError(f"prior: alpha must be finite and positive, least {self.alpha.min()}")
        if not (np.isfinite([self.lower, self.upper]).all() and (self.lower < self.upper).all()):
            raise PriorError(f"prior: lower {self.lower} must lie below upper {self.upper}")

    @classmethod
    def uniform(
        cls, lower: ArrayLike, upper: ArrayLike, bins: int, concentration: float = 1.0
    ) -> "JointPrior":
        """The prior whose marginals are uniform, with equal concentration in every bin."""
        low, high = np.asarray(lower, np.float64), np.asarray(upper, np.float64)
        return cls(np.full((low.size, bins), float(concentration)), low, high)

    @property
    def bins(self) -> int:
        """K."""
        return self.alpha.shape[1]

    @property
    def marginal(self) -> NDArray[np.float64]:
        """(D, K) probability of each bin: alpha over its row's sum."""
        return self.alpha / self.alpha.sum(axis=1, keepdims=True)

    @property
    def entropy(self) -> NDArray[np.float64]:
        """(D,) entropy of the marginals over log K: 1 when uniform, 0 when certain."""
        p = self.marginal
        return -(p * np.log(p)).sum(axis=1) / np.log(self.bins) if self.bins > 1 else p[:, 0]

    def sample(
        self, rng: np.random.Generator, draw_rng: np.random.Generator | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Draw one pose.

        Args:
            rng: source of all draws.
            draw_rng: source of D alone, where one D is to serve many samples.

        Returns:
            (D,) joint angles [rad] and (D,) bins.
        """
        draws = draw_rng or rng
        D = np.stack([draws.dirichlet(row) for row in self.alpha])
        u = rng.random(len(D))
        k = np.minimum((np.cumsum(D, axis=1) <= u[:, None]).sum(axis=1), self.bins - 1)
        width = (self.upper - self.lower) / self.bins
        q = self.lower + (k + rng.random(len(D))) * width
        # Rounding may put an angle onto its bin's open end.
        q = np.minimum(q, np.nextafter(self.lower + (k + 1) * width, -np.inf))
        return q, k.astype(np.int64)

    def bin_of(self, q: ArrayLike) -> NDArray[np.int64]:
        """Bin of each angle.

        Args:
            q: (..., D) joint angles [rad].

        Returns:
            (..., D) bins; angles outside the range fall into the nearest bin.
        """
        share = (np.asarray(q) - self.lower) / (self.upper - self.lower)
        return np.clip(np.floor(share * self.bins), 0, self.bins - 1).astype(np.int64)

    def updated(self, counts: ArrayLike) -> "JointPrior":
        """The conjugate posterior, one version on: alpha + counts.

        Args:
            counts: (D, K) non-negative number of observations of each bin.
        """
        added = np.asarray(counts, np.float64)
        if added.shape != self.alpha.shape or not (added >= 0).all():
            raise PriorError(
                f"prior: counts of shape {added.shape} must be non-negative and of shape "
                f"{self.alpha.shape}"
            )
        return replace(self, alpha=self.alpha + added, version=self.version + 1)
