"""Belief networks: the interface, a registry of families, and what each one costs."""

from typing import Protocol

import torch
from torch import nn

from trainer.config.config import NetworkConfig
from trainer.models.folded import FoldedStages
from trainer.models.interface import BeliefNetwork, Cost, ModelError, cost, receptive_field
from trainer.models.light import LightNetwork
from trainer.models.lite import LiteNetwork
from trainer.models.vgg import VggStages
from trainer.models.vgg_up import VggUp

__all__ = [
    "BeliefNetwork",
    "Cost",
    "ModelError",
    "build",
    "cost",
    "estimate",
    "receptive_field",
]


class Family(Protocol):
    """A class of belief networks."""

    pixel_mean: tuple[float, float, float]
    pixel_std: tuple[float, float, float]

    def __call__(self, config: NetworkConfig, joints: int, /) -> BeliefNetwork:
        """A network with random weights."""
        ...


FAMILIES: dict[str, Family] = {
    "vgg": VggStages,
    "folded": FoldedStages,
    "light": LightNetwork,
    "lite": LiteNetwork,
    "vgg-up": VggUp,
}
"""Builders by `NetworkConfig.family`."""


def build(config: NetworkConfig, joints: int, seed: int | None = None) -> BeliefNetwork:
    """A network with random weights.

    Args:
        config: what to build.
        joints: belief maps per stage, one per keypoint.
        seed: of the weights, whatever was drawn before; None goes on with torch's own draws.

    Raises:
        ModelError: there is no such family.
    """
    if config.family not in FAMILIES:
        raise ModelError(
            f"no network family {config.family!r}; there are {', '.join(sorted(FAMILIES))}"
        )
    with torch.random.fork_rng(enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        network = FAMILIES[config.family](config, joints)
    for layer in network.modules():  # channels last: the faster layout on CPUs and GPUs alike
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)
    return network


def estimate(config: NetworkConfig, joints: int, width: int, height: int) -> Cost:
    """What a network would cost at an image size [px], without its weights taking memory."""
    with torch.device("meta"):
        return cost(build(config, joints), width, height)
