"""The exponential moving average of a network's weights: steadier than the weights of one step."""

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


def decay_at(decay: float, step: int) -> float:
    """Share that the average keeps of itself at a step, at most `decay`.

    (1 + step) / (10 + step) until then, as TensorFlow's ExponentialMovingAverage has it: the
    average reaches back over about a tenth of the steps made so far, so that a short run's is not
    held up by the weights it began with.
    """
    return min(decay, (1 + step) / (10 + step))


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move an average towards the network: average = decay average + (1 - decay) network.

    Batch norm's means and variances are averaged like weights: they then describe the activations
    over the steps whose weights the average holds. The network's own would describe its latest
    weights, which the average does not have. Counters are copied.
    """
    smooth, counters = _numbers(average)
    smooth_now, counters_now = _numbers(network)
    get_ema_multi_avg_fn(decay)(smooth, smooth_now, 0)
    for mine, theirs in zip(counters, counters_now, strict=True):
        mine.copy_(theirs)


def _numbers(network: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """All that a network holds: fractions, and whole numbers."""
    held = [*network.parameters(), *network.buffers()]
    return (
        [tensor for tensor in held if tensor.is_floating_point()],
        [tensor for tensor in held if not tensor.is_floating_point()],
    )
