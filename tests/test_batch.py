"""Laws of batches: levels become beliefs on the device, and nothing is lost on the way there."""

import numpy as np
import pytest
import torch
from simulator_parts import sample

from simulator.labels import LEVELS
from trainer.batch import Batch, join, stack

DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
    ),
]


@pytest.mark.parametrize("device", DEVICES)
def test_a_level_becomes_the_float_nearest_to_its_belief(device: str) -> None:
    levels = torch.arange(LEVELS + 1, dtype=torch.uint8).reshape(1, 1, 16, 16)
    batch = Batch.of(stack([sample()]).arrays() | {"beliefs": levels.numpy()})
    targets = batch.to(device).targets()
    assert targets.dtype == torch.float32
    nearest = (np.arange(LEVELS + 1) / LEVELS).astype(np.float32)
    np.testing.assert_array_equal(targets.flatten().cpu().numpy(), nearest)


def test_a_batch_holds_the_bytes_of_its_samples() -> None:
    samples = [sample(i) for i in range(3)]
    batch = stack(samples)
    for i, one in enumerate(samples):
        np.testing.assert_array_equal(batch.images[i].permute(1, 2, 0), one.image)
        np.testing.assert_array_equal(batch.masks[i], one.mask)
        np.testing.assert_array_equal(batch.beliefs[i], one.belief)
    assert {getattr(batch, name).dtype for name in ("images", "masks", "beliefs")} == {torch.uint8}


def test_parts_of_a_batch_join_to_it() -> None:
    batch = stack([sample(i) for i in range(5)])
    again = join(list(batch.chunks(2)))
    for name, array in batch.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], array)


def test_beliefs_that_are_no_levels_are_refused() -> None:
    arrays = stack([sample()]).arrays()
    floats = {"beliefs": (arrays["beliefs"] / LEVELS).astype(np.float32)}
    with pytest.raises(ValueError, match="beliefs is of float32; expected uint8"):
        Batch.of(arrays | floats)
