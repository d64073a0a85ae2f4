"""Laws of belief networks, and the papers' numbers."""

import re
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from trainer.config.config import MULTIPLE
from trainer.config.presets import PRESETS, PURPOSES, preset
from trainer.models import FAMILIES, ModelError, build, cost, estimate, receptive_field
from trainer.models.vgg import VggStages

JOINTS = 6
FILE = "vgg19-dcbb9e9d.pth"

VGG19_HEAD = {  # torchvision's vgg19, conv1_1 to conv3_1
    "features.0": (64, 3, 3, 3),
    "features.2": (64, 64, 3, 3),
    "features.5": (128, 64, 3, 3),
    "features.7": (128, 128, 3, 3),
    "features.10": (256, 128, 3, 3),
}


@pytest.fixture(scope="module")
def paper():
    with torch.device("meta"):
        network = VggStages(replace(preset("heindl2019").network, backbone=FILE), JOINTS)
    return network


def weights(stage: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(m.weight.shape) for m in stage.modules() if isinstance(m, nn.Conv2d)]


def test_the_papers_network_has_its_parameters(paper):
    assert sum(p.numel() for p in paper.parameters()) == 25_839_716  # 25.84 M
    assert sum(p.numel() for p in paper.features.parameters()) == 555_328  # 0.56 M


def test_the_papers_network_has_its_layers(paper):
    first, *later = (weights(stage) for stage in paper.stages)
    assert first == [
        (128, 256, 3, 3),
        (128, 128, 3, 3),
        (128, 128, 3, 3),
        (512, 128, 1, 1),
        (JOINTS, 512, 1, 1),
    ]
    refining = [(128, 256 + JOINTS, 7, 7), *[(128, 128, 7, 7)] * 4]
    assert later == [[*refining, (512, 128, 1, 1), (JOINTS, 512, 1, 1)]] * 5
    assert all(
        (m.bias is None) == (m.kernel_size != (1, 1))
        for m in paper.stages.modules()
        if isinstance(m, nn.Conv2d)
    )
    assert len([m for m in paper.stages.modules() if isinstance(m, nn.BatchNorm2d)]) == 28


def test_the_papers_network_costs_130_gmac(paper):
    found = cost(paper, 320, 240)
    assert found.macs == pytest.approx(130e9, rel=0.01)
    assert found.parameters == 25_839_716


@pytest.mark.parametrize("file", [None, FILE])
def test_the_backbone_has_torchvisions_names(file):
    with torch.device("meta"):
        network = VggStages(replace(preset("heindl2019").network, backbone=file), JOINTS)
    shapes = {name: tuple(p.shape) for name, p in network.named_parameters()}
    for layer, shape in VGG19_HEAD.items():
        assert shapes[f"{layer}.weight"] == shape
        assert shapes[f"{layer}.bias"] == shape[:1]


def test_the_receptive_field_is_what_the_gradient_reaches():
    chain = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1),
        nn.MaxPool2d(2),
        nn.Conv2d(2, 2, 5, padding=2),
        nn.MaxPool2d(2),
    )
    assert reached(chain, [8]) == receptive_field(chain)


def test_the_receptive_field_behind_transposed_convolutions_is_the_largest_there():
    chain = nn.Sequential(
        nn.Conv2d(1, 2, 3, stride=2, padding=1),
        nn.MaxPool2d(2),
        nn.ConvTranspose2d(2, 2, 4, stride=2, padding=1),
        nn.Conv2d(2, 2, 3, padding=1),
        nn.ConvTranspose2d(2, 2, 4, stride=2, padding=1),
        nn.Conv2d(2, 1, 3, padding=1),
    )
    assert reached(chain, range(30, 38)) == receptive_field(chain)


def test_the_receptive_field_behind_bilinear_upsampling_is_the_largest_there():
    chain = nn.Sequential(
        nn.Conv2d(1, 2, 3, stride=2, padding=1),
        nn.AvgPool2d(2),
        nn.Conv2d(2, 2, 3, padding=1),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.Conv2d(2, 2, 3, padding=1),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.Conv2d(2, 1, 3, padding=1),
    )
    assert reached(chain, range(30, 38)) == receptive_field(chain)


def reached(chain: nn.Sequential, cells) -> int:
    """Most pixels along a side that the gradient of one of these output cells reaches."""
    for layer in chain:  # positive weights: nothing cancels
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            layer.weight.data.abs_()
    # A maximum passes its gradient to one input only; an average reaches them all.
    averaged = nn.Sequential(
        *(nn.AvgPool2d(2) if isinstance(m, nn.MaxPool2d) else m for m in chain)
    )
    image = torch.rand(1, 1, 64, 64, requires_grad=True)
    output = averaged(image)[0, 0]
    sides = []
    for cell in cells:
        (gradient,) = torch.autograd.grad(output[cell, cell], image, retain_graph=True)
        sides.append(int((gradient[0, 0].abs().sum(dim=0) > 0).sum()))
    return max(sides)


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    return build(preset("tiny").network, 7)


