"""The network and what moves its weights: one training step at a time."""

import math
from typing import Any

import torch

from blender_scenes.spec import JointloopError
from trainer.batch import Batch
from trainer.config import Config, OptimiserConfig
from trainer.loss import training_loss
from trainer.models import build


class LearnerError(JointloopError):
    """Training cannot go on."""


def learning_rate(config: OptimiserConfig, progress: float) -> float:
    """Learning rate at a share of the run: a linear warm-up, then a cosine down to the floor.

    Args:
        config: peak, warm-up and floor.
        progress: 0 at the start, 1 at the end; the run may be measured in samples or in minutes.
    """
    if progress < config.warmup:
        return config.learning_rate * max(progress / config.warmup, config.floor)
    share = min((progress - config.warmup) / max(1.0 - config.warmup, 1e-9), 1.0)
    cosine = 0.5 * (1.0 + math.cos(math.pi * share))
    return config.learning_rate * (config.floor + (1.0 - config.floor) * cosine)


class Learner:
    """A belief network in training."""

    def __init__(self, config: Config, joints: int, device: torch.device | str = "cpu") -> None:
        """Build the network with weights drawn from the config's seed.

        Args:
            config: of the run.
            joints: number of keypoints.
            device: where it is trained.
        """
        self.config = config
        self.device = torch.device(device)
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            self.network = build(config.network, joints)
        self.network.to(self.device)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(),
            lr=config.optimiser.learning_rate,
            betas=(0.9, config.optimiser.beta2),
            weight_decay=config.optimiser.weight_decay,
        )
        self.steps = 0

    def step(self, batch: Batch, progress: float) -> float:
        """One step on one batch.

        Args:
            batch: at least two samples, for batch norm.
            progress: share of the run behind us, 0 to 1; sets the learning rate.

        Returns:
            The loss before the step.

        Raises:
            LearnerError: the loss is not finite; weights stay as they were.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.config.optimiser, progress)
        batch = batch.to(self.device)
        self.network.train()
        loss = training_loss(self.network(batch.images), batch.targets(), self.config.loss)
        value = loss.item()
        if not math.isfinite(value):
            raise LearnerError(
                f"the loss of step {self.steps} is {value}, expected a finite number; "
                f"a learning rate under {self.config.optimiser.learning_rate:g} may help"
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.optimiser.clip)
        self.optimiser.step()
        self.steps += 1
        return value

    def state_dict(self) -> dict[str, Any]:
        """What training needs to go on, beside the network's weights."""
        return {"optimiser": self.optimiser.state_dict(), "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`; the network's weights are loaded apart."""
        self.optimiser.load_state_dict(state["optimiser"])
        self.steps = state["steps"]
