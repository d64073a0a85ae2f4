"""How a run's prior evolved, from its prior_history.jsonl with nothing but json and numpy.

python examples/prior_history.py [FOLDER [RUN]]

RUN is the folder of any run; without one, a short run on sticks is made by the command line.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

JOINTLOOP = [sys.executable, "-m", "jointloop"]

out = Path(sys.argv[1] if len(sys.argv) > 1 else "out/prior_history")
out.mkdir(parents=True, exist_ok=True)
run = Path(sys.argv[2]) if len(sys.argv) > 2 else out / "run"
if not run.exists():
    command = "train tiny --workers 2 --engine stick --size 64x48 --minutes 0.15 --run"
    subprocess.run([*JOINTLOOP, *command.split(), run], check=True)

names = json.loads((run / "robot.json").read_text())["angle_names"]
history = [json.loads(line) for line in (run / "prior_history.jsonl").open()]
for entry in history:
    rule, chosen = entry.get("rule"), len(entry["selected"])
    print(f"version {entry['version']}: {chosen} samples selected by {rule}")

# alpha is (joints, bins): a bin's probability is its share of the row.
alpha = np.array([entry["alpha"] for entry in history])
probability = alpha / alpha.sum(axis=2, keepdims=True)
lower, upper = (np.array(history[-1][end]) for end in ("lower", "upper"))
for j, name in enumerate(names):
    k = probability[-1, j].argmax()
    low, high = lower[j] + (upper[j] - lower[j]) * np.array([k, k + 1]) / alpha.shape[2]
    print(
        f"{name:24} most often from {np.degrees(low):4.0f} to {np.degrees(high):4.0f} degrees: "
        f"{probability[0, j, k]:.1%} -> {probability[-1, j, k]:.1%}"
    )
np.save(out / "probability.npy", probability)
print(f"wrote {out}/probability.npy {probability.shape}: versions, joints, bins")
