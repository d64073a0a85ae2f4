"""Laws of files of weights."""

import dataclasses
import json
import math
import re

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from simulator.robot import Robot
from trainer.config.presets import preset
from trainer.models import build
from trainer.weights.file import (
    WeightsError,
    WeightsInfo,
    check_weights,
    open_network,
    read_info,
    save_weights,
)

CONFIG = preset("tiny")
INFO = WeightsInfo.of(CONFIG, Robot.named("ur10"))
JOINTS = len(INFO.keypoints)


def network(seed=0, config=CONFIG.network, joints=JOINTS):
    torch.manual_seed(seed)
    return build(config, joints)


def equal(a, b):
    mine, theirs = a.state_dict(), b.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(v, theirs[k]) for k, v in mine.items())


def test_weights_may_be_read_by_whom_other_files_may(tmp_path):
    save_weights(tmp_path / "w.safetensors", network(), INFO)
    (tmp_path / "plain").touch()
    modes = {path.stat().st_mode for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_weights_say_what_they_are_for(tmp_path):
    save_weights(tmp_path / "w.safetensors", network(), INFO)
    assert read_info(tmp_path / "w.safetensors") == INFO


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"robot": "panda"}, r"\(tiny\) are for robot 'ur10', but the run \(tiny\) has 'panda'"),
        (
            {"keypoints": ("a", "b", "c")},
            r"for keypoints .*'elbow'.*but the run \(tiny\) has .*'b'",
        ),
        ({"stride": 8}, r"for stride 4, but the run \(tiny\) has 8"),
        (
            {"network": dataclasses.replace(CONFIG.network, head=8)},
            r"for network.head 128, but the run \(tiny\) has 8",
        ),
    ],
)
def test_weights_for_something_else_are_refused_naming_both(tmp_path, change, message):
    path = tmp_path / "w.safetensors"
    save_weights(path, network(), INFO)
    check_weights(path, INFO)
    with pytest.raises(WeightsError, match=message):
        check_weights(path, dataclasses.replace(INFO, **change))


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", b"\xff" * 64])
def test_a_file_that_holds_no_weights_is_a_clear_error(tmp_path, content):
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"cannot read the weights .*w.safetensors") as caught:
        check_weights(path, INFO)
    assert "\n" not in str(caught.value)


def test_foreign_safetensors_are_a_clear_error(tmp_path):
    path = tmp_path / "w.safetensors"
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match=r"cannot read the weights .*no metadata of Jointloop"):
        read_info(path)


