"""What decoding costs: a belief map painted from a known keypoint, decoded, and how far off it is.

`python benchmarks/decode.py --json FILE` also writes the figures. Keypoints are drawn uniformly
over the image, up to its border; every rule sees the same maps, rounded to 1/255 as labels are, or
with Gaussian noise. An error in pixels grows with the stride; its share of the diagonal halves as
the image doubles, and falls faster still for the rules that the image's border harms.

    argmax     the centre of the highest cell
    quarter    moved a quarter of a cell towards the higher neighbour along each axis
    centroid   the mean of the cells around it, weighted by belief
    dark       a Newton step on the log of the smoothed map (Zhang et al., CVPR 2020)
    jointloop  `trainer.beliefs.decode.locate`
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import figures
import numpy as np
import torch
from numpy.typing import NDArray

from simulator.labels import LEVELS
from simulator.randomization.settings import parse_size
from trainer.beliefs.decode import FLOOR, REACH, locate

CHUNK = 500
"""Maps measured at once."""
Maps = NDArray[np.float32]
Places = NDArray[np.float64]


@dataclass(frozen=True)
class Options:
    """What is measured; every size with every stride, sigma and noise."""

    sizes: tuple[str, ...] = ("160x120", "320x240", "640x480")
    """Of images, WIDTHxHEIGHT."""
    strides: tuple[int, ...] = (4, 8)
    """Of belief maps, in pixels of the image."""
    sigmas: tuple[float, ...] = (1.0, 1.5, 2.0)
    """Of beliefs [cells]."""
    noise: tuple[float, ...] = (0.0, 0.05)
    """Standard deviation, in shares of a belief's peak."""
    keypoints: int = 2000
    """For each row of the table."""
    seed: int = 0
    """Of keypoints and noise."""
    json: Path | None = None
    """File to write the figures to as well."""


