"""Find a UR10's joints in a picture, with the detector that ships.

python examples/detect.py [FOLDER [PHOTO]]

Without a photo, one is rendered with Blender. A frame of `cv2.VideoCapture(0).read()` does as well.
"""

import sys
from pathlib import Path

import cv2

import jointloop

out = Path(sys.argv[1] if len(sys.argv) > 1 else "out/detect")
out.mkdir(parents=True, exist_ok=True)
if len(sys.argv) > 2:
    frame = cv2.imread(sys.argv[2])
else:
    settings = jointloop.SampleSettings(width=320, height=240)
    frame = jointloop.render(settings, index=1).image[..., ::-1].copy()

# A file of weights says all that a detector needs: robot, keypoints, network, normalisation.
detector = jointloop.Detector.open(jointloop.shipped_weights())
peaks = detector.detect([frame[..., ::-1]])  # any number of images of any size, RGB

for j, name in enumerate(detector.info.keypoints):
    x, y = peaks.pixels[0, j]
    print(f"{name:15} {x:6.1f} {y:6.1f}  score {peaks.scores[0, j]:.2f}")
    if peaks.found[0, j]:
        cv2.circle(frame, (round(x), round(y)), 4, (60, 60, 240), cv2.FILLED)
cv2.imwrite(str(out / "found.png"), frame)
print(f"wrote {out}/found.png")
