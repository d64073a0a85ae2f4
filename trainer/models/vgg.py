"""A VGG backbone of stride 4, then stages that refine belief maps (Heindl et al. 2019).

With the defaults of `NetworkConfig` this is the paper's network: VGG-19 up to conv3_1, a first
stage of 3x3 blocks and five of 7x7 blocks that see the features and the last beliefs. The
backbone's convolutions carry torchvision's names (`features.N.weight` of vgg19).

`heindl2019` with VGG-19's weights, 320x240, 6 keypoints: 25.84 M parameters, 129.94 GMAC, stride 4;
a cell sees 648 px.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trainer.config.config import NetworkConfig
from trainer.models.blocks import dense, head, initialise, separable, start_rare
from trainer.models.interface import BeliefNetwork

STRIDE = 4
POOL = 0
"""Stands for a 2x2 maximum among widths."""


class VggStages(BeliefNetwork):
    """The staged network of the paper, in any size."""

    def __init__(self, config: NetworkConfig, joints: int) -> None:
        """Build with random weights.

        Args:
            config: widths and depths, and whether the backbone is to take VGG weights.
            joints: belief maps per stage.
        """
        super().__init__(joints, STRIDE)
        self.backbone = config.backbone
        one, two, three = config.widths
        self.features = vgg((one, one, POOL, two, two, POOL, three), config.backbone is None)
        seen = config.widths[-1]
        first = _stage(seen, joints, config, depth=config.first_depth, kernel=config.first_kernel)
        later = [
            _stage(seen + joints, joints, config, depth=config.depth, kernel=config.kernel)
            for _ in range(config.stages - 1)
        ]
        self.stages = nn.ModuleList([first, *later])
        self.apply(initialise)
        for stage in self.stages:
            start_rare(stage)

    def forward(self, images: Tensor) -> Sequence[Tensor]:
        """Beliefs of every stage; see `BeliefNetwork`."""
        features = self.features(self.normalise(images))
        beliefs: list[Tensor] = []
        for stage in self.stages:
            seen = features
            if beliefs:
                seen = torch.cat([features, beliefs[-1].to(features.dtype)], dim=1)
            beliefs.append(torch.sigmoid(stage(seen).float()))
        return beliefs

    def backbone_note(self) -> str:
        """One line for the log: what the backbone starts from."""
        return vgg_note(self.backbone)


def _stage(seen: int, joints: int, config: NetworkConfig, depth: int, kernel: int) -> nn.Sequential:
    block = separable if config.separable else dense
    blocks = [block(seen if i == 0 else config.width, config.width, kernel) for i in range(depth)]
    return nn.Sequential(*blocks, *head(config.width, config.head, joints))


def vgg(widths: Sequence[int], batch_norm: bool) -> nn.Sequential:
    """VGG's layers (Simonyan, Zisserman, ICLR 2015), at the indices of torchvision's weights.

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
