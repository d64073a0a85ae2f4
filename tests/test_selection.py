import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.selection import HighLoss, SelectionError, rule_name, select

LOSSES = st.lists(st.floats(0, 1e6) | st.just(float("nan")) | st.just(float("inf")), max_size=40)
SHARES = st.floats(0, 1)


@given(LOSSES, SHARES)
def test_no_unselected_sample_is_harder_than_a_selected_one(losses, share):
    values = np.array(losses)
    chosen = select(values, share)
    rest = np.setdiff1d(np.flatnonzero(~np.isnan(values)), chosen)
    assert len(set(chosen.tolist())) == len(chosen)
    if len(chosen) and len(rest):
        assert values[chosen].min() >= values[rest].max()


@given(LOSSES, SHARES)
def test_samples_without_a_loss_are_never_selected(losses, share):
    assert not np.isnan(np.array(losses)[select(losses, share)]).any()


@given(LOSSES, SHARES)
def test_share_is_rounded_up_and_never_to_nothing(losses, share):
    usable = int((~np.isnan(np.array(losses))).sum())
    count = len(select(losses, share))
    assert count <= usable
    assert share * usable - 1e-6 <= count < share * usable + 1 + 1e-6
    assert count >= (1 if share > 0 and usable else 0)


@given(LOSSES)
def test_a_larger_share_begins_with_the_smaller_one(losses):
    small, large = select(losses, 0.2), select(losses, 0.7)
    assert large[: len(small)].tolist() == small.tolist()


def test_equal_losses_are_taken_in_order_of_index():
    assert select([1.0, 2.0, 2.0, 2.0, 0.0], 0.6).tolist() == [1, 2, 3]


def test_hardest_comes_first():
    assert select([0.1, np.nan, 3.0, np.inf, 2.0], 0.75).tolist() == [3, 2, 4]


@pytest.mark.parametrize(("n", "share", "count"), [(30, 0.1, 3), (200, 0.1, 20), (10, 0.7, 7)])
def test_rounding_of_floats_adds_no_sample(n, share, count):
    assert len(select(np.zeros(n), share)) == count


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_out_of_range_is_named(share):
    with pytest.raises(SelectionError, match=f"share is {share}; expected 0 to 1"):
        HighLoss(share)


def test_a_rule_is_called_by_its_name_or_its_fields():
    class Every:
        def __call__(self, losses, bins):
            return np.arange(len(losses))

    def nothing(losses, bins):
        return []

    assert rule_name(HighLoss(0.25)) == "HighLoss(share=0.25)"
    assert rule_name(Every()).endswith("Every")
    assert rule_name(nothing).endswith("nothing")


def test_losses_of_another_shape_are_refused():
    with pytest.raises(SelectionError, match=r"\(2, 3\)"):
        select(np.zeros((2, 3)), 0.5)