def rewritten(path, change):
    """The file with its metadata changed by a function."""
    with safe_open(path, framework="pt") as file:
        metadata = json.loads(file.metadata()["jointloop"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(metadata)
    save_file(tensors, path, {"jointloop": json.dumps(metadata)})
    return path


def test_a_file_of_weights_builds_its_own_network(tmp_path):
    path = tmp_path / "w.safetensors"
    saved = network(3).eval()
    save_weights(path, saved, INFO)
    opened, info = open_network(path)
    assert info == INFO
    assert not opened.training
    assert equal(opened, saved)
    images = torch.randint(0, 256, (1, 3, 64, 80), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.equal(opened(images)[-1], saved(images)[-1])


def test_the_normalisation_is_that_of_the_file(tmp_path):
    path = tmp_path / "w.safetensors"
    plain = dataclasses.replace(INFO.normalisation, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    save_weights(path, network(), dataclasses.replace(INFO, normalisation=plain))
    opened, _ = open_network(path)
    images = torch.full((1, 3, 8, 8), 51, dtype=torch.uint8)
    assert torch.allclose(opened.normalise(images), torch.tensor(0.2))


def test_the_normalisation_in_the_metadata_is_the_networks():
    built = network()
    assert torch.allclose(built.mean.flatten(), 255 * torch.tensor(INFO.normalisation.mean))
    assert torch.allclose(built.std.flatten(), 255 * torch.tensor(INFO.normalisation.std))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(schema=1), "metadata of schema 1, expected 2"),
        (lambda m: m.pop("schema"), "damaged metadata"),
        (lambda m: m.pop("skeleton"), "metadata.skeleton is missing; expected a list"),
        (lambda m: m.update(stride="4"), "metadata.stride is '4'; expected one of 1, 2, 4, 8, 16"),
        (lambda m: m["network"].update(family="vggg"), "family is 'vggg'"),
        (lambda m: m["network"].update(width=8), r"but its metadata describe .* that has"),
        # 4 TB of weights, would they be made before they are compared
        (
            lambda m: m["network"].update(width=8192, kernel=63, stages=64, separable=False),
            r"but its metadata describe .* that has",
        ),
        (lambda m: m["network"].update(stages=10**9), "stages is 1000000000; expected .* 1 to 64"),
        (lambda m: m["normalisation"].update(std=[0, 1, 1]), "a size is not above 0"),
        (lambda m: m["normalisation"].update(mean=[math.nan] * 3), "mean is .*nan"),
        (lambda m: m.update(width=0), "a size is not above 0"),
        (lambda m: m["sigmas"].pop(), f"sigmas has {JOINTS - 1} of {JOINTS} keypoints"),
        (lambda m: m["skeleton"].append([0, JOINTS]), f"skeleton is beyond {JOINTS} keypoints"),
        (lambda m: m["keypoints"].__setitem__(0, m["keypoints"][1]), "names one twice"),
        (
            lambda m: (m["keypoints"].pop(), m["sigmas"].pop(), m.update(skeleton=[])),
            r"but its metadata describe .* that has",
        ),
    ],
)
def test_metadata_that_do_not_fit_are_a_clear_error(tmp_path, change, message):
    path = tmp_path / "w.safetensors"
    save_weights(path, network(), INFO)
    with pytest.raises(WeightsError, match=message) as caught:
        open_network(rewritten(path, change))
    assert "\n" not in str(caught.value)
    assert "w.safetensors" in str(caught.value)


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_weights_that_are_no_numbers_are_refused(tmp_path, number):
    path, spoilt = tmp_path / "w.safetensors", network()
    name, weights = next(iter(spoilt.named_parameters()))
    with torch.no_grad():
        weights[(0,) * weights.ndim] = number
    save_weights(path, spoilt, INFO)
    with pytest.raises(WeightsError, match=f"numbers in {re.escape(name)} that are not finite"):
        open_network(path)


@pytest.mark.parametrize("kept", [3, 200, 0.5, 0.99])
def test_a_truncated_file_is_a_clear_error(tmp_path, kept):
    path = tmp_path / "w.safetensors"
    save_weights(path, network(), INFO)
    data = path.read_bytes()
    path.write_bytes(data[: kept if kept > 1 else int(kept * len(data))])
    with pytest.raises(WeightsError, match=r"cannot read the weights .*w\.safetensors"):
        open_network(path)


def test_a_folder_is_no_file_of_weights(tmp_path):
    with pytest.raises(WeightsError, match=r"cannot read the weights .*: it is a folder"):
        read_info(tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(share=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_is_named(tmp_path, share, bit):
    path = tmp_path / "w.safetensors"
    save_weights(path, network(), INFO)
    data = bytearray(path.read_bytes())
    data[int(share * len(data))] ^= 1 << bit
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=r"w\.safetensors"):
        open_network(path)
    with pytest.raises(WeightsError, match=r"w\.safetensors"):
        check_weights(path, INFO)


def test_the_same_weights_are_the_same_bytes(tmp_path):
    for number in range(20):
        save_weights(tmp_path / f"{number}", network(3), INFO)
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


def test_weights_without_a_digest_are_read(tmp_path):
    path = tmp_path / "w.safetensors"
    saved = network(3)
    save_weights(path, saved, INFO)
    rewritten(path, lambda metadata: None)
    with safe_open(path, framework="pt") as file:
        assert file.metadata().keys() == {"jointloop"}
    assert equal(open_network(path)[0], saved)
