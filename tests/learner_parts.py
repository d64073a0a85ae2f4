"""Learners of a config, for tests of what they do."""

from collections.abc import Sequence

import torch

from trainer.augmentation.augment import Augment
from trainer.config.config import Config
from trainer.learning.learner import Learner
from trainer.models import build
from trainer.weights.initial import RANDOM, InitialWeights


def augment_of(config: Config, mirror: Sequence[int] | None = None) -> Augment:
    """What a config does to batches."""
    return Augment.of(config, mirror)


def learner_of(config: Config, joints: int, start: InitialWeights = RANDOM) -> Learner:
    """A learner for any number of keypoints."""
    network = build(config.network, joints, config.seed)
    start.load(network)
    augment = augment_of(config)
    return Learner(network, config.optimiser, config.loss, augment, config.precision)


def weights(network: torch.nn.Module) -> list[torch.Tensor]:
    """Copies of everything a network holds that is a fraction."""
    return [v.clone() for v in network.state_dict().values() if v.is_floating_point()]
