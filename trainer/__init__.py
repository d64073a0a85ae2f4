"""The trainer side of the loop: belief network, closed loop, runs.

loop        the closed loop itself, to be read first
session     one sitting of a run: opens folder and source, closes the loop, sums up
source      where samples come from: stream, from simulators, or pool, from a recording
config      typed settings and the presets
models      belief networks
learner     one training step at a time
validation  the held-out set: losses, keypoints, metrics
evaluation  a detector over annotated images: recordings, and COCO files
record      what a run writes down; runs: its folder
"""

import os

# Simulators share the cores: threads of PyTorch that wait must not spin on them.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
