"""EfficientNet-Lite0's layers (Tan, Le, ICML 2019; no attention, ReLU6), for ImageNet weights.

Published weights have batch norm. Their statistics hold for the images of ImageNet, and so do the
scales that go with them; here both are multiplied into the convolutions when weights are taken, as
biases: a training step then passes over every activation once less, forward and back. A backbone
that begins with random weights keeps batch norm, without which it would hardly learn.

The publishers' strided layers pad an image more behind than before, as TensorFlow does. Here they
pad as PyTorch does, which needs no padded copy: a cell of stride s shows what lies s - 1 pixels
before what it showed there, and only along the image's border is anything else another.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MEAN = (127 / 255, 127 / 255, 127 / 255)
"""What was subtracted from RGB in [0, 1] when the weights were trained."""
STD = (128 / 255, 128 / 255, 128 / 255)
"""What it was then divided by."""
EPSILON = 1e-3
"""Of batch norm."""
STEM = 32
BLOCKS = (  # expansion, kernel, channels, how many, stride of the first
    (1, 3, 16, 1, 1),
    (6, 3, 24, 2, 2),
    (6, 5, 40, 2, 2),
    (6, 3, 80, 3, 2),
    (6, 5, 112, 3, 1),
    (6, 5, 192, 4, 2),
    (6, 3, 320, 1, 1),
)
"""Rows of table 1 of the paper, without the last 1x1 convolution."""
PARTS = {
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "project": ("_project_conv", "_bn2"),
}
"""Names that published weights have for a block's convolutions and their norms."""


def efficientnet(blocks: int, normed: bool) -> nn.Sequential:
    """The first convolution and blocks 1 to `blocks`, of at most 16, with random weights.

    Args:
        blocks: how many.
        normed: with batch norm; without, `merged` makes weights of published ones.
    """
    layers: list[nn.Module] = [Layer(3, STEM, 3, stride=2, normed=normed)]
    seen = STEM
    for expansion, kernel, width, repeats, first in BLOCKS:
        for i in range(repeats):
            stride = first if i == 0 else 1
            layers.append(Block(seen, width, expansion, kernel, stride, normed))
            seen = width
    return nn.Sequential(*layers[: blocks + 1])


class Layer(nn.Module):
    """Convolution, batch norm or bias, ReLU6."""

    def __init__(
        self,
        seen: int,
        width: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        *,
        normed: bool,
        active: bool = True,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            seen, width, kernel, stride, kernel // 2, groups=groups, bias=not normed
        )
        self.norm = nn.BatchNorm2d(width, eps=EPSILON) if normed else None
        self.active = active

    def forward(self, seen: Tensor) -> Tensor:
        """(B, width, h/stride, w/stride) from (B, seen, h, w)."""
        found = self.conv(seen)
        if self.norm is not None:
            found = self.norm(found)
        return F.relu6(found, inplace=True) if self.active else found


class Block(nn.Module):
    """Widen by a 1x1, filter by a depthwise layer, narrow by a linear 1x1; add what it saw."""

    def __init__(
        self, seen: int, width: int, expansion: int, kernel: int, stride: int, normed: bool
    ) -> None:
        super().__init__()
        inner = seen * expansion
        self.residual = stride == 1 and seen == width
        self.expand = Layer(seen, inner, 1, normed=normed) if expansion > 1 else nn.Identity()
        self.depthwise = Layer(inner, inner, kernel, stride, groups=inner, normed=normed)
        self.project = Layer(inner, width, 1, normed=normed, active=False)

    def forward(self, seen: Tensor) -> Tensor:
        """(B, width, h/stride, w/stride) from (B, seen, h, w)."""
        found = self.project(self.depthwise(self.expand(seen)))
        return seen + found if self.residual else found


def published(blocks: int) -> dict[str, tuple[str, tuple[int, ...]]]:
    """What `efficientnet(blocks, normed=True)` takes from published weights.

    Returns:
        The name that a tensor has there and its shape, by the name that it has here.
    """
    with torch.device("meta"):
        own = efficientnet(blocks, normed=True).state_dict()
    return {name: (_published(name), tuple(tensor.shape)) for name, tensor in own.items()}


def _published(name: str) -> str:
    number, *part, layer, tensor = name.split(".")
    if not part:
        return f"{'_conv_stem' if layer == 'conv' else '_bn0'}.{tensor}"
    conv, norm = PARTS[part[0]]
    return f"_blocks.{int(number) - 1}.{conv if layer == 'conv' else norm}.{tensor}"


def merged(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights with batch norm, as in evaluation, multiplied into the convolutions.

    Args:
        state: of `efficientnet(..., normed=True)`.

    Returns:
        The state of the same with `normed=False`: it computes the same.
    """
    found: dict[str, Tensor] = {}
    for name, weight in state.items():
        layer, _, tensor = name.rpartition(".conv.")
        if tensor != "weight":
            continue
        scale, shift, mean, variance = (
            state[f"{layer}.norm.{part}"]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor = scale / (variance + EPSILON).sqrt()
        found[name] = weight * factor[:, None, None, None]
        found[f"{layer}.conv.bias"] = shift - mean * factor
    return found
