"""Belief networks: the interface, a registry of families, and what each one costs."""

from collections.abc import Callable

from trainer.config import NetworkConfig
from trainer.models.interface import BeliefNetwork, Cost, ModelError, cost, receptive_field
from trainer.models.vgg import VggStages

__all__ = [
    "BeliefNetwork",
    "Cost",
    "ModelError",
    "build",
    "cost",
    "receptive_field",
]

FAMILIES: dict[str, Callable[[NetworkConfig, int], BeliefNetwork]] = {"vgg": VggStages}
"""Builders by `NetworkConfig.family`."""


def build(config: NetworkConfig, joints: int) -> BeliefNetwork:
    """A network with random weights.

    Args:
        config: what to build.
        joints: belief maps per stage, one per keypoint.

    Raises:
        ModelError: there is no such family.
    """
    if config.family not in FAMILIES:
        raise ModelError(
            f"no network family {config.family!r}; there are {', '.join(sorted(FAMILIES))}"
        )
    return FAMILIES[config.family](config, joints)
