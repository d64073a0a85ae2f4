"""What moves the weights, and how far: the optimisers, and the learning rate over a run."""

import math

from torch import nn
from torch.optim import Adadelta, Adam, AdamW, Optimizer

from trainer.config.config import OptimiserConfig


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


def optimiser_of(network: nn.Module, config: OptimiserConfig) -> Optimizer:
    """The optimiser of a network's weights; those that decay are in its first group.

    Args:
        network: on the device where it is trained.
        config: which optimiser, and its constants.
    """
    rate, decay = config.learning_rate, config.weight_decay
    kernels, others = decaying(network)
    groups = [{"params": kernels}, {"params": others, "weight_decay": 0.0}]
    if config.kind == "adadelta":
        return Adadelta(groups, lr=rate, rho=config.beta2, weight_decay=decay)
    kind = AdamW if config.kind == "adamw" else Adam
    return kind(groups, lr=rate, betas=(0.9, config.beta2), weight_decay=decay, fused=True)


def decaying(network: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The weights that decay, and those that do not: biases, and the scales of norm layers.

    The latter have one number per channel; a decay would shrink what a channel may say, without
    making the function any simpler.
    """
    weights = list(network.parameters())
    return [w for w in weights if w.ndim > 1], [w for w in weights if w.ndim <= 1]
