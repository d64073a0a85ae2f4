"""Random sources that follow from what they are for, whatever was drawn before."""

import numpy as np


def random_source(seed: int, stream: int, *count: int) -> np.random.Generator:
    """A counter-based generator: the same numbers for the same arguments, in any process.

    Args:
        seed: of all draws.
        stream: tells uses of one seed apart; with it the key of Philox (Salmon et al. 2011).
        count: up to three numbers, each under 2**64, that it is counted by; the first word of
            Philox's counter is its own.
    """
    counter = [0, *(0,) * (3 - len(count)), *count]
    return np.random.Generator(np.random.Philox(key=[seed, stream], counter=counter))
