"""MobileNetV2 at stride 16, then two learned upsamplings to stride 4 (Gouidis et al. 2019).

Gouidis, Panteleris, Oikonomidis, Argyros, "Accurate Hand Keypoint Localization on Mobile Devices",
MVA 2019. Its 7.98 M parameters follow where every convolution but the last has batch norm in place
of a bias: 7,984,406 at its 21 keypoints, 257 fewer for each keypoint less. After the keypoints'
maps it puts out a background map, where none of them is. It differs in that a sigmoid keeps beliefs
in [0, 1], and in what `trainer.beliefs.decode_jointly`, its decoding, says there.

`light`, 224x224, 7 keypoints: 7.98 M parameters, 2.29 GMAC, stride 4; a cell sees 491 px.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from trainer.beliefs import decode_jointly
from trainer.config.config import NetworkConfig
from trainer.models.blocks import initialise, start_rare
from trainer.models.interface import BeliefNetwork
from trainer.models.mobilenet import CHANNELS, mobilenet

STRIDE = 4
UNSTRIDED = 14
"""Block of MobileNetV2 that keeps its resolution, so that the backbone ends at stride 16."""
SHARED, INNER, NARROW = 1280, 1024, 256
"""Channels after the two branches, between them and the upsampling, and from there on."""


class LightNetwork(BeliefNetwork):
    """One stage, with a background map; see the module."""

    def __init__(self, config: NetworkConfig, joints: int) -> None:
        """Build with random weights.

        Args:
            config: temperature, and the backbone's origin; widths and depths are the paper's.
            joints: belief maps, the background's not counted.
        """
        super().__init__(joints, STRIDE, multiple=16, maps=joints + 1)
        self.backbone = config.backbone
        self.temperature = config.temperature
        self.features = mobilenet(UNSTRIDED)
        self.deep = nn.Sequential(
            _layer(CHANNELS, SHARED, 1),
            _layer(SHARED, SHARED, 3, groups=SHARED),
            _linear(SHARED, SHARED),
        )
        self.direct = _linear(CHANNELS, SHARED)
        self.maps_of = nn.Sequential(
            nn.LeakyReLU(inplace=True),
            _layer(SHARED, INNER, 1),
            _layer(INNER, INNER, 3, groups=INNER),
            _layer(INNER, NARROW, 1),
            _doubled(NARROW),
            _doubled(NARROW),
            _layer(NARROW, NARROW, 3, groups=NARROW),
            nn.Conv2d(NARROW, self.maps, 1),
        )
        self.apply(initialise)
        start_rare(self.maps_of)
        bias = cast(Tensor, cast(nn.Conv2d, self.maps_of[-1]).bias)
        bias.data[-1] *= -1.0  # the background is where the keypoints are not

    def forward(self, images: Tensor) -> Sequence[Tensor]:
        """Beliefs of its one stage; see `BeliefNetwork`."""
        features = self.features(self.normalise(images))
        shared = self.deep(features) + self.direct(features)
        return [torch.sigmoid(self.maps_of(shared).float())]

    def locate(self, belief: Tensor) -> tuple[Tensor, Tensor]:
        """Keypoints, rivals of a map weighed by the other maps; see `BeliefNetwork`."""
        return decode_jointly.locate(belief[:, : self.joints], self.stride, self.temperature)

    def backbone_note(self) -> str:
        """One line for the log: what the backbone starts from."""
        if self.backbone is None:
            return "backbone: MobileNetV2's layers, random weights: training starts from scratch"
        return f"backbone: MobileNetV2's layers, weights of {self.backbone}"


def _linear(seen: int, width: int) -> nn.Sequential:
    """1x1 convolution, batch norm."""
    return nn.Sequential(nn.Conv2d(seen, width, 1, bias=False), nn.BatchNorm2d(width))


def _layer(seen: int, width: int, kernel: int, groups: int = 1) -> nn.Sequential:
    """Convolution, batch norm, leaky ReLU."""
    return nn.Sequential(
        nn.Conv2d(seen, width, kernel, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(width),
        nn.LeakyReLU(inplace=True),
    )


def _doubled(width: int) -> nn.Sequential:
    """4x4 transposed convolution to twice the resolution, batch norm, leaky ReLU."""
    return nn.Sequential(
        nn.ConvTranspose2d(width, width, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.LeakyReLU(inplace=True),
    )
