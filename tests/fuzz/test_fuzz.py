"""A short fuzzing: what is valid, what once did harm, and changes to both, from a fixed seed."""

import json
import random
import sys
from collections.abc import Sequence
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


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("belief", "stride"), 0),
        (("belief", "stride"), 10**30),
        (("belief", "sigma"), 1e308),
        (("belief", "levels"), 0),
        (("pixels",), []),
        (("points",), []),
        (("visibility",), [3] * 7),
        (("visibility",), [-1] * 7),
        (("bins",), []),
    ],
)
def test_labels_of_a_recorded_sample_that_its_recording_cannot_have_are_refused(
    place: Sequence[str], value: object
) -> None:
    said = json.loads(seeds("entry")[0])
    *outer, last = place
    node = said
    for key in outer:
        node = node[key]
    node[last] = value
    assert not holds(TARGETS["entry"], json.dumps(said).encode())


@pytest.mark.timeout(120)
def test_a_description_of_endless_samples_is_looked_at_in_no_time() -> None:
    said = json.loads(seeds("dataset")[1]) | {"samples": 10**12, "shard_samples": 1}
    holds(TARGETS["dataset"], json.dumps(said).encode())
