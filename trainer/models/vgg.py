"""A VGG backbone of stride 4, then stages that refine belief maps (Heindl et al. 2019).

With the defaults of `NetworkConfig` this is the paper's network: VGG-19 up to conv3_1, a first
stage of 3x3 blocks and five of 7x7 blocks that see the features and the last beliefs. The
backbone's convolutions carry torchvision's names (`features.N.weight` of vgg19).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trainer.config import NetworkConfig
from trainer.models.blocks import dense, head, initialise, separable, start_rare
from trainer.models.interface import BeliefNetwork

STRIDE = 4


class VggStages(BeliefNetwork):
    """The staged network of the paper, in any size."""

    def __init__(self, config: NetworkConfig, joints: int, batch_norm: bool = True) -> None:
        """Build with random weights.

        Args:
            config: widths and depths.
            joints: belief maps per stage.
            batch_norm: normalise inside the backbone, for training without VGG weights.
        """
        super().__init__(joints, STRIDE)
        self.batch_norm = batch_norm
        self.features = _backbone(config.widths, batch_norm)
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
            seen = torch.cat([features, beliefs[-1]], dim=1) if beliefs else features
            beliefs.append(torch.sigmoid(stage(seen)))
        return beliefs

    def backbone_note(self) -> str:
        """One line for the log: what the backbone starts from."""
        if self.batch_norm:
            return "backbone: random weights, batch norm after each convolution (no VGG weights)"
        return "backbone: VGG layers without batch norm"


def _backbone(widths: tuple[int, int, int], batch_norm: bool) -> nn.Sequential:
    """VGG-19's conv1_1 to conv3_1, at torchvision's indices."""
    one, two, three = widths
    return nn.Sequential(
        nn.Conv2d(3, one, 3, padding=1),
        _activation(one, batch_norm),
        nn.Conv2d(one, one, 3, padding=1),
        _activation(one, batch_norm),
        nn.MaxPool2d(2),
        nn.Conv2d(one, two, 3, padding=1),
        _activation(two, batch_norm),
        nn.Conv2d(two, two, 3, padding=1),
        _activation(two, batch_norm),
        nn.MaxPool2d(2),
        nn.Conv2d(two, three, 3, padding=1),
        _activation(three, batch_norm),
    )


def _activation(channels: int, batch_norm: bool) -> nn.Module:
    relu = nn.ReLU(inplace=True)
    return nn.Sequential(nn.BatchNorm2d(channels), relu) if batch_norm else relu


def _stage(seen: int, joints: int, config: NetworkConfig, depth: int, kernel: int) -> nn.Sequential:
    block = separable if config.separable else dense
    blocks = [block(seen if i == 0 else config.width, config.width, kernel) for i in range(depth)]
    return nn.Sequential(*blocks, *head(config.width, config.head, joints))
