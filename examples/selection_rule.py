"""A selection rule of one's own: which held-out samples bend the prior.

python examples/selection_rule.py [FOLDER]

The rule of the paper takes the samples with the highest loss. This one gives every bin of one joint
a say: it takes the hardest sample of each, so that one bad pose cannot fill the selection.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import jointloop


@dataclass(frozen=True)
class HardestOfEachBin:
    """The hardest sample of every bin of one joint; its fields stand in the prior history."""

    joint: int

    def __call__(self, losses: np.ndarray, bins: np.ndarray) -> list[int]:
        """Indices into `losses`, (N,); `bins` is (N, joints). A NaN loss is no loss: leave it."""
        usable = np.flatnonzero(~np.isnan(losses))
        hardest: dict[int, int] = {}
        for i in usable[np.argsort(losses[usable])]:  # the last one of a bin stays
            hardest[int(bins[i, self.joint])] = int(i)
        return list(hardest.values())


out = Path(sys.argv[1] if len(sys.argv) > 1 else "out/selection_rule")
tiny = jointloop.preset("tiny")
config = replace(
    tiny,
    settings=replace(tiny.settings, width=64, height=48),
    stream=replace(tiny.stream, held_out=60),
    epochs=3,
    epoch_samples=80,
)
run = jointloop.train(config, out, workers=2, engine="stick", rule=HardestOfEachBin(joint=1))
print(f"the prior went through {run.summary['prior']['versions']} versions; {run.report()}")
