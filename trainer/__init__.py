"""The trainer side of the loop: belief network, closed loop, runs.

loop          the closed loop itself, to be read first
session       one start of a run: opens folder and source, closes the loop, sums up
run_options   what a run's config leaves to the moment
batch         samples side by side
config        typed settings and the presets
data          where batches come from: simulators, live, or a recording
augmentation  what training batches go through
beliefs       belief maps (others call them heatmaps): painted, compared, decoded
models        belief networks
learning      one training step at a time
distributed   one run shared by several processes
metrics       how far keypoints are off, with denominators and intervals
evaluation    the held-out set, and a detector over labelled images
weights       files of weights
runs          the folder of a run and what is said of it
inference     a detector in use: pictures, videos, export
pose          from keypoints to poses of base and joints
preflight     checks to make before a long run
"""

import os

# Simulators share the cores: threads of PyTorch that wait must not spin on them.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
