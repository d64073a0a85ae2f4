"""Laws of random sources: what they are for decides what they give, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jointloop.common.draws import random_source

WORDS = st.lists(st.integers(0, 2**63 - 1), min_size=2, max_size=5)


@given(WORDS, WORDS)
def test_other_arguments_give_other_numbers_and_the_same_the_same(
    a: list[int], b: list[int]
) -> None:
    drawn = [random_source(*words).random(4).tolist() for words in (a, b)]
    padded = [[*words[:2], *(0,) * (5 - len(words)), *words[2:]] for words in (a, b)]
    assert (drawn[0] == drawn[1]) == (padded[0] == padded[1])


def test_long_draws_of_neighbours_do_not_overlap() -> None:
    one, other = (set(random_source(1, 2, n).integers(0, 2**63, 5000)) for n in (0, 1))
    assert not one & other


@pytest.mark.parametrize(
    ("words", "first"),
    [((0, 0, 0, 0, 0), 106500010600983629), ((3, 1, 1, 9, 7), 8152892320265459765)],
)
def test_numbers_stay_what_they_were(words: tuple[int, ...], first: int) -> None:
    """Recordings and resumed runs rely on them."""
    assert random_source(*words).integers(0, 2**63) == first
