"""The processes that train one run together: one alone, or the lead and its members.

The lead runs the loop as if it were alone: folder, samples, held-out set, controller and budget are
its own. Of every training batch it keeps one share and deals the others out; a member takes its
share, makes the same step, and waits for the next. Gradients are averaged over the shares, so that
every process has the same weights after each step. A run's batch is dealt out, not multiplied:
steps, samples and learning rate do not depend on the number of processes, and a run may go on with
another number of them.
"""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor

from jointloop.common.errors import JointloopError
from trainer.batch import Batch
from trainer.models import BeliefNetwork

Forward = Callable[[Tensor], Sequence[Tensor]]
"""`BeliefNetwork.forward`."""


class TeamError(JointloopError):
    """Processes cannot train together."""


class Team:
    """One process that trains alone."""

    rank = 0
    """Of this process; 0 is the lead."""
    size = 1
    """Number of processes."""
    local = 1
    """Of them on this machine."""
    device: torch.device | None = None
    """Where this process trains, if the team decides on that."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the team's work."""

    def note(self) -> str:
        """What a user should know of the team; may be empty."""
        return ""

    def begin(self, config: str, learner: dict[str, Any]) -> None:
        """Tell the members what they train, and from where on.

        Args:
            config: `Config.to_json`.
            learner: `Learner.state_dict`.
        """

    def beginning(self) -> dict[str, Any]:
        """For a member: what `begin` told it; empty where the lead came to no beginning."""
        return {}

    def share(self) -> tuple[Batch, float] | None:
        """For a member: its share of the next batch and the run's progress; None at the end."""
        return None

    def wrap(self, network: BeliefNetwork) -> Forward:
        """What to call in training in place of the network; its gradients are averaged."""
        return network

    def deal(self, batch: Batch, progress: float) -> Batch:
        """This process's share of a batch; the members get theirs.

        Args:
            batch: whole; a member already holds its share.
            progress: share of the run behind us, 0 to 1.
        """
        return batch

    def mean(self, values: Tensor) -> Tensor:
        """Values averaged over the processes."""
        return values
