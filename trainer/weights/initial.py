"""What the network of a new run begins with: random weights, a backbone's, or a whole network's."""

from dataclasses import dataclass, replace
from pathlib import Path

from simulator.robot import Robot
from trainer.config.config import Config, ConfigError
from trainer.models import BeliefNetwork
from trainer.weights.backbone import load_backbone
from trainer.weights.file import WeightsInfo, check_weights, load_weights, read_info
from trainer.weights.packaged import PACKAGED

ALIKE = ("keypoints", "stride", "network")
"""What a file of weights and a run that begins with them have in common: not the robot, so that
one may begin with what was learnt of its relative, nor the size of images."""


NONE = "none"
"""Stands for a backbone of random weights, where the preset's begins with others."""


def named(backbone: Path) -> str | None:
    """What a config calls the backbone that was asked for."""
    return None if str(backbone) == NONE else backbone.name


@dataclass(frozen=True)
class InitialWeights:
    """The files; none: random weights. A run that is resumed has its own."""

    backbone: Path | None = None
    """Published weights for the backbone, or their name; see `trainer.weights.backbone`."""
    weights: Path | None = None
    """A detector of Jointloop's, for the whole network."""

    @staticmethod
    def given(backbone: Path | None, weights: Path | None) -> "InitialWeights":
        """As they were asked for; the backbone may be `NONE`."""
        return InitialWeights(backbone if backbone and named(backbone) else None, weights)

    def completed(self, config: Config) -> "InitialWeights":
        """With the backbone that the config of a new run names, where a package brings it."""
        named = config.network.backbone
        if self.backbone or self.weights or named not in PACKAGED:
            return self
        return replace(self, backbone=Path(named))

    def checked(self, config: Config, robot: Robot) -> Config:
        """The config of a new run, its network such as the files ask for.

        Raises:
            ConfigError: config and files name different ones, or there are two.
            WeightsError: the weights cannot be read, or are for something else.
        """
        backbone = config.network.backbone
        if self.weights and not self.backbone and backbone in PACKAGED:
            backbone = None  # the preset's own; the whole network's takes its place
        for what, file, named in (
            ("the backbone is", self.completed(config).backbone, backbone),
            ("the network is", self.weights, config.weights),
        ):
            given = file and file.name
            if given != named:
                raise ConfigError(
                    f"{what} to begin with {given}, but the config names {named!r}; expected the "
                    "same name"
                )
        if not self.weights:
            return config
        if self.backbone:
            raise ConfigError(
                f"weights {self.weights} are for the whole network; leave out the backbone's, "
                f"{self.backbone}"
            )
        theirs = read_info(self.weights).network
        if theirs.family == config.network.family:  # others take no such backbone
            # A backbone that once began with a file is built otherwise than a random one.
            network = replace(config.network, backbone=theirs.backbone)
            config = replace(config, network=network)
        check_weights(self.weights, WeightsInfo.of(config, robot), ALIKE)
        return config

    def load(self, network: BeliefNetwork) -> str:
        """Give a network what the files have for it.

        Returns:
            What it begins with, in a line.

        Raises:
            BackboneError: the backbone's file cannot be read or does not fit.
            PackagedError: the package that brings it is not installed.
            WeightsError: the weights cannot be read or do not fit.
        """
        if self.weights:
            info = load_weights(network, self.weights)
            return (
                f"weights: all of {self.weights.name}, trained as {info.preset} for {info.robot} "
                f"at {info.width}x{info.height}"
            )
        note = network.backbone_note()
        return f"{note}: {load_backbone(network, self.backbone)}" if self.backbone else note


RANDOM = InitialWeights()
"""No files."""
