"""A backbone begins with all of its weights from a file, or with none."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from learner_parts import learner_of
from safetensors.torch import save_file
from torch import Tensor

from trainer.config.config import Config, ConfigError, NetworkConfig
from trainer.config.files import resumed
from trainer.config.presets import preset
from trainer.models import BeliefNetwork, build
from trainer.weights.backbone import BackboneError, load_backbone
from trainer.weights.initial import InitialWeights

VGG19 = {0: (3, 64), 2: (64, 64), 5: (64, 128), 7: (128, 128), 10: (128, 256)}
VGG19 |= {i: (256, 256) for i in (12, 14, 16)} | {19: (256, 512)}
VGG19 |= {i: (512, 512) for i in (21, 23, 25, 28, 30, 32, 34)}
"""Channels in and out of torchvision's vgg19, by index in `features`."""
HEAD = 10
"""The last layer that heindl2019 uses."""

MOBILENET = [  # in, out, expansion of torchvision's mobilenet_v2's features.1 to features.17
    (32, 16, 1),
    *[(16, 24, 6), (24, 24, 6)],
    *[(24, 32, 6), (32, 32, 6), (32, 32, 6)],
    *[(32, 64, 6), (64, 64, 6), (64, 64, 6), (64, 64, 6)],
    *[(64, 96, 6), (96, 96, 6), (96, 96, 6)],
    *[(96, 160, 6), (160, 160, 6), (160, 160, 6)],
    (160, 320, 6),
]


def vgg19(last: int) -> dict[str, Tensor]:
    state = {"classifier.6.bias": torch.zeros(1000)}
    for i, (seen, width) in VGG19.items():
        if i <= last:
            state[f"features.{i}.weight"] = torch.randn(width, seen, 3, 3) / (3 * seen**0.5)
            state[f"features.{i}.bias"] = torch.randn(width)
    return state


def mobilenet(counters: bool = True) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}

    def norm(name: str, width: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"{name}.{part}"] = torch.rand(width)
        if counters:
            state[f"{name}.num_batches_tracked"] = torch.tensor(7)

    def layer(name: str, seen: int, width: int, kernel: int) -> None:
        state[f"{name}.0.weight"] = torch.randn(width, seen, kernel, kernel)
        norm(f"{name}.1", width)

    layer("features.0", 3, 32, 3)
    for i, (seen, width, expansion) in enumerate(MOBILENET, start=1):
        inner = seen * expansion
        if expansion > 1:
            layer(f"features.{i}.conv.0", seen, inner, 1)
        at = 1 if expansion > 1 else 0
        layer(f"features.{i}.conv.{at}", 1, inner, 3)
        state[f"features.{i}.conv.{at + 1}.weight"] = torch.randn(width, inner, 1, 1)
        norm(f"features.{i}.conv.{at + 2}", width)
    layer("features.18", 320, 1280, 1)
    return state | {"classifier.1.weight": torch.randn(1000, 1280)}


def network(name: str, file: Path) -> BeliefNetwork:
    torch.manual_seed(1)
    return build(replace(preset(name).network, backbone=file.name, stages=1), 7)


@pytest.fixture(scope="module")
def head(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "vgg19-dcbb9e9d.pth"
    torch.save(vgg19(last=12), path)
    return path


def test_vgg_weights_of_the_layers_in_use_are_taken_and_the_rest_is_named(head):
    net = network("heindl2019", head)
    loaded = load_backbone(net, head)
    state = torch.load(head, weights_only=True)
    for name, tensor in net.features.state_dict().items():
        assert torch.equal(tensor, state[f"features.{name}"])
    assert len(loaded.loaded) == 10
    assert loaded.numbers == 555_328
    assert sorted(loaded.unused) == ["classifier.6.bias", "features.12.bias", "features.12.weight"]
    assert str(loaded) == (
        "10 tensors, 0.56 M numbers; 3 more in it are of no use here: classifier.6.bias, "
        "features.12.weight, features.12.bias"
    )


def test_a_backbone_that_begins_with_vgg_weights_has_no_batch_norm(head):
    names = dict(network("heindl2019", head).features.named_modules()).values()
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in names)
    with torch.device("meta"):
        scratch = build(preset("heindl2019").network, 7)
    assert any(isinstance(m, torch.nn.BatchNorm2d) for m in scratch.features.modules())
    assert "training starts from scratch" in scratch.backbone_note()


def test_vgg_up_takes_all_of_vgg19(tmp_path):
    file = tmp_path / "vgg19.safetensors"
    state = vgg19(last=34)
    save_file(state, file)
    net = network("vgg-up", file)
    assert load_backbone(net, file).unused == ("classifier.6.bias",)
    assert torch.equal(net.features.state_dict()["34.weight"], state["features.34.weight"])


