"""A network begins with all weights of a file, or the run does not begin."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from recording_parts import description, jointloop, recorded

from simulator.robot import Robot
from trainer.config.config import Config, ConfigError, NetworkConfig
from trainer.config.presets import preset
from trainer.models import BeliefNetwork, build
from trainer.session import build_learner
from trainer.weights.file import WeightsError, WeightsInfo, save_weights
from trainer.weights.initial import InitialWeights

CONFIG = preset("tiny")
UR10 = Robot.named("ur10")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return saved(tmp_path / "w.safetensors")


def saved(path: Path, config: Config = CONFIG, robot: Robot = UR10) -> Path:
    torch.manual_seed(5)
    network = build(config.network, len(robot.keypoints))
    save_weights(path, network, WeightsInfo.of(config, robot))
    return path


def alike(network: BeliefNetwork, path: Path) -> bool:
    from safetensors.torch import load_file

    theirs = load_file(path)
    return all(torch.equal(value, theirs[name]) for name, value in network.state_dict().items())


def test_network_and_average_begin_with_the_files_weights(file: Path) -> None:
    learner, origin = build_learner(CONFIG, UR10, start=InitialWeights(weights=file))
    assert alike(learner.network, file)
    assert alike(learner.ema, file)
    assert origin == "weights: all of w.safetensors, trained as tiny for ur10 at 160x120"
    assert not alike(build_learner(CONFIG, UR10)[0].network, file)


@pytest.mark.parametrize("robot", ["ur3", "ur5"])
def test_a_relative_with_the_same_keypoints_and_another_size_will_do(
    file: Path, robot: str
) -> None:
    config = CONFIG.changed(robot=robot, size="320x240", weights=file.name)
    assert InitialWeights(weights=file).checked(config, Robot.named(robot)) == config


@pytest.mark.parametrize(
    ("config", "robot", "message"),
    [
        (CONFIG, "panda", r"\(tiny\) are for keypoints .* but the run \(tiny\) has"),
        (preset("small"), "ur10", r"for network.widths \(16, .* but the run \(small\) has \(24,"),
        (
            preset("light"),
            "ur10",
            r"for network.family 'folded', but .* has 'light'",
        ),
    ],
)
def test_what_does_not_fit_is_named(file: Path, config: Config, robot: str, message: str) -> None:
    config = config.changed(robot=robot, weights=file.name)
    with pytest.raises(WeightsError, match=message):
        InitialWeights(weights=file).checked(config, Robot.named(robot))


def test_a_backbone_that_began_with_a_file_is_built_as_it_was(tmp_path: Path) -> None:
    network = NetworkConfig(widths=(8, 8, 8), stages=1, first_depth=1, width=8, head=8)
    plain = replace(preset("heindl2019"), network=network)
    with_backbone = replace(plain, network=replace(network, backbone="vgg19.pth"))
    path = saved(tmp_path / "w.safetensors", with_backbone)
    start = InitialWeights(weights=path)
    config = start.checked(plain.changed(weights=path.name), UR10)
    assert config.network == with_backbone.network
    assert alike(build_learner(config, UR10, start=start)[0].network, path)


def test_one_file_is_enough(file: Path, tmp_path: Path) -> None:
    start = InitialWeights(backbone=tmp_path / "vgg19.pth", weights=file)
    config = preset("vgg-up").changed(backbone="vgg19.pth", weights=file.name)
    with pytest.raises(ConfigError, match=r"whole network; leave out the backbone's, .*vgg19\.pth"):
        start.checked(config, UR10)


def test_config_and_files_name_the_same(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"begin with w\.safetensors, but the config names None"):
        InitialWeights(weights=file).checked(CONFIG, UR10)
    with pytest.raises(ConfigError, match=r"begin with None, but the config names 'x'"):
        InitialWeights().checked(CONFIG.changed(weights="x"), UR10)


def test_a_run_goes_on_from_a_run(tmp_path: Path) -> None:
    """By the command line: the second run begins where the first one ended."""
    sticks = recorded(tmp_path / "sticks", description(samples=48, shard_samples=48)).folder
    words = ["train", "tiny", "--from", sticks, "--epochs", "1", "--device", "cpu"]
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    weights = first / "last.safetensors"
    assert jointloop(*words, "--run", first).returncode == 0
    told = jointloop(*words, "--run", second, "--weights", weights)
    assert told.returncode == 0
    assert "weights: all of last.safetensors, trained as tiny for ur10 at" in told.stdout
    assert json.loads((second / "config.json").read_text())["weights"] == weights.name
    ended, began = (
        json.loads((run / "metrics.jsonl").read_text().splitlines()[row])["held_out_loss"]
        for run, row in ((first, -1), (second, 0))
    )
    assert began == ended
    told = jointloop(*words, "--run", third, "--weights", tmp_path / "none.safetensors")
    assert told.returncode == 2
    assert "cannot read the weights" in told.stderr
    assert "none.safetensors" in told.stderr
    assert len(told.stderr.splitlines()) == 1
    assert not third.exists()
