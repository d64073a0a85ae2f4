"""How the network does on the held-out set: a loss per sample, keypoints and metrics."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.batch import Batch
from trainer.beliefs.decode import Peaks
from trainer.beliefs.loss import per_sample
from trainer.metrics.keypoints import Errors, evaluate
from trainer.models import BeliefNetwork

CHUNK = 16
"""Images that pass the network at once: larger ones only cost memory on a CPU."""


@dataclass(frozen=True, eq=False)
class Validation:
    """What the network makes of a held-out set, in the order of its samples."""

    losses: NDArray[np.float64]
    """(N,) loss of the last stage per sample, 1 for an all-zero map; see `loss.per_sample`."""
    peaks: Peaks
    """Predicted keypoints."""
    errors: Errors
    """(N, J) from prediction to keypoint."""
    metrics: dict[str, Any]
    """`metrics.evaluate` over keypoints in the frame; no intervals, to stay cheap."""

    @property
    def loss(self) -> float:
        """Mean of the losses."""
        return float(self.losses.mean())


def validate(network: BeliefNetwork, held_out: Batch, names: Sequence[str]) -> Validation:
    """Run the network over the held-out set.

    The network is put into evaluation mode and handed back in the mode it came in.

    Args:
        network: as it stands.
        held_out: the samples, at least one.
        names: (J,) of the keypoints, for the per-joint metrics.
    """
    was_training = network.training
    network.eval()
    try:
        parts = [_judge(network, chunk) for chunk in held_out.chunks(CHUNK)]
    finally:
        network.train(was_training)
    losses = np.concatenate([loss for loss, _ in parts])
    peaks = Peaks(
        np.concatenate([peaks.pixels for _, peaks in parts]),
        np.concatenate([peaks.scores for _, peaks in parts]),
    )
    errors = Errors.of(peaks.pixels, held_out.pixels, peaks.found, math.hypot(*held_out.size))
    return Validation(losses, peaks, errors, evaluate(errors, held_out.visibility, names))


@torch.no_grad()
def _judge(network: BeliefNetwork, chunk: Batch) -> tuple[NDArray[np.float64], Peaks]:
    """Losses and peaks of one chunk."""
    device = next(network.parameters()).device
    on_device = chunk.to(device)
    belief = network(on_device.images)[-1].float()
    in_frame = torch.from_numpy(chunk.in_frame).to(device)
    losses = per_sample(belief, on_device.targets(), in_frame)
    return losses.double().cpu().numpy(), network.peaks(belief)