@pytest.mark.parametrize("counters", [True, False])
def test_light_takes_mobilenets_weights_with_or_without_counters(tmp_path, counters):
    state = mobilenet(counters)
    file = tmp_path / "mobilenet_v2.pth"
    torch.save(state, file)
    net = network("light", file)
    loaded = load_backbone(net, file)
    assert all(n.startswith(("features.18.", "classifier.")) for n in loaded.unused)
    own = net.features.state_dict()
    used = [n for n in state if n not in loaded.unused]
    assert {n.removeprefix("features.") for n in used} >= {n for n in own if "num_b" not in n}
    for name in used:
        assert torch.equal(own[name.removeprefix("features.")], state[name])


def test_halves_are_of_names_and_the_dtype_does_not_matter(head, tmp_path):
    file = tmp_path / "half.safetensors"
    state = torch.load(head, weights_only=True)
    save_file({name: tensor.half() for name, tensor in state.items()}, file)
    net = network("heindl2019", file)
    load_backbone(net, file)
    taken = net.features.state_dict()["0.weight"]
    assert taken.dtype == torch.float32
    assert torch.allclose(taken, state["features.0.weight"], atol=1e-3)


def spoilt(state: dict[str, Tensor], how: str) -> object:
    if how == "lacks one":
        del state["features.5.weight"]
    elif how == "another shape":
        state["features.5.weight"] = torch.zeros(128, 64, 5, 5)
    elif how == "not finite":
        state["features.5.weight"][0, 0, 0, 0] = torch.nan
    elif how == "nested":
        return {"epoch": 3, "state_dict": state}
    elif how == "a list":
        return list(state.values())
    return state


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("lacks one", "they have features.5.weight nothing in place of 128x64x3x3"),
        ("another shape", "they have features.5.weight 128x64x5x5 in place of 128x64x3x3"),
        ("not finite", "numbers in features.5.weight that are not finite"),
        ("nested", "something else than named tensors"),
        ("a list", "something else than named tensors"),
    ],
)
def test_what_does_not_fit_is_refused_by_name_and_nothing_is_changed(head, tmp_path, how, message):
    file = tmp_path / "spoilt.pth"
    torch.save(spoilt(torch.load(head, weights_only=True), how), file)
    net = network("heindl2019", file)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(BackboneError, match=message) as caught:
        load_backbone(net, file)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_weights_of_the_other_family_are_refused(head, tmp_path):
    with pytest.raises(BackboneError, match=r"features.0.0.weight nothing .* and \d+ more"):
        load_backbone(network("light", head), head)


class Code:
    """Would run code if it were unpickled."""

    def __reduce__(self):
        return print, ("ran",)


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("content", ["missing", "empty", "text", "truncated", "code"])
def test_a_file_that_is_no_weights_is_one_line_that_names_it(head, tmp_path, capsys, name, content):
    file = tmp_path / name
    if content == "code":
        torch.save(Code(), file)
    elif content != "missing":
        half = head.read_bytes()[: head.stat().st_size // 2]
        file.write_bytes({"empty": b"", "text": b"hello\n" * 50, "truncated": half}[content])
    with pytest.raises(BackboneError) as caught:
        load_backbone(network("heindl2019", file), file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)
    reason = "No such file" if content == "missing" else "damaged, or no tensors written by"
    assert reason in str(caught.value)
    assert capsys.readouterr().out == ""


def test_the_average_of_the_weights_begins_with_them_too(head):
    config = preset("heindl2019").changed(backbone=head.name)
    config = replace(
        config,
        network=replace(config.network, stages=1),
        optimiser=replace(config.optimiser, ema=0.9),
    )
    learner = learner_of(config, 7, InitialWeights(backbone=head))
    for part in (learner.network, learner.ema):
        assert torch.equal(
            part.features.state_dict()["0.weight"],
            torch.load(head, weights_only=True)["features.0.weight"],
        )


def test_the_config_keeps_what_the_network_is_to_be_built_like():
    config = preset("vgg-up").changed(backbone="vgg19.pth")
    again = Config.from_json(config.to_json())
    assert again.network == NetworkConfig(family="vgg-up", backbone="vgg19.pth")


def test_a_network_with_a_backbone_of_its_own_refuses_a_file():
    with pytest.raises(ConfigError, match=r"backbone of tiny .* heindl2019 .* vgg-up .* light"):
        preset("tiny").changed(backbone="vgg19.pth")


def test_a_run_goes_on_with_the_backbone_it_began_with():
    config = preset("light").changed(backbone="mobilenet_v2.pth")
    for given in ({}, {"network": {"backbone": "mobilenet_v2.pth"}}):
        assert resumed(config, "light", given) == config
    with pytest.raises(ConfigError, match=r"otherwise: network.backbone is 'mobilenet_v2"):
        resumed(config, "light", {"network": {"backbone": "another.pth"}})
