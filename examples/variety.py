"""Domain randomization by a TOML file, and a sheet of what it produces.

python examples/variety.py [FOLDER]

`jointloop gallery --variety FILE` draws such a sheet with Blender, labels included.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

import jointloop

out = Path(sys.argv[1] if len(sys.argv) > 1 else "out/variety")
out.mkdir(parents=True, exist_ok=True)

# A file changes what it names; all else keeps its default. Angles are in degrees.
file = out / "overhead.toml"
file.write_text("""
sensor = false              # a part that is switched off

[camera]
elevation = [50, 80]        # from above
lens = true                 # and through a lens that distorts

[background]
city = 0.0                  # weights of the themes
outdoor = 0.0

[distractors]
props = 1.0                 # share of images with boxes, balls and cones around the robot
occluders = 0.5             # and with some between the camera and the robot
robots = ["panda"]          # further robots, unlabelled
""")

settings = jointloop.SampleSettings(width=160, height=120, variety=jointloop.variety(str(file)))
images = [s.image for s in jointloop.samples(settings, range(12), engine="stick")]
rows = [np.hstack(images[i : i + 4]) for i in range(0, 12, 4)]
cv2.imwrite(str(out / "gallery.png"), np.vstack(rows)[..., ::-1])
print(f"wrote {out}/gallery.png; all that was drawn stands in Sample.hidden")
