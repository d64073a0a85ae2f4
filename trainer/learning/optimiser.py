"""What moves the weights, and how far: the optimisers, and the learning rate over a run."""

import math
from collections.abc import Sequence
from typing import Any

from torch import nn
from torch.optim import Adadelta, Adam, AdamW, Optimizer

from trainer.config.config import OptimiserConfig
from trainer.models import BeliefNetwork


def learning_rate(config: OptimiserConfig, progress: float) -> float:
    """Learning rate at a share of the run: a linear warm-up, then a cosine down to the floor.

    Args:
        config: peak, warm-up and floor.
        progress: 0 at the start, 1 at the end; the run may be measured in samples or in minutes.
    """
    if progress < config.warmup:
        return config.learning_rate * max(progress / config.warmup, config.floor)
    share = min((progress - config.warmup) / max(1.0 - config.warmup, 1e-9), 1.0)
    cosine = 0.5 * (1.0 + math.cos(math.pi * share))
    return config.learning_rate * (config.floor + (1.0 - config.floor) * cosine)


def optimiser_of(network: BeliefNetwork, config: OptimiserConfig) -> Optimizer:
    """The optimiser of a network's weights; those that decay are in its first group.

    Args:
        network: on the device where it is trained.
        config: which optimiser, and its constants.
    """
    rate, decay = config.learning_rate, config.weight_decay
    groups = parts(network, config)
    set_rate(groups, rate)
    if config.kind == "adadelta":
        return Adadelta(groups, lr=rate, rho=config.beta2, weight_decay=decay)
    kind = AdamW if config.kind == "adamw" else Adam
    return kind(groups, lr=rate, betas=(0.9, config.beta2), weight_decay=decay, fused=True)


def parts(network: BeliefNetwork, config: OptimiserConfig) -> list[dict[str, Any]]:
    """The weights that move, in groups that move alike: `share` is of the learning rate."""
    moving = [w for w in network.parameters() if w.requires_grad]
    slow: set[nn.Parameter] = set()
    if network.backbone and config.backbone_rate != 1.0:
        slow = set(network.features.parameters())
    groups: list[dict[str, Any]] = []
    for share, weights in (
        (1.0, [w for w in moving if w not in slow]),
        (config.backbone_rate, [w for w in moving if w in slow]),
    ):
        kernels, others = decaying(weights)
        if weights:
            groups += [
                {"params": kernels, "share": share},
                {"params": others, "share": share, "weight_decay": 0.0},
            ]
    return groups


def set_rate(groups: list[dict[str, Any]], rate: float) -> None:
    """Set every group's learning rate to its share of one."""
    for group in groups:
        group["lr"] = rate * group["share"]


def decaying(
    weights: Sequence[nn.Parameter],
) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The weights that decay, and those that do not: biases, and the scales of norm layers.

    The latter have one number per channel; a decay would shrink what a channel may say, without
    making the function any simpler.
    """
    return [w for w in weights if w.ndim > 1], [w for w in weights if w.ndim <= 1]
