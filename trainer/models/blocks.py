"""Layers that the staged networks share."""

import math
from typing import cast

from torch import Tensor, nn

RARE = 0.01
"""Belief every cell starts with: about the mean of a target map, so that no time is lost on it."""


def dense(seen: int, width: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(seen, width, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )


def separable(seen: int, width: int, kernel: int) -> nn.Sequential:
    """The same with the convolution split into a depthwise one and a 1x1."""
    return nn.Sequential(
        nn.Conv2d(seen, seen, kernel, padding=kernel // 2, groups=seen, bias=False),
        nn.Conv2d(seen, width, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    """A block whose output is added to what it saw."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, seen: Tensor) -> Tensor:
        """Same shape as `seen`."""
        return seen + self.block(seen)


def head(width: int, hidden: int, maps: int) -> nn.Sequential:
    """1x1, ReLU, 1x1: from a stage's last features to the logits of its belief maps."""
    return nn.Sequential(
        nn.Conv2d(width, hidden, 1), nn.ReLU(inplace=True), nn.Conv2d(hidden, maps, 1)
    )


def initialise(layer: nn.Module) -> None:
    """He et al. 2015, for layers followed by a ReLU; to be given to `nn.Module.apply`."""
    if isinstance(layer, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def start_rare(head: nn.Module) -> None:
    """Let a head begin at belief `RARE` everywhere (Lin et al. 2017, focal loss, section 4.1)."""
    last = cast(nn.Conv2d, cast(nn.Sequential, head)[-1])
    assert last.bias is not None
    nn.init.normal_(last.weight, std=0.01)
    nn.init.constant_(last.bias, math.log(RARE / (1 - RARE)))
