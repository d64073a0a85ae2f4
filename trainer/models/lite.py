"""EfficientNet-Lite0 down to stride 32, back up to stride 8, and a second look at the whole arm.

The way up is a feature pyramid (Lin et al., CVPR 2017) of separable layers. It ends at stride 8,
where belief maps at stride 4 are folded 2x2 into channels, as in `trainer.models.folded`: a quarter
of the cells. What the backbone had at stride 4 is folded as well. The second stage takes the first
beliefs of all keypoints down to stride 16, where a few 5x5 layers see most of the image: which end
of the arm is the base, and which of two alike joints this is, is a matter of the arm as a whole. It
adds to the first stage's logits.

`lite` with EfficientNet-Lite0's weights, 256x192, 7 keypoints: 2.56 M parameters, 0.40 GMAC,
stride 4; a cell sees 1267 px.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.config.config import NetworkConfig
from trainer.models.blocks import Residual, head, initialise, separable, start_rare
from trainer.models.efficientnet import MEAN, STD, efficientnet, merged, published
from trainer.models.interface import BeliefNetwork

STRIDE = 4
FOLD = 2
"""Belief map cells along each side of a folded cell."""
BLOCKS = 15
"""Of EfficientNet-Lite0's 16: the last, a fifth of their weights, is there for its classifier."""
AT_4, AT_8, AT_16 = 2, 4, 10
"""Last block at each stride; the deepest is at 32."""
CHANNELS = {AT_4: 24, AT_8: 40, AT_16: 112, BLOCKS: 192}
"""Of what these put out."""
DEEP, WIDTH = 128, 96
"""Channels on the way up, at stride 16 and at stride 8."""
LOOKS = 4
"""Layers of the second stage at stride 16."""


class LiteNetwork(BeliefNetwork):
    """Two stages of belief maps on features that have seen ImageNet; see the module."""

    pixel_mean: ClassVar[tuple[float, float, float]] = MEAN
    pixel_std: ClassVar[tuple[float, float, float]] = STD

    def __init__(self, config: NetworkConfig, joints: int) -> None:
        """Build with random weights.

        Args:
            config: `head`, and whether the backbone is to take ImageNet weights.
            joints: belief maps per stage.
        """
        super().__init__(joints, STRIDE, multiple=32)
        self.backbone = config.backbone
        self.features = efficientnet(BLOCKS, normed=config.backbone is None)
        maps = joints * FOLD * FOLD
        self.from_32 = _linear(CHANNELS[BLOCKS], DEEP)
        self.to_16 = _doubled()
        self.from_16 = _linear(CHANNELS[AT_16], DEEP)
        self.deep = _refined(DEEP)
        self.from_deep = _linear(DEEP, WIDTH)
        self.to_8 = _doubled()
        self.from_8 = _linear(CHANNELS[AT_8] + CHANNELS[AT_4] * FOLD * FOLD, WIDTH)
        self.near = _refined(WIDTH)
        self.first = head(WIDTH, config.head, maps)
        self.pool = nn.AvgPool2d(2)
        self.whole = nn.Sequential(separable(DEEP + maps, DEEP, 5), *_layers(DEEP, LOOKS - 1))
        self.from_whole = _linear(DEEP, WIDTH)
        self.to_8_again = _doubled()
        self.again = _refined(WIDTH)
        self.second = head(WIDTH, config.head, maps)
        self.apply(initialise)
        start_rare(self.first)
        last = cast(nn.Conv2d, self.second[-1])  # at first it adds next to nothing
        nn.init.normal_(last.weight, std=0.01)

    def forward(self, images: Tensor) -> Sequence[Tensor]:
        """Beliefs of both stages; see `BeliefNetwork`."""
        at_4, at_8, at_16, at_32 = self._features(self.normalise(images))
        deep = self.deep(self.to_16(self.from_32(at_32)) + self.from_16(at_16))
        side = torch.cat([at_8, F.pixel_unshuffle(at_4, FOLD)], dim=1)
        near = self.near(self.to_8(self.from_deep(deep)) + self.from_8(side))
        first = self.first(near)
        beliefs = self.pool(torch.sigmoid(first))
        whole = self.whole(torch.cat([deep, beliefs], dim=1))
        again = self.again(near + self.to_8_again(self.from_whole(whole)))
        second = first + self.second(again)
        return [F.pixel_shuffle(torch.sigmoid(maps.float()), FOLD) for maps in (first, second)]

    def _features(self, seen: Tensor) -> list[Tensor]:
        """What the backbone puts out at stride 4, 8, 16 and 32."""
        found: list[Tensor] = []
        for i, block in enumerate(self.features):
            seen = block(seen)
            if i in CHANNELS:
                found.append(seen)
        return found

    def backbone_note(self) -> str:
        """One line for the log: what the backbone starts from."""
        if self.backbone is None:
            return (
                "backbone: EfficientNet-Lite0's layers, random weights, batch norm: training "
                "starts from scratch"
            )
        return f"backbone: EfficientNet-Lite0's layers, weights of {self.backbone}"

    def published(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """See `BeliefNetwork`."""
        return published(BLOCKS)

    def take(self, weights: Mapping[str, Tensor]) -> None:
        """See `BeliefNetwork`."""
        self.features.load_state_dict(merged(weights))


def _linear(seen: int, width: int) -> nn.Conv2d:
    """1x1 convolution, to be added to others."""
    return nn.Conv2d(seen, width, 1, bias=False)


def _doubled() -> nn.Upsample:
    """Twice the resolution."""
    return nn.Upsample(scale_factor=2, mode="bilinear")


def _refined(width: int) -> nn.Sequential:
    """Batch norm and ReLU of a sum, then a residual layer."""
    return nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(inplace=True), *_layers(width, 1))


def _layers(width: int, count: int) -> list[nn.Module]:
    return [Residual(separable(width, width, 5)) for _ in range(count)]
