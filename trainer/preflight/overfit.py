"""One batch learnt by heart: what a network, its labels and its loss must manage before any run.

A network that cannot has labels that do not fit its images, a loss that does not reach its
weights, or a learning rate that is far off.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from trainer.batch import Batch
from trainer.evaluation.held_out import validate
from trainer.learning.learner import Learner

STEPS = 160
"""Steps at most."""
LINES = 8
"""Lines that the curve is told in."""
LOSS = 0.05
"""Loss to fall under, of 1 for all-zero maps."""
CELLS = 0.5
"""Median error to fall under [cells]: the network sees no finer."""


@dataclass(frozen=True)
class Overfit:
    """What came of it."""

    steps: int
    """Steps made."""
    loss: float
    """Loss of the last one."""
    error: float
    """Median distance of keypoints in the frame from what was decoded [px], misses infinite."""
    limit: float
    """What `error` has to be under [px]."""
    keypoints: int
    """Keypoints in the frame."""

    @property
    def passed(self) -> bool:
        """Whether the batch was learnt."""
        return self.loss < LOSS and self.error < self.limit

    def __str__(self) -> str:
        verdict = "pass" if self.passed else "fail"
        return (
            f"{verdict}: loss {self.loss:.4f} after {self.steps} steps (expected under {LOSS:g}); "
            f"median error {self.error:.2f} px of {self.keypoints} keypoints (expected under "
            f"{self.limit:g})"
        )


def overfit(
    learner: Learner, batch: Batch, names: Sequence[str], say: Callable[[str], None]
) -> Overfit:
    """Train on one batch until it is learnt, or for `STEPS` steps.

    Args:
        learner: a fresh one, which changes no images.
        batch: at least two samples.
        names: (J,) of the keypoints.
        say: takes a line for the user.

    Raises:
        LearnerError: the loss is not finite.
    """
    limit = CELLS * learner.network.stride
    step, loss, error = 0, math.inf, math.inf
    for step in range(1, STEPS + 1):
        loss = learner.step(batch, (step - 1) / STEPS)
        if step % (STEPS // LINES) == 0 or step in (1, STEPS):
            error = _error(learner, batch, names)
            say(f"step {step:>3}: loss {loss:.4f}, median error {error:.2f} px")
            if loss < LOSS and error < limit:
                break
    return Overfit(step, loss, error, limit, int(batch.in_frame.sum()))


def _error(learner: Learner, batch: Batch, names: Sequence[str]) -> float:
    """Median distance [px] of what the network finds; its average would lag behind."""
    errors = validate(learner.network, batch, names).errors.pixels[batch.in_frame]
    return float(np.percentile(errors, 50, method="higher")) if errors.size else math.nan
