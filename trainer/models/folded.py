"""The staged network made light for CPUs: strided features, stages on folded cells.

Three changes to `trainer.models.vgg`. Strided convolutions take the image to stride 4 at once, for
most of a VGG's time goes into its first layers. Stages work on cells folded 2x2 into channels, at
stride 8, and unfold their belief maps at the end: a quarter of the cells, and a 7x7 block sees
twice as far. Blocks are depthwise-separable with residual connections, also from stage to stage.

`tiny`, 160x120, 7 keypoints: 0.16 M parameters, 0.09 GMAC, stride 4; a cell sees 313 px.
`small`, 160x120, 7 keypoints: 0.40 M parameters, 0.22 GMAC, stride 4; a cell sees 457 px.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.config.config import NetworkConfig
from trainer.models.blocks import Residual, dense, head, initialise, separable, start_rare
from trainer.models.interface import BeliefNetwork

STRIDE = 4
FOLD = 2
"""Belief map cells along each side of a folded cell."""


class FoldedStages(BeliefNetwork):
    """Stages that refine belief maps on folded cells; see the module."""

    def __init__(self, config: NetworkConfig, joints: int) -> None:
        """Build with random weights.

        Args:
            config: widths and depths; `first_depth`, `first_kernel` and `separable` do not apply.
            joints: belief maps per stage.
        """
        super().__init__(joints, STRIDE, multiple=STRIDE * FOLD)
        one, two, three = config.widths
        maps = joints * FOLD * FOLD
        self.features = nn.Sequential(
            dense(3, one, 5, stride=2),
            dense(one, two, 3, stride=2),
            dense(two, three, 3),
            dense(three, config.width, 3, stride=FOLD),
        )
        self.stages = nn.ModuleList(
            _blocks(config.width + (maps if i else 0), config) for i in range(config.stages)
        )
        self.heads = nn.ModuleList(
            head(config.width, config.head, maps) for _ in range(config.stages)
        )
        self.apply(initialise)
        self.heads.apply(lambda m: start_rare(m) if isinstance(m, nn.Sequential) else None)

    def forward(self, images: Tensor) -> Sequence[Tensor]:
        """Beliefs of every stage; see `BeliefNetwork`."""
        features = self.features(self.normalise(images))
        beliefs: list[Tensor] = []
        seen, state = features, None
        for stage, to_maps in zip(self.stages, self.heads, strict=True):
            refined = stage(seen)
            state = refined if state is None else state + refined
            folded = torch.sigmoid(to_maps(state).float())
            beliefs.append(F.pixel_shuffle(folded, FOLD))
            seen = torch.cat([features, folded.to(features.dtype)], dim=1)
        return beliefs

    def backbone_note(self) -> str:
        """One line for the log: what the backbone starts from."""
        return "backbone: four strided layers, random weights"


def _blocks(seen: int, config: NetworkConfig) -> nn.Sequential:
    """One stage: a block that takes what it sees to the stage's width, then residual ones."""
    first = separable(seen, config.width, config.kernel)
    rest = [
        Residual(separable(config.width, config.width, config.kernel))
        for _ in range(config.depth - 1)
    ]
    return nn.Sequential(first, *rest)
