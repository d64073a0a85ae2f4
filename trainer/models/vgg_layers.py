"""VGG's layers (Simonyan, Zisserman, ICLR 2015), at the indices of torchvision's weights."""

from collections.abc import Sequence

from torch import nn

POOL = 0
"""Stands for a 2x2 maximum among widths."""


def vgg(widths: Sequence[int], batch_norm: bool) -> nn.Sequential:
    """3x3 convolutions of these widths, each with its activation, and pools between them.

    Args:
        widths: channels of every convolution, or `POOL`.
        batch_norm: normalise before each activation, for training without VGG weights. It shares
            the activation's index, so that convolutions have torchvision's either way.
    """
    layers: list[nn.Module] = []
    seen = 3
    for width in widths:
        if width == POOL:
            layers.append(nn.MaxPool2d(2))
            continue
        relu = nn.ReLU(inplace=True)
        normed = nn.Sequential(nn.BatchNorm2d(width), relu) if batch_norm else relu
        layers += [nn.Conv2d(seen, width, 3, padding=1), normed]
        seen = width
    return nn.Sequential(*layers)


def vgg_note(backbone: str | None) -> str:
    """One line for the log: what the layers start from.

    Args:
        backbone: name of a file of VGG-19's weights, or None.
    """
    if backbone is None:
        return "backbone: VGG's layers, random weights, batch norm: training starts from scratch"
    return f"backbone: VGG-19's layers without batch norm, weights of {backbone}"
