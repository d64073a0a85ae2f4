"""The network and what moves its weights: one training step at a time."""

import copy
import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from feedback.rules import Stream
from jointloop.common.errors import JointloopError
from trainer.augmentation.augment import Augment
from trainer.batch import Batch
from trainer.beliefs.loss import per_sample, training_loss
from trainer.config.config import LossConfig, OptimiserConfig, Precision
from trainer.distributed.team import Team
from trainer.learning import ema
from trainer.learning.optimiser import learning_rate, optimiser_of, set_rate
from trainer.learning.precision import autocast, resolved
from trainer.models import BeliefNetwork


class LearnerError(JointloopError):
    """Training cannot go on."""


class Learner:
    """A belief network in training."""

    network: BeliefNetwork
    """What is trained."""
    ema: BeliefNetwork
    """What is judged and saved: the moving average of the network, or itself without one."""

    def __init__(
        self,
        network: BeliefNetwork,
        optimiser: OptimiserConfig,
        loss: LossConfig,
        augment: Augment,
        precision: Precision = "auto",
    ) -> None:
        """Train a network on augmented batches, where these lie.

        Args:
            network: with the weights it begins with; is moved to the device.
            optimiser: how its weights move.
            loss: what is minimised.
            augment: what happens to batches before the network sees them, and where.
            precision: of the forward pass.

        Raises:
            ModelError: more of the backbone's layers are to be frozen than there are.
        """
        self._optimiser_config, self._loss_config = optimiser, loss
        self.augment, self.device = augment, augment.device
        self.precision: Precision = resolved(precision, self.device)
        self.network = network.to(self.device)
        self.network.freeze(optimiser.frozen)
        self.ema = self.network
        if optimiser.ema:
            self.ema = copy.deepcopy(self.network).requires_grad_(False)
        slow = network.features.parameters() if network.backbone else ()
        self.optimiser = optimiser_of(self.network, optimiser, slow)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")
        self.steps = 0
        self.watched = False
        """Whether losses of single samples are kept, for `seen`."""
        self._seen: list[tuple[Tensor, NDArray[np.int64], NDArray[np.float64]]] = []
        self._team, self._forward = Team(), self.network

    def join(self, team: Team) -> None:
        """Train with others from now on, who begin with this network and its optimiser."""
        self._team, self._forward = team, team.wrap(self.network)

    def step(self, batch: Batch, progress: float) -> float:
        """One step on one batch.

        Args:
            batch: at least two samples, for batch norm; a team deals it out.
            progress: share of the run behind us, 0 to 1; sets the learning rate.

        Returns:
            The loss before the step.

        Raises:
            LearnerError: the loss or its gradient is not finite; weights stay as they were.
        """
        rate = learning_rate(self._optimiser_config, progress)
        set_rate(self.optimiser.param_groups, rate)
        share = self._team.deal(batch, progress).to(self.device)
        number = self.steps * self._team.size + self._team.rank  # every share's draws are its own
        batch = self.augment(share, number, self.steps)
        self.network.train()
        loss, judged = self._loss(batch)
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimiser)
        norm = clip_grad_norm_(self.network.parameters(), self._optimiser_config.clip)
        value = self._checked(loss, norm)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self._average()
        self.steps += 1
        if self.watched:
            self._seen.append((judged, batch.bins, batch.uniform))
        return value

    def seen(self) -> Stream:
        """Losses of samples since the last call, each before its step; of a team, the lead's."""
        seen, self._seen = self._seen, []
        if not seen:
            return Stream.none(0)
        return Stream(
            torch.cat([losses for losses, _, _ in seen]).double().cpu().numpy(),
            np.concatenate([bins for _, bins, _ in seen]),
            np.concatenate([uniform for _, _, uniform in seen]),
        )

    def _loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The batch's loss, and (N,) that of each sample's last stage where these are kept."""
        with autocast(self.precision, self.device):
            beliefs = self._forward(batch.images)
        stages = [belief.float() for belief in beliefs]
        loss = training_loss(stages, batch.targets(), self._loss_config, self._team.mean)
        if not self.watched:
            return loss, loss
        in_frame = torch.from_numpy(batch.in_frame).to(stages[-1].device)
        return loss, per_sample(stages[-1].detach(), batch.targets(), in_frame)

    def _average(self) -> None:
        if self.ema is not self.network:
            decay = ema.decay_at(self._optimiser_config.ema, self.steps)
            ema.follow(self.ema, self.network, decay)

    def _checked(self, loss: Tensor, norm: Tensor) -> float:
        """The loss as a number.

        Raises:
            LearnerError: it or the gradient's norm is not finite.
        """
        value, length = self._team.mean(torch.stack([loss.detach(), norm])).tolist()
        if math.isfinite(value) and (math.isfinite(length) or self._seeks_scale):
            return value
        what = f"the loss is {value}"
        if math.isfinite(value):
            what = f"the norm of the gradient is {length}"
        help = f"a --learning-rate under {self._optimiser_config.learning_rate:g}"
        if self.precision != "32":
            help += " or --precision 32"
        raise LearnerError(
            f"at step {self.steps} {what}, expected a finite number; {help} may help"
        )

    @property
    def _seeks_scale(self) -> bool:
        """Whether gradients may overflow: fp16 finds its scale so, and skips such a step."""
        return self.scaler.is_enabled() and self.scaler.get_scale() > 1.0

    def state_dict(self) -> dict[str, Any]:
        """All that training needs to go on as if it had not stopped."""
        return {
            "network": self.network.state_dict(),
            "ema": self.ema.state_dict() if self.ema is not self.network else None,
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
            "steps": self.steps,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.network.load_state_dict(state["network"])
        if self.ema is not self.network:
            self.ema.load_state_dict(state["ema"])
        self.optimiser.load_state_dict(state["optimiser"])
        if state["scaler"]:  # empty where the run was not in fp16 so far
            self.scaler.load_state_dict(state["scaler"])
        self.steps = state["steps"]
