"""MobileNetV2's layers (Sandler et al., CVPR 2018), under the names of torchvision's weights."""

from torch import Tensor, nn

BLOCKS = (  # expansion, channels, how many, stride of the first
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Rows of table 2 of the paper, without the last 1x1 convolution."""
CHANNELS = 320
"""Channels after block 17."""


def mobilenet(unstrided: int) -> nn.Sequential:
    """The first convolution and blocks 1 to 17, with random weights.

    Args:
        unstrided: number of a block that keeps the resolution, whatever the paper says; at 14 the
            stride is 16 instead of 32.
    """
    layers: list[nn.Module] = [convolution(3, 32, 3, stride=2)]
    seen = 32
    for expansion, width, repeats, first in BLOCKS:
        for i in range(repeats):
            stride = first if i == 0 and len(layers) != unstrided else 1
            layers.append(InvertedResidual(seen, width, expansion, stride))
            seen = width
    return nn.Sequential(*layers)


class InvertedResidual(nn.Module):
    """Widen by a 1x1, filter by a depthwise 3x3, narrow by a linear 1x1; add what it saw."""

    def __init__(self, seen: int, width: int, expansion: int, stride: int) -> None:
        super().__init__()
        inner = seen * expansion
        self.residual = stride == 1 and seen == width
        widen = [convolution(seen, inner, 1)] if expansion > 1 else []
        self.conv = nn.Sequential(
            *widen,
            convolution(inner, inner, 3, stride=stride, groups=inner),
            nn.Conv2d(inner, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, seen: Tensor) -> Tensor:
        """(B, width, h/stride, w/stride) from (B, seen, h, w)."""
        return seen + self.conv(seen) if self.residual else self.conv(seen)


def convolution(
    seen: int, width: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Convolution, batch norm, ReLU6."""
    return nn.Sequential(
        nn.Conv2d(seen, width, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU6(inplace=True),
    )
