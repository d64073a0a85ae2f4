"""Layers that began with published weights keep them where they are told to."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from learner_parts import learner_of
from test_learner import batch

from jointloop.cli.train_options import TrainOptions
from simulator.robot import Robot
from trainer.config.config import Config, ConfigError
from trainer.config.presets import preset
from trainer.models import ModelError, build
from trainer.weights.file import WeightsInfo, save_weights
from trainer.weights.initial import InitialWeights, named

LITE = preset("lite").changed(augment="off")
JOINTS = 2


def with_(config: Config, backbone: str | None, frozen: int, **values: float) -> Config:
    return replace(
        config,
        network=replace(config.network, backbone=backbone),
        optimiser=replace(config.optimiser, frozen=frozen, **values),
    )


def moved(config: Config, steps: int = 2) -> dict[str, bool]:
    """Whether each tensor of the backbone is another after training."""
    learner = learner_of(config, JOINTS)
    before = {k: v.clone() for k, v in learner.network.features.state_dict().items()}
    for i in range(steps):
        learner.step(batch(i), 0.3)
    after = learner.network.features.state_dict()
    return {name: not torch.equal(before[name], after[name]) for name in before}


@pytest.mark.parametrize("name", ["lite", "light"])
def test_frozen_layers_stay_and_the_others_move(name: str) -> None:
    frozen = 3
    config = with_(preset(name).changed(augment="off"), "file.pth", frozen)
    found = moved(replace(config, optimiser=replace(config.optimiser, kind="adamw")))
    first = {name: by for name, by in found.items() if int(name.split(".")[0]) < frozen}
    assert first
    assert not any(first.values())
    assert all(by for name, by in found.items() if name not in first)


def test_a_random_backbone_moves_whatever_is_said() -> None:
    assert all(moved(with_(LITE, None, 5)).values())


def test_a_backbone_that_does_not_move_trains_the_rest() -> None:
    network = build(LITE.network, JOINTS)
    layers = len(network.features)
    assert not any(moved(with_(LITE, "file.pth", layers)).values())


def test_more_layers_than_there_are_is_refused() -> None:
    with pytest.raises(ModelError, match=r"frozen is 40; this backbone has 16 layers"):
        learner_of(with_(LITE, "file.pth", 40), JOINTS)


def test_a_resumed_learner_with_frozen_layers_goes_on_as_if_it_had_not_stopped() -> None:
    config = with_(LITE, "file.pth", 3, backbone_rate=0.3)
    kept, resumed = learner_of(config, JOINTS), learner_of(replace(config, seed=9), JOINTS)
    kept.step(batch(0), 0.3)
    resumed.load_state_dict(copy.deepcopy(kept.state_dict()))
    assert [kept.step(batch(i), 0.4) for i in (1, 2)] == [
        resumed.step(batch(i), 0.4) for i in (1, 2)
    ]


def test_a_preset_begins_with_the_package_it_names_unless_told_otherwise() -> None:
    config = preset("lite")
    assert InitialWeights().completed(config).backbone == Path("efficientnet-lite0")
    assert InitialWeights(Path("x.pth")).completed(config).backbone == Path("x.pth")
    assert InitialWeights().completed(preset("tiny")) == InitialWeights()
    plain = with_(config, None, 0)
    assert InitialWeights.given(Path("none"), None).completed(plain) == InitialWeights()
    assert named(Path("none")) is None
    assert named(Path("a/vgg19.pth")) == "vgg19.pth"


def test_the_networks_backbone_is_the_packages() -> None:
    config = preset("lite")
    learner = learner_of(config, JOINTS, InitialWeights().completed(config))
    random = learner_of(config, JOINTS)
    stem, other = (x.network.features[0].conv.weight for x in (learner, random))
    assert not torch.equal(stem, other)
    assert torch.equal(stem, learner.ema.features[0].conv.weight)
    assert learner.network.mean.flatten().tolist() == [127.0] * 3
    assert learner.network.std.flatten().tolist() == [128.0] * 3


def test_a_share_of_the_rate_is_a_share() -> None:
    with pytest.raises(ConfigError, match=r"optimiser\.backbone_rate is 2"):
        with_(LITE, None, 0, backbone_rate=2.0)


def test_the_command_line_takes_names_of_backbones() -> None:
    def asked(backbone: str) -> tuple[str | None, Path | None]:
        options = TrainOptions("lite", run=Path("r"), workers=1, backbone=Path(backbone))
        config = options.resolved(None)
        return config.network.backbone, options.run_options(config).start.backbone

    assert asked("none") == (None, None)
    assert asked("efficientnet-lite0") == ("efficientnet-lite0", Path("efficientnet-lite0"))
    assert asked("a/own.pth") == ("own.pth", Path("a/own.pth"))


def test_a_whole_network_needs_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    robot, path = Robot.named("ur10"), tmp_path / "w.safetensors"
    save_weights(path, build(LITE.network, len(robot.keypoints)), WeightsInfo.of(LITE, robot))
    monkeypatch.setattr("trainer.weights.packaged.find_spec", lambda name: None)
    start, config = InitialWeights(weights=path), LITE.changed(weights=path.name)
    assert start.checked(config, robot) == config
    assert "weights: all of" in start.completed(config).load(build(config.network, 7))


def test_files_of_weights_say_how_pixels_are_normalised() -> None:
    info = WeightsInfo.of(LITE, Robot.named("ur10"))
    assert [round(255 * v) for v in (*info.normalisation.mean, *info.normalisation.std)] == (
        [127] * 3 + [128] * 3
    )
