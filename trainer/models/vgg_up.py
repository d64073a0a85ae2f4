"""All of VGG-19 down to stride 16, then two learned upsamplings back to stride 4.

In place of the cascade of 7x7 blocks of `trainer.models.vgg`, which sees far by being deep at
stride 4, this network sees far by going down: 28 % of the work, with nearly all of VGG-19's
pretrained layers. Each upsampling meets the features that VGG had at that resolution, as in a
feature pyramid (Lin et al., CVPR 2017), for where exactly a joint is has been lost at stride 16.

`vgg-up` with VGG-19's weights, 320x240, 7 keypoints: 24.68 M parameters, 36.40 GMAC, stride 4; a
cell sees 300 px.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trainer.config.config import NetworkConfig
from trainer.models.blocks import dense, head, initialise, start_rare
from trainer.models.interface import BeliefNetwork
from trainer.models.vgg import POOL, vgg, vgg_note

STRIDE = 4
WIDTHS = (64, 64, POOL, 128, 128, POOL, *(256,) * 4, POOL, *(512,) * 4, POOL, *(512,) * 4)
"""VGG-19 without its last pool."""
AT_4, AT_8 = 17, 26
"""Index of VGG's last layer at stride 4 and at stride 8."""
WIDTH = 256
"""Channels on the way up."""


class VggUp(BeliefNetwork):
    """One stage on features that were brought up again; see the module."""

    def __init__(self, config: NetworkConfig, joints: int) -> None:
        """Build with random weights.

        Args:
            config: `head`, and whether the backbone is to take VGG weights.
            joints: belief maps.
        """
        super().__init__(joints, STRIDE, multiple=16)
        self.backbone = config.backbone
        self.features = vgg(WIDTHS, config.backbone is None)
        self.to_8 = Upsampling(512, 512)
        self.to_4 = Upsampling(WIDTH, 256)
        self.head = head(WIDTH, config.head, joints)
        self.apply(initialise)
        start_rare(self.head)

    def forward(self, images: Tensor) -> Sequence[Tensor]:
        """Beliefs of its one stage; see `BeliefNetwork`."""
        seen = self.normalise(images)
        passed: dict[int, Tensor] = {}
        for i, layer in enumerate(self.features):
            seen = layer(seen)
            if i in (AT_4, AT_8):
                passed[i] = seen
        seen = self.to_4(self.to_8(seen, passed[AT_8]), passed[AT_4])
        return [torch.sigmoid(self.head(seen).float())]

    def backbone_note(self) -> str:
        """One line for the log: what the backbone starts from."""
        return vgg_note(self.backbone)


class Upsampling(nn.Module):
    """Twice the resolution by a transposed convolution, joined by features that passed there."""

    def __init__(self, seen: int, passed: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(seen, WIDTH, 4, stride=2, padding=1, bias=False)
        self.side = nn.Conv2d(passed, WIDTH, 1, bias=False)
        self.activation = nn.Sequential(nn.BatchNorm2d(WIDTH), nn.ReLU(inplace=True))
        self.refine = dense(WIDTH, WIDTH, 3)

    def forward(self, seen: Tensor, passed: Tensor) -> Tensor:
        """(B, `WIDTH`, 2h, 2w) from (B, seen, h, w) and (B, passed, 2h, 2w)."""
        return self.refine(self.activation(self.up(seen) + self.side(passed)))
