"""Find a UR10's joints through ONNX Runtime alone: numpy in, numpy out, no Jointloop.

python examples/detect_onnx.py [FOLDER [PHOTO]]

The command line exports the detector once, and draws a picture where none is given. The file holds
normalisation and decoding: what comes out are pixels.
"""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

JOINTLOOP = [sys.executable, "-m", "jointloop"]

out = Path(sys.argv[1] if len(sys.argv) > 1 else "out/detect_onnx")
out.mkdir(parents=True, exist_ok=True)
model, photo = out / "ur10.onnx", Path(sys.argv[2]) if len(sys.argv) > 2 else out / "photo.png"
if not model.exists():
    subprocess.run([*JOINTLOOP, "export", "--to", "onnx", "--out", model], check=True)
if not photo.exists():
    command = "gallery --samples 1 --plain --engine stick --size 256x192 --out"
    subprocess.run([*JOINTLOOP, *command.split(), photo], check=True)

session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
about = json.loads(session.get_modelmeta().custom_metadata_map["jointloop"])

# The size that it was trained at does best; sides are multiples of 8, batches are of any length.
image = cv2.cvtColor(cv2.imread(str(photo)), cv2.COLOR_BGR2RGB)
scale = np.array([image.shape[1] / about["width"], image.shape[0] / about["height"]])
batch = cv2.resize(image, (about["width"], about["height"]), interpolation=cv2.INTER_AREA)[None]
keypoints, scores, beliefs = session.run(["keypoints", "scores", "beliefs"], {"images": batch})

pixels = (keypoints[0] + 0.5) * scale - 0.5  # pixel centres lie at integers
for name, (x, y), score in zip(about["keypoints"], pixels, scores[0], strict=True):
    print(f"{name:15} {x:6.1f} {y:6.1f}  score {score:.2f}")
np.save(out / "beliefs.npy", beliefs[0])
print(f"wrote {out}/beliefs.npy {beliefs[0].shape}")