def paint(points: Places, size: tuple[int, int], stride: int, sigma: float) -> Maps:
    """(M, h, w) belief maps of keypoints (M, 2) [px], peak 1, not rounded."""
    cells = (points + 0.5) / stride - 0.5
    across, down = (
        np.exp(-((np.arange(side // stride) - cells[:, axis, None]) ** 2) / (2 * sigma**2))
        for axis, side in enumerate(size)
    )
    return (down[:, :, None] * across[:, None, :]).astype(np.float32)


def highest(maps: Maps) -> NDArray[np.int64]:
    """(M, 2) x, y of every map's highest cell."""
    best = maps.reshape(len(maps), -1).argmax(axis=1)
    return np.stack([best % maps.shape[2], best // maps.shape[2]], axis=1)


def around(maps: Maps, cells: NDArray[np.int64], reach: int) -> Maps:
    """(M, 2 reach + 1, 2 reach + 1) of the maps around cells; the border continues outside."""
    pad = ((0, 0), (reach, reach), (reach, reach))
    padded = np.pad(maps, pad, mode="edge")
    steps = np.arange(2 * reach + 1)
    rows, columns = cells[:, 1, None, None] + steps[:, None], cells[:, 0, None, None] + steps
    return padded[np.arange(len(maps))[:, None, None], rows, columns]


def argmax(maps: Maps, sigma: float) -> Places:
    """(M, 2) cells."""
    return highest(maps).astype(np.float64)


def quarter(maps: Maps, sigma: float) -> Places:
    """(M, 2) cells; a maximum at the border stays, as everywhere it is used."""
    cells = highest(maps)
    near = around(maps, cells, 1)
    slope = np.stack([near[:, 1, 2] - near[:, 1, 0], near[:, 2, 1] - near[:, 0, 1]], axis=1)
    last = np.array([maps.shape[2] - 1, maps.shape[1] - 1])
    inside = (cells > 0) & (cells < last)
    return cells.astype(np.float64) + np.where(inside, 0.25 * np.sign(slope), 0.0)


def centroid(maps: Maps, sigma: float) -> Places:
    """(M, 2) cells; three standard deviations around the highest."""
    cells = highest(maps)
    reach = math.ceil(3 * sigma)
    pad = np.pad(maps, ((0, 0), (reach, reach), (reach, reach)))  # nothing outside
    weights = around(pad, cells + reach, reach).astype(np.float64)
    steps = np.arange(-reach, reach + 1)
    total = weights.sum(axis=(1, 2))
    across, down = (weights * steps).sum(axis=(1, 2)), (weights * steps[:, None]).sum(axis=(1, 2))
    return cells + np.stack([across, down], axis=1) / total[:, None]


def dark(maps: Maps, sigma: float) -> Places:
    """(M, 2) cells; the map is smoothed by its own sigma first, zero outside, as published."""
    side = 2 * math.ceil(3 * sigma) + 1
    border = cv2.BORDER_CONSTANT
    smooth = np.stack([cv2.GaussianBlur(m, (side, side), sigma, borderType=border) for m in maps])
    cells = highest(maps)
    log = np.log(np.maximum(around(smooth.astype(np.float32), cells, 2), 1e-10)).astype(np.float64)
    c = log[:, 2, 2]
    dx, dy = (log[:, 2, 3] - log[:, 2, 1]) / 2, (log[:, 3, 2] - log[:, 1, 2]) / 2
    dxx = (log[:, 2, 4] - 2 * c + log[:, 2, 0]) / 4
    dyy = (log[:, 4, 2] - 2 * c + log[:, 0, 2]) / 4
    dxy = (log[:, 3, 3] - log[:, 1, 3] - log[:, 3, 1] + log[:, 1, 1]) / 4
    determinant = dxx * dyy - dxy**2
    last = np.array([maps.shape[2] - 1, maps.shape[1] - 1])
    # At the border there are no second derivatives: there the published code keeps the cell.
    usable = ((cells > 1) & (cells < last - 1)).all(axis=1) & (determinant != 0)
    safe = np.where(usable, determinant, 1.0)
    step = -np.stack([dyy * dx - dxy * dy, dxx * dy - dxy * dx], axis=1) / safe[:, None]
    return cells.astype(np.float64) + np.where(usable[:, None], step, 0.0)


def jointloop(maps: Maps, sigma: float) -> Places:
    """(M, 2) cells."""
    pixels, _ = locate(torch.from_numpy(maps)[None], 1)
    return pixels[0].numpy()


RULES: dict[str, Callable[[Maps, float], Places]] = {
    rule.__name__: rule for rule in (argmax, quarter, centroid, dark, jointloop)
}


def measure(
    size: str, stride: int, sigma: float, noise: float, count: int, seed: int
) -> dict[str, Any]:
    """Errors of every rule on the same maps: mean, median, 95th percentile [px] and mean [%]."""
    width, height = parse_size(size)
    rng = np.random.default_rng(seed)
    points = rng.uniform((-0.5, -0.5), (width - 0.5, height - 0.5), (count, 2))
    found: dict[str, list[Places]] = {name: [] for name in RULES}
    for first in range(0, count, CHUNK):
        part = points[first : first + CHUNK]
        maps = paint(part, (width, height), stride, sigma)
        if noise:
            maps = np.clip(maps + noise * rng.standard_normal(maps.shape, np.float32), 0, 1)
        else:
            maps = np.rint(maps * LEVELS) / np.float32(LEVELS)
        for name, rule in RULES.items():
            error = (rule(maps, sigma) + 0.5) * stride - 0.5 - part
            found[name].append(np.linalg.norm(error, axis=1))
    row: dict[str, Any] = {"size": size, "stride": stride, "sigma_cells": sigma, "noise": noise}
    for name, parts in found.items():
        error = np.concatenate(parts)
        row[name] = {
            "mean_px": float(error.mean()),
            "median_px": float(np.median(error)),
            "p95_px": float(np.percentile(error, 95)),
            "mean_percent": float(100 * error.mean() / math.hypot(width, height)),
        }
    return row


def main(options: Options) -> None:
    """Measure and print."""
    results = []
    print(f"mean error, % of the diagonal (px)\n{'':<32}" + "".join(f"{n:>17}" for n in RULES))
    chosen = itertools.product(options.sizes, options.strides, options.sigmas, options.noise)
    for size, stride, sigma, noise in chosen:
        row = measure(size, stride, sigma, noise, options.keypoints, options.seed)
        results.append(row)
        cells = (f"{row[n]['mean_percent']:.4f} ({row[n]['mean_px']:.3f})" for n in RULES)
        where = f"{size} stride {stride} sigma {sigma:g} noise {noise:g}"
        print(f"{where:<36}" + "".join(f"{cell:>17}" for cell in cells), flush=True)
    taken = {"keypoints": options.keypoints, "seed": options.seed, "reach": REACH, "floor": FLOOR}
    figures.write(options.json, {**taken, "results": results})


if __name__ == "__main__":
    figures.run(main, Options)