def test_every_stage_gives_beliefs_at_the_stride(tiny):
    with torch.no_grad():
        stages = tiny(torch.randint(0, 256, (2, 3, 120, 160), dtype=torch.uint8))
    assert len(stages) == preset("tiny").network.stages
    for belief in stages:
        assert belief.shape == (2, 7, 30, 40)
        assert belief.min() >= 0
        assert belief.max() <= 1


def test_an_untrained_network_believes_in_almost_nothing(tiny):
    with torch.no_grad():
        beliefs = tiny(torch.randint(0, 256, (2, 3, 120, 160), dtype=torch.uint8))
    assert all(belief.mean() < 0.1 for belief in beliefs)


def test_bytes_and_floats_are_the_same_image(tiny):
    image = torch.randint(0, 256, (1, 3, 40, 48), dtype=torch.uint8)
    tiny.eval()
    with torch.no_grad():
        assert torch.equal(tiny(image)[-1], tiny(image.float())[-1])
    tiny.train()


def test_beliefs_flow_back_into_the_first_layer_and_every_stage(tiny):
    tiny(torch.randint(0, 256, (2, 3, 40, 48), dtype=torch.uint8))[-1].sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in tiny.parameters())
    first = next(m for m in tiny.modules() if isinstance(m, nn.Conv2d)).weight.grad
    assert first is not None
    assert first.abs().sum() > 0
    tiny.zero_grad()


@pytest.mark.parametrize("shape", [(1, 3, 41, 48), (1, 1, 40, 48), (3, 40, 48)])
def test_an_image_of_the_wrong_shape_is_refused(tiny, shape):
    with pytest.raises(ModelError, match=r"multiple of 8|expected"):
        tiny(torch.zeros(shape, dtype=torch.uint8))


def test_cost_leaves_the_mode_alone(tiny):
    tiny.train()
    cost(tiny, 48, 40)
    assert tiny.training


def test_every_family_has_a_builder_that_takes_its_multiples():
    assert FAMILIES.keys() == MULTIPLE.keys()
    for family, builder in FAMILIES.items():
        with torch.device("meta"):
            network = builder(replace(preset("heindl2019").network, family=family), JOINTS)
        assert network.multiple == MULTIPLE[family]


FIGURES = re.compile(
    r"`(\S+)`( with \S+'s weights)?, (\d+x\d+), (\d) keypoints: (\S+) M parameters, "
    r"(\S+) GMAC,\sstride (\d+);\sa\scell sees (\d+) px"
)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_what_a_network_costs_stands_in_its_module(name):
    config = preset(name)
    module = sys.modules[FAMILIES[config.network.family].__module__]
    stated = {found[0]: found[1:] for found in FIGURES.findall(module.__doc__ or "")}
    weighted, size, joints, parameters, gmacs, stride, sees = stated[name]
    assert size == config.settings.size
    network = replace(config.network, backbone=FILE if weighted else None)
    found = estimate(network, int(joints), config.settings.width, config.settings.height)
    assert f"{found.parameters / 1e6:.2f}" == parameters
    assert f"{found.macs / 1e9:.2f}" == gmacs
    assert found.stride == int(stride) == config.settings.stride
    assert found.receptive_field == int(sees)


def test_presets_stand_from_the_cheapest_to_the_dearest():
    costs = [
        estimate(config.network, 7, config.settings.width, config.settings.height).macs
        for config in map(preset, PRESETS)
    ]
    assert costs == sorted(costs)
    assert PURPOSES.keys() == PRESETS.keys()


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_network_puts_out_its_maps_at_its_stride(name):
    torch.manual_seed(0)
    network = build(preset(name).network, JOINTS).eval()
    side = network.multiple
    with torch.no_grad():
        stages = network(torch.randint(0, 256, (1, 3, 2 * side, 3 * side), dtype=torch.uint8))
    cells = (2 * side // network.stride, 3 * side // network.stride)
    assert {belief.shape for belief in stages} == {(1, network.maps, *cells)}
    peaks = network.peaks(stages[-1])
    assert peaks.pixels.shape == (1, JOINTS, 2)
    assert peaks.scores.shape == (1, JOINTS)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_the_log_says_what_the_backbone_starts_from(name):
    with torch.device("meta"):
        network = build(replace(preset(name).network, backbone=None), JOINTS)
    note = network.backbone_note()
    assert note.startswith("backbone: ")
    assert "random weights" in note
