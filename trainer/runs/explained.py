"""A run's held-out losses beside what was drawn for its images."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.evaluation.explain.shares import FOLDS, Share, shares
from trainer.evaluation.held_out import validate
from trainer.runs.checkpoint import RunError
from trainer.runs.factors import kept_factors
from trainer.runs.folder import FACTORS, RunFolder
from trainer.weights.file import open_network

SCHEMA = 1
"""Version of explain.json."""
BEST = "best.safetensors"


@dataclass(frozen=True, eq=False)
class Explained:
    """What a run's loss hangs on."""

    losses: NDArray[np.float64]
    """(N,) of the held-out samples with a keypoint in the frame."""
    groups: list[Share]
    """Of pose, camera, light and so on, and of all together, the largest first."""
    single: list[Share]
    """Of every hidden variable that varies, likewise."""

    def as_json(self) -> dict[str, Any]:
        """All of it, as JSON values."""
        return {
            "schema": SCHEMA,
            "samples": len(self.losses),
            "loss_mean": float(self.losses.mean()),
            "loss_variance": float(self.losses.var()),
            "groups": [_told(share) for share in self.groups],
            "variables": [
                _told(share)
                | {
                    "group": share.group,
                    "levels": [
                        {"level": name, "samples": count, "loss_mean": mean}
                        for name, count, mean in share.levels
                    ],
                }
                for share in self.single
            ],
        }


def _told(share: Share) -> dict[str, Any]:
    return {"name": share.name, "share": share.share, "interval": list(share.interval)}


def explained(folder: Path, seed: int = 0) -> Explained:
    """Judge a run's best weights on its held-out set, and see what its losses hang on.

    Args:
        folder: of the run.
        seed: of folds and bootstrap.

    Raises:
        RunError: there is no run, it has no weights yet, is older than its record of hidden
            variables, or holds out too few samples.
        JointloopError: one of its files is damaged.
    """
    run = RunFolder.open(folder)
    held_out, factors = run.load_held_out(), kept_factors(folder)
    if len(factors) != len(held_out):
        raise RunError(
            f"{folder / FACTORS} tells of {len(factors)} held-out samples, and there are "
            f"{len(held_out)}; runs of earlier versions have no such file"
        )
    if not (folder / BEST).is_file():
        raise RunError(f"{folder} has no {BEST} yet: its first epoch is not over")
    network, info = open_network(folder / BEST)
    losses = validate(network, held_out, info.keypoints).losses
    seen = held_out.in_frame.any(axis=1)
    if seen.sum() < 2 * FOLDS:
        raise RunError(
            f"{folder} holds out {seen.sum()} samples with a keypoint in the frame; expected at "
            f"least {2 * FOLDS} to explain a loss by: --stream.held-out of train, --held-out of "
            "the recording that it is trained on"
        )
    found = shares([factors[i] for i in np.flatnonzero(seen)], losses[seen], seed)
    groups = [share for share in found if share.group is None]
    return Explained(losses[seen], groups, [share for share in found if share.group])
