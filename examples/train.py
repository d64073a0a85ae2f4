"""Train a detector in ten lines: simulators, trainer and feedback, all from here.

python examples/train.py [FOLDER]

A run of seconds on sticks, to show how; `jointloop.preset("tiny")` as it is and engine="cycles"
take minutes and learn to find a rendered UR10.
"""

import sys
from dataclasses import replace
from pathlib import Path

import jointloop

out = Path(sys.argv[1] if len(sys.argv) > 1 else "out/train")

tiny = jointloop.preset("tiny")
config = replace(
    tiny,
    settings=replace(tiny.settings, width=80, height=64),
    stream=replace(tiny.stream, held_out=40),
    epochs=4,
    epoch_samples=160,
)
run = jointloop.train(config, out, workers=2, engine="stick")

# The summary holds what people ask for; metrics.jsonl beside it holds every epoch.
before, after = (run.summary[when]["best_peak"]["median_percent"] for when in ("before", "after"))
print(f"median error {before:.1f} -> {after:.1f} % of the diagonal; {run.report()}")
