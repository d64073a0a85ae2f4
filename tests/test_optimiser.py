"""Laws of the optimisers and of the learning rate."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.config.config import OptimiserConfig
from trainer.config.presets import preset
from trainer.learning.optimiser import decaying, learning_rate, optimiser_of, set_rate
from trainer.models import build

KINDS = ("adamw", "adam", "adadelta")


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return build(preset("tiny").network, 2)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.5), st.floats(0, 1))
def test_the_learning_rate_climbs_then_falls_within_its_bounds(a, b, warmup, floor):
    config = OptimiserConfig(learning_rate=0.1, warmup=warmup, floor=floor)
    early, late = sorted((a, b))
    first, second = learning_rate(config, early), learning_rate(config, late)
    assert 0 <= first <= 0.1 * (1 + 1e-9)
    if late < warmup:
        assert first <= second
    if early >= warmup:
        assert first >= second - 1e-12


def test_the_learning_rate_peaks_after_the_warm_up_and_ends_at_the_floor():
    config = OptimiserConfig(learning_rate=0.1, warmup=0.1, floor=0.05)
    assert learning_rate(config, 0.1) == pytest.approx(0.1)
    assert learning_rate(config, 1.0) == pytest.approx(0.005)


def test_every_weight_is_in_one_group():
    net = network()
    kept, free = decaying(list(net.parameters()))
    assert {id(w) for w in kept + free} == {id(w) for w in net.parameters()}
    assert len(kept) + len(free) == len(list(net.parameters()))


@pytest.mark.parametrize("kind", KINDS)
def test_decay_pulls_on_kernels_alone(kind):
    def moved(decay: float) -> dict[str, torch.Tensor]:
        net = network()
        with torch.no_grad():
            for weight in net.parameters():
                weight.add_(0.5)
        config = OptimiserConfig(kind=kind, learning_rate=0.1, weight_decay=decay)
        optimiser = optimiser_of(net, config)
        for weight in net.parameters():
            weight.grad = torch.full_like(weight, 1e-3)
        optimiser.step()
        return {name: weight.detach() for name, weight in net.named_parameters()}

    without, with_decay = moved(0.0), moved(0.5)
    for name, weight in without.items():
        assert torch.equal(weight, with_decay[name]) == (weight.ndim == 1), name


def test_without_decay_adamw_is_adam():
    def trained(kind: str) -> torch.Tensor:
        weight = torch.nn.Parameter(torch.ones(3, 2))
        holder = torch.nn.Module()
        holder.weight = weight
        config = OptimiserConfig(kind=kind, learning_rate=0.1, weight_decay=0.0)  # type: ignore[arg-type]
        optimiser = optimiser_of(holder, config)
        for _ in range(3):
            optimiser.zero_grad()
            weight.square().sum().backward()
            optimiser.step()
        return weight.detach()

    assert torch.equal(trained("adam"), trained("adamw"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_optimiser_goes_downhill(kind):
    weight = torch.nn.Parameter(torch.full((3, 2), 2.0))
    holder = torch.nn.Module()
    holder.weight = weight
    rate = 1.0 if kind == "adadelta" else 0.1
    optimiser = optimiser_of(holder, OptimiserConfig(kind=kind, learning_rate=rate))
    for _ in range(10):
        optimiser.zero_grad()
        weight.square().sum().backward()
        optimiser.step()
    assert weight.abs().max() < 2.0


def test_adadelta_takes_its_decay_from_the_config():
    config = replace(preset("tiny").optimiser, kind="adadelta", beta2=0.9)
    assert all(group["rho"] == 0.9 for group in optimiser_of(network(), config).param_groups)


@pytest.mark.parametrize("kind", KINDS)
def test_slow_weights_learn_at_their_share_of_the_rate(kind):
    net = network()
    slow = list(net.features.parameters())
    config = OptimiserConfig(kind=kind, learning_rate=0.1, backbone_rate=0.25)
    optimiser = optimiser_of(net, config, slow)
    assert {id(w) for group in optimiser.param_groups for w in group["params"]} == {
        id(w) for w in net.parameters()
    }
    set_rate(optimiser.param_groups, 0.4)
    for group in optimiser.param_groups:
        late = {any(w is other for other in slow) for w in group["params"]}
        assert late == {group["lr"] == pytest.approx(0.1)}


def test_groups_of_older_checkpoints_learn_at_the_whole_rate():
    group = {"params": []}
    set_rate([group], 0.3)
    assert group["lr"] == 0.3


def test_weights_that_do_not_move_are_left_out():
    net = network()
    net.features.requires_grad_(False)
    optimiser = optimiser_of(net, OptimiserConfig())
    assert all(w.requires_grad for group in optimiser.param_groups for w in group["params"])
