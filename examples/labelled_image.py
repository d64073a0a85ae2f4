"""Render one image of a UR10 with Blender and draw its labels into it.

python examples/labelled_image.py [FOLDER]
"""

import sys
from pathlib import Path

import cv2

import jointloop

out = Path(sys.argv[1] if len(sys.argv) > 1 else "out/labelled_image")
out.mkdir(parents=True, exist_ok=True)

# Settings, a worker and an index say everything: the same ones give the same image again.
full = jointloop.variety("full")
settings = jointloop.SampleSettings("ur10", width=320, height=240, variety=full)
sample = jointloop.render(settings, index=3)

# Pixel centres lie at integers; visibility is COCO's: 0 out of frame, 1 hidden, 2 visible.
picture = cv2.cvtColor(sample.image, cv2.COLOR_RGB2BGR)
names = jointloop.Robot.named("ur10").keypoint_names
labels = sample.labels
for name, (x, y), seen in zip(names, labels.pixels, labels.visibility, strict=True):
    print(f"{name:15} {x:6.1f} {y:6.1f}  {('out of frame', 'hidden', 'visible')[seen]}")
    if seen:
        cv2.circle(picture, (round(x), round(y)), 4, (60, 220, 60), cv2.FILLED if seen == 2 else 1)
cv2.imwrite(str(out / "labelled.png"), picture)

# One belief map per keypoint, at a quarter of the image's size; here all in one.
belief = cv2.resize(sample.belief.max(axis=0), (320, 240), interpolation=cv2.INTER_NEAREST)
cv2.imwrite(str(out / "belief.png"), belief)
cv2.imwrite(str(out / "mask.png"), sample.mask)
print(f"wrote {out}/labelled.png, belief.png and mask.png")
