import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from feedback.posterior import PosteriorError, bin_counts, posterior
from simulator.randomization.prior import JointPrior

D, K = 3, 5
PRIOR = JointPrior(np.random.default_rng(0).gamma(2, 1, (D, K)), -np.ones(D), np.ones(D), version=7)


def selections(least: int = 0):
    sizes = st.integers(least, 30)
    return sizes.flatmap(lambda n: arrays(np.int64, (n, D), elements=st.integers(0, K - 1)))


@given(selections(), selections(), st.floats(0, 10))
def test_posterior_of_a_union_is_the_posterior_of_the_parts(a, b, weight):
    at_once = posterior(PRIOR, np.vstack([a, b]), weight)
    in_turn = posterior(posterior(PRIOR, a, weight), b, weight)
    np.testing.assert_allclose(at_once.alpha, in_turn.alpha, rtol=1e-12)


@given(selections(), st.floats(0, 10))
def test_each_row_of_alpha_grows_by_the_weight_of_the_selection(bins, weight):
    grown = posterior(PRIOR, bins, weight).alpha.sum(axis=1) - PRIOR.alpha.sum(axis=1)
    np.testing.assert_allclose(grown, weight * len(bins), atol=1e-9)


@given(selections(), st.randoms())
def test_order_of_the_selection_does_not_matter(bins, random):
    order = list(range(len(bins)))
    random.shuffle(order)
    np.testing.assert_array_equal(posterior(PRIOR, bins[order]).alpha, posterior(PRIOR, bins).alpha)


def test_an_empty_selection_leaves_alpha_alone():
    after = posterior(PRIOR, np.zeros((0, D), np.int64))
    np.testing.assert_array_equal(after.alpha, PRIOR.alpha)


@given(selections())
def test_every_posterior_is_one_version_on_and_leaves_the_prior_as_it_was(bins):
    before = PRIOR.alpha.copy()
    assert posterior(PRIOR, bins).version == PRIOR.version + 1
    np.testing.assert_array_equal(PRIOR.alpha, before)


@given(selections(least=1))
def test_counts_are_what_counting_by_hand_gives(bins):
    by_hand = [[int((bins[:, d] == k).sum()) for k in range(K)] for d in range(D)]
    assert bin_counts(bins, K).tolist() == by_hand


def test_a_bin_selected_often_becomes_the_likeliest():
    after = posterior(PRIOR, np.tile([4, 0, 2], (200, 1)))
    assert after.marginal.argmax(axis=1).tolist() == [4, 0, 2]


@pytest.mark.parametrize("bins", [[[0, 0, K]], [[-1, 0, 0]], [[0.5, 0, 0]], [0, 1, 2], [[0, 1]]])
def test_bins_that_do_not_fit_the_prior_are_refused(bins):
    with pytest.raises(PosteriorError, match="bins"):
        posterior(PRIOR, bins)


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_a_weight_that_is_no_count_is_named(weight):
    with pytest.raises(PosteriorError, match=f"weight of a selected sample is {weight}"):
        posterior(PRIOR, [[0, 0, 0]], weight)
