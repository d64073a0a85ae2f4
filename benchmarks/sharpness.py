"""How sharp robot and background are: mean absolute Laplacian of luma, of 255.

`python benchmarks/sharpness.py --backgrounds DIR --json FILE` renders samples of each variety, of
`real` also before the user's pictures, and measures, 2 px and more from the outlines of what stands
before the background:

    robot        the robot and what stands with it
    background   all else
    ratio        of the two; a detector can go by what is far from 1

Photos beside them (`--photos LABELS.json`, COCO keypoints) are brought to the same width; they have
no masks, so in them, and in `band` of renderings, the robot is a band along its bones, as
`jointloop gap` has it. The bar: the background of `real` is within a factor of 1.5 of the photos'.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import figures
import numpy as np

from jointloop.common.errors import JointloopError
from simulator.labels import OUTSIDE
from simulator.randomization.assignment import Assignment
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings, parse_size
from simulator.randomization.variety import NAMED, Variety
from simulator.robot import Robot
from simulator.sample import Sample
from simulator.sample_maker import SampleMaker
from trainer.evaluation.coco import read_coco
from trainer.gap.statistics import laplacian, statistics

EDGE = 2
"""Pixels at outlines that count as neither [px]."""
BAR = 1.5
BAND = {"sharpness of the robot": "robot", "sharpness of the background": "background"}


@dataclass(frozen=True)
class Options:
    """What is measured."""

    backgrounds: Path | None = None
    """Folder of pictures for `real` to stand before as well."""
    photos: Path | None = None
    """COCO keypoints of photos to compare with, beside them."""
    size: str = "256x192"
    """Of images, WIDTHxHEIGHT."""
    samples: int = 200
    """Of each variety."""
    json: Path | None = None
    """File to write the figures to as well."""


def by_mask(sample: Sample) -> dict[str, float]:
    """Sharpness within and outside of what stands before the background."""
    edges, kernel = laplacian(sample.image), np.ones((2 * EDGE + 1,) * 2, np.uint8)
    inside = cv2.erode((sample.mask == 255).astype(np.uint8), kernel) > 0
    outside = cv2.erode((sample.mask == 0).astype(np.uint8), kernel) > 0
    found = {"robot": edges[inside], "background": edges[outside]}
    return {name: float(values.mean()) for name, values in found.items() if values.size}


def by_band(found: dict[str, float]) -> dict[str, float]:
    """Of the statistics of a picture, those of sharpness by the band."""
    return {short: found[name] for name, short in BAND.items() if name in found}


def summary(pictures: Sequence[dict[str, float]]) -> dict[str, float]:
    """Means over pictures, and their ratio."""
    means = {
        name: float(np.mean([one[name] for one in pictures if name in one]))
        for name in ("robot", "background")
    }
    return {**means, "ratio": means["robot"] / means["background"]}


def measure(options: Options, variety: Variety, backgrounds: Path | None) -> dict[str, Any]:
    """Of samples of a variety."""
    width, height = parse_size(options.size)
    settings = SampleSettings(width=width, height=height, variety=variety)
    masked, banded = [], []
    with SampleMaker(settings, backgrounds=backgrounds) as maker:
        robot = maker.robot
        assignment = Assignment.of(JointPrior.uniform(robot.lower, robot.upper, settings.bins))
        for i in range(options.samples):
            sample = maker.sample(0, i, assignment)
            masked.append(by_mask(sample))
            seen = (sample.labels.visibility > OUTSIDE)[:, None]
            points = np.where(seen, sample.labels.pixels, np.nan)
            banded.append(by_band(statistics(sample.image, width, points, robot.skeleton)))
    return {"samples": options.samples, **summary(masked), "band": summary(banded)}


def of_photos(labels: Path, size: str) -> dict[str, Any]:
    """Of photos, by the band."""
    robot, width = Robot.named("ur10"), parse_size(size)[0]
    data = read_coco(labels, robot.keypoint_names, robot.name)
    found = []
    for one in data.images:
        points = np.where((one.visibility > OUTSIDE)[:, None], one.pixels, np.nan)
        found.append(by_band(statistics(one.load(), width, points, robot.skeleton)))
    return {"photos": len(found), "band": summary(found)}


def main(options: Options) -> None:
    """Measure, print, write."""
    if options.samples < 1:
        raise JointloopError(f"samples is {options.samples}; expected at least 1")
    kinds: list[tuple[str, Variety, Path | None]] = [(n, v, None) for n, v in NAMED.items()]
    if options.backgrounds is not None:
        kinds.append(("real, before pictures", NAMED["real"], options.backgrounds))
    results: dict[str, Any] = {}
    if options.photos is not None:
        results["photos"] = of_photos(options.photos, options.size)
    for name, variety, backgrounds in kinds:
        results[name] = measure(options, variety, backgrounds)
    print(f"{'':<24}{'robot':>8}{'behind':>8}{'ratio':>8}   by a band along the bones")
    for name, one in results.items():
        cells = [f"{one[k]:8.1f}" if k in one else " " * 8 for k in ("robot", "background")]
        cells.append(f"{one['ratio']:8.2f}" if "ratio" in one else " " * 8)
        band = one["band"]
        cells.append(f"   {band['robot']:8.1f}{band['background']:8.1f}{band['ratio']:8.2f}")
        print(f"{name:<24}" + "".join(cells))
    figures_found: dict[str, Any] = {"size": options.size, "edge_px": EDGE, "results": results}
    if options.photos is not None:
        figures_found["factor"] = _factors(results)
        for name, factor in figures_found["factor"].items():
            held = "holds" if max(factor, 1 / factor) <= BAR else "is missed"
            print(f"{name}: background {factor:.2f} of the photos'; a factor of {BAR} {held}")
    figures.write(options.json, figures_found | {"machine": figures.machine()})


def _factors(results: dict[str, Any]) -> dict[str, float]:
    """Background of renderings over that of photos, by the band, of the varieties `real`."""
    of = results["photos"]["band"]["background"]
    return {n: r["band"]["background"] / of for n, r in results.items() if n.startswith("real")}


if __name__ == "__main__":
    figures.run(main, Options)
