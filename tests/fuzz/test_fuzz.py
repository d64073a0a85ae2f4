"""A short fuzzing: what is valid, what once did harm, and changes to both, from a fixed seed."""

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from mutate import FORMS, mutated
from seeds import FOUND, MAKERS, seeds
from targets import holds
from trained import TARGETS

CHANGES = 60


def test_every_decoder_has_seeds_and_every_input_that_was_found_a_decoder() -> None:
    assert [maker.__name__ for maker in MAKERS] == list(TARGETS)
    assert {path.name for path in FOUND.iterdir()} <= set(TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_a_decoder_takes_what_is_valid_and_names_in_one_line_what_is_not(name: str) -> None:
    target, given = TARGETS[name], seeds(name)
    assert holds(target, given[0])
    rng, refused = random.Random(name), 0
    for _ in range(CHANGES):
        data = rng.choice(given)
        for _ in range(rng.choice((1, 2))):
            try:
                if name not in FORMS or rng.random() < 0.2:
                    raise ValueError("changed as bytes")
                data = mutated(data, FORMS[name], rng)
            except ValueError:
                place = rng.randrange(len(data) + 1)
                data = data[:place] + rng.randbytes(rng.choice((0, 1, 4))) + data[place + 1 :]
        refused += not holds(target, data)
    assert refused > 0
    for data in given:
        holds(target, data)
