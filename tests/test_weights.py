"""Laws of files of weights."""

import dataclasses

import pytest
import torch

from trainer.models import build
from trainer.presets import preset
from trainer.weights import WeightsError, WeightsInfo, load_weights, read_info, save_weights

CONFIG = preset("tiny")
INFO = WeightsInfo.of(CONFIG, ("shoulder", "elbow", "wrist"))


def network(seed=0, config=CONFIG.network, joints=3):
    torch.manual_seed(seed)
    return build(config, joints)


def equal(a, b):
    mine, theirs = a.state_dict(), b.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(v, theirs[k]) for k, v in mine.items())


def test_weights_say_what_they_are_for(tmp_path):
    save_weights(tmp_path / "w.safetensors", network(), INFO)
    assert read_info(tmp_path / "w.safetensors") == INFO


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"robot": "panda"}, "for robot 'ur10', but the run has 'panda'"),
        ({"keypoints": ("a", "b", "c")}, "for keypoints .*'elbow'.*but the run has .*'b'"),
        ({"stride": 8}, "for stride 4, but the run has 8"),
    ],
)
def test_weights_for_something_else_are_refused_naming_both(tmp_path, change, message):
    path = tmp_path / "w.safetensors"
    save_weights(path, network(1), INFO)
    mine, untouched = network(2), network(2)
    with pytest.raises(WeightsError, match=message):
        load_weights(path, mine, dataclasses.replace(INFO, **change))
    assert equal(mine, untouched)


def test_weights_of_another_network_are_refused_naming_both_shapes(tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, network(), INFO)
    wider = network(config=dataclasses.replace(CONFIG.network, head=CONFIG.network.head + 8))
    with pytest.raises(WeightsError, match=r"\(tiny\) have .* of shape .* but the network"):
        load_weights(path, wider, INFO)


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", b"\xff" * 64])
def test_a_file_that_holds_no_weights_is_a_clear_error(tmp_path, content):
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"cannot read the weights .*w.safetensors") as caught:
        load_weights(path, network(), INFO)
    assert "\n" not in str(caught.value)


def test_foreign_safetensors_are_a_clear_error(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "w.safetensors"
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match="cannot read the weights"):
        read_info(path)
