"""Laws of the Dirichlet-Categorical-Uniform prior."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from simulator.randomization.prior import JointPrior, PriorError

alphas = arrays(np.float64, (3, 5), elements=st.floats(0.05, 50))


def prior_of(alpha: np.ndarray, version: int = 0) -> JointPrior:
    return JointPrior(alpha, np.array([-1.0, 0.0, -3.0]), np.array([1.0, 2.0, 3.0]), version)


@given(alphas, st.integers(0, 2**32))
@settings(max_examples=200)
def test_every_angle_lies_in_its_bin(alpha: np.ndarray, seed: int) -> None:
    prior = prior_of(alpha)
    q, k = prior.sample(np.random.default_rng(seed))
    np.testing.assert_array_equal(prior.bin_of(q), k)
    assert ((q >= prior.lower) & (q < prior.upper)).all()


def test_bins_are_drawn_as_often_as_alpha_over_its_sum() -> None:
    alpha = np.array([[1, 2, 3, 4, 10.0], [1, 1, 1, 1, 1], [0.5, 8, 0.5, 0.5, 0.5]])
    prior, rng = prior_of(alpha), np.random.default_rng(3)
    n = 4000
    counts = np.zeros((3, 5))
    for _ in range(n):
        counts[np.arange(3), prior.sample(rng)[1]] += 1
    # D is drawn anew for each sample, so the counts are plain multinomial: five sigmas.
    sigma = np.sqrt(prior.marginal * (1 - prior.marginal) / n)
    assert (np.abs(counts / n - prior.marginal) < 5 * sigma).all()


def test_one_draw_serves_many_samples_if_asked() -> None:
    prior = prior_of(np.full((3, 5), 1e-4))  # so sparse that a draw puts all weight on one bin
    rng = np.random.default_rng(0)
    bins = {tuple(prior.sample(rng, np.random.default_rng(7))[1]) for _ in range(50)}
    assert len(bins) == 1


@given(alphas, arrays(np.float64, (3, 5), elements=st.integers(0, 9)))
def test_an_update_adds_counts_and_one_version(alpha: np.ndarray, counts: np.ndarray) -> None:
    after = prior_of(alpha, 4).updated(counts)
    np.testing.assert_allclose(after.alpha, alpha + counts)
    assert after.version == 5


def test_entropy_is_one_when_uniform_and_falls_as_the_prior_sharpens() -> None:
    uniform = JointPrior.uniform([-1, 0, -3], [1, 2, 3], 5)
    np.testing.assert_allclose(uniform.entropy, 1)
    counts = np.zeros((3, 5))
    counts[:, 2] = 3
    assert (uniform.updated(counts).entropy < 1).all()


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_unusable_concentrations_are_refused(bad: float) -> None:
    alpha = np.ones((3, 5))
    alpha[1, 1] = bad
    with pytest.raises(PriorError, match="alpha"):
        prior_of(alpha)
