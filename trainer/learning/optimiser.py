"""What moves the weights, and how far: the optimisers, and the learning rate over a run."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from torch import nn
from torch.optim import Adadelta, Adam, AdamW, Optimizer

from trainer.config.config import OptimiserConfig

SHARE = "share"
"""Of a group: its learning rate, as a share of the others'."""


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


def optimiser_of(
    network: nn.Module, config: OptimiserConfig, slow: Iterable[nn.Parameter] = ()
) -> Optimizer:
    """The optimiser of a network's weights, as far as they are to move.

    Those that decay are in its first group; where some are slow, these make two more.

    Args:
        network: on the device where it is trained.
        config: which optimiser, and its constants.
        slow: weights that learn at `config.backbone_rate`.
    """
    rate, decay = config.learning_rate, config.weight_decay
    late = set(slow) if config.backbone_rate != 1.0 else set[nn.Parameter]()
    moving = [w for w in network.parameters() if w.requires_grad]
    groups: list[dict[str, Any]] = []
    for share, weights in (
        (1.0, [w for w in moving if w not in late]),
        (config.backbone_rate, [w for w in moving if w in late]),
    ):
        if weights:
            kernels, others = decaying(weights)
            groups.append({"params": kernels, SHARE: share})
            groups.append({"params": others, SHARE: share, "weight_decay": 0.0})
    set_rate(groups, rate)
    if config.kind == "adadelta":
        return Adadelta(groups, lr=rate, rho=config.beta2, weight_decay=decay)
    kind = AdamW if config.kind == "adamw" else Adam
    return kind(groups, lr=rate, betas=(0.9, config.beta2), weight_decay=decay, fused=True)


def set_rate(groups: Iterable[dict[str, Any]], rate: float) -> None:
    """Set the learning rate of an optimiser's groups, each to its share of it."""
    for group in groups:
        group["lr"] = rate * group.get(SHARE, 1.0)  # older checkpoints' groups have none


def decaying(
    weights: Sequence[nn.Parameter],
) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The weights that decay, and those that do not: biases, and the scales of norm layers.

    The latter have one number per channel; a decay would shrink what a channel may say, without
    making the function any simpler.
    """
    return [w for w in weights if w.ndim > 1], [w for w in weights if w.ndim <= 1]
