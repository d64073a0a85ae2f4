"""The light network has the paper's layers, and decodes by the paper's rule."""

import pytest
import torch
from torch import nn

from simulator.labels import LEVELS, belief_map
from trainer.config.config import NetworkConfig
from trainer.models import build
from trainer.models.light import LightNetwork

HAND = 21
"""Keypoints of the paper."""


@pytest.fixture(scope="module")
def hand() -> LightNetwork:
    with torch.device("meta"):
        return LightNetwork(NetworkConfig(family="light"), HAND)


def convolutions(module: nn.Module) -> list[tuple[str, int, int, int, int, int]]:
    """Kind, channels in and out, kernel, stride and groups of every convolution."""
    return [
        (
            "up" if isinstance(m, nn.ConvTranspose2d) else "conv",
            m.in_channels,
            m.out_channels,
            m.kernel_size[0],
            m.stride[0],
            m.groups,
        )
        for m in module.modules()
        if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)
    ]


def test_it_has_the_papers_parameters(hand):
    assert sum(p.numel() for p in hand.parameters()) == 7_984_406  # 7.98 M
    assert sum(p.numel() for p in hand.features.parameters()) == 1_811_712
    with torch.device("meta"):
        robot = LightNetwork(NetworkConfig(family="light"), 7)
    assert sum(p.numel() for p in robot.parameters()) == 7_984_406 - 14 * 257


def test_it_has_the_papers_head(hand):
    assert convolutions(hand.deep) == [
        ("conv", 320, 1280, 1, 1, 1),
        ("conv", 1280, 1280, 3, 1, 1280),
        ("conv", 1280, 1280, 1, 1, 1),
    ]
    assert convolutions(hand.direct) == [("conv", 320, 1280, 1, 1, 1)]
    assert convolutions(hand.maps_of) == [
        ("conv", 1280, 1024, 1, 1, 1),
        ("conv", 1024, 1024, 3, 1, 1024),
        ("conv", 1024, 256, 1, 1, 1),
        ("up", 256, 256, 4, 2, 1),
        ("up", 256, 256, 4, 2, 1),
        ("conv", 256, 256, 3, 1, 256),
        ("conv", 256, HAND + 1, 1, 1, 1),
    ]


def test_block_14_keeps_the_resolution(hand):
    strides = [max(c[4] for c in convolutions(block)) for block in hand.features]
    assert len(strides) == 18
    assert strides[14] == 1
    assert [i for i, stride in enumerate(strides) if stride == 2] == [0, 2, 4, 7]


def test_an_untrained_one_believes_in_the_background_and_almost_nothing_else():
    torch.manual_seed(0)
    network = build(NetworkConfig(family="light"), 7)
    with torch.no_grad():
        (belief,) = network(torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8))
    assert belief[:, :7].mean() < 0.1
    assert belief[:, 7:].mean() > 0.9


def test_of_rival_peaks_it_takes_the_one_near_the_other_keypoints(hand):
    points = [(20.0, 20.0), (40.0, 44.0), (200.0, 200.0)]
    maps = torch.from_numpy(belief_map(points, [True] * 3, 224, 224, 4, 1.5)) / LEVELS
    rivals = torch.maximum(maps[0], maps[2])
    belief = torch.stack([rivals, *maps[1].expand(HAND - 1, -1, -1), 1 - maps.amax(dim=0)])
    assert hand.peaks(belief[None]).pixels[0, 0] == pytest.approx(points[0], abs=0.05)
