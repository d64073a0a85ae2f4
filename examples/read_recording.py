"""Read a recording with plain webdataset: its shards are ordinary tar files.

python examples/read_recording.py [FOLDER [RECORDING]]

Without a recording, a small one is made on sticks. Reading takes webdataset, json and OpenCV alone.
"""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import webdataset

JOINTLOOP = [sys.executable, "-m", "jointloop"]

out = Path(sys.argv[1] if len(sys.argv) > 1 else "out/read_recording")
folder = Path(sys.argv[2]) if len(sys.argv) > 2 else out / "recording"
if not folder.exists():
    command = "record --samples 24 --shard-samples 10 --engine stick --workers 1 --out"
    subprocess.run([*JOINTLOOP, *command.split(), folder], check=True)

about = json.loads((folder / "dataset.json").read_text())
print(f"{about['samples']} samples of {about['robot']['name']}, {about['robot']['keypoints']}")

shards = sorted(map(str, folder.glob("*.tar")))
seen = np.zeros(3, int)
for sample in webdataset.WebDataset(shards, shardshuffle=False):
    # KEY.png, KEY.mask.png and KEY.json lie together: `__key__` is KEY.
    image = cv2.imdecode(np.frombuffer(sample["png"], np.uint8), cv2.IMREAD_COLOR)
    mask = cv2.imdecode(np.frombuffer(sample["mask.png"], np.uint8), cv2.IMREAD_GRAYSCALE)
    entry = json.loads(sample["json"])
    assert mask.shape == image.shape[:2] == (entry["height"], entry["width"])
    seen += np.bincount(entry["visibility"], minlength=3)
    for (x, y), v in zip(entry["pixels"], entry["visibility"], strict=True):
        if v:
            cv2.circle(image, (round(x), round(y)), 2, (60, 220, 60), -1)
    last = sample["__key__"]

cv2.imwrite(str(out / f"{last}.png"), image)
print(f"keypoints: {seen[0]} out of frame, {seen[1]} hidden, {seen[2]} visible")
print(f"wrote {out}/{last}.png")
