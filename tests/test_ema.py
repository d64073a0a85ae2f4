"""Laws of the moving average."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from trainer.learning.ema import decay_at, follow


def network(value: float) -> nn.Module:
    layers = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))
    with torch.no_grad():
        for tensor in layers.state_dict().values():
            tensor.fill_(value)
    return layers


@given(st.integers(0, 10**6), st.floats(0, 1))
def test_the_average_never_forgets_slower_than_asked(step, decay):
    assert 0 <= decay_at(decay, step) <= decay
    assert decay_at(decay, step) <= decay_at(decay, step + 1)


def test_a_long_run_has_the_decay_asked_for():
    assert decay_at(0.998, 5000) == 0.998
    assert decay_at(0.998, 0) == 0.1


@given(st.floats(0, 1))
def test_the_average_moves_its_share_of_the_way(decay):
    average = network(0.0)
    follow(average, network(8.0), decay)
    for name, value in average.state_dict().items():
        expected = 8 if name.endswith("num_batches_tracked") else 8.0 * (1 - decay)
        assert value.flatten()[0].item() == pytest.approx(expected, abs=1e-5), name


def test_a_network_at_rest_is_its_own_average():
    average, still = network(0.3), network(0.3)
    follow(average, still, 0.37)
    for mine, theirs in zip(
        average.state_dict().values(), still.state_dict().values(), strict=True
    ):
        assert torch.equal(mine, theirs)


def test_the_average_gets_as_near_as_one_likes():
    average, goal = network(0.0), network(1.0)
    for step in range(200):
        follow(average, goal, decay_at(0.9, step))
    assert all(
        torch.allclose(value.float(), torch.ones(1)) for value in average.state_dict().values()
    )


def test_the_network_itself_is_left_alone():
    goal = network(1.0)
    follow(network(0.0), goal, 0.5)
    assert all((value == 1).all() for value in goal.state_dict().values())
