"""What shading costs and how grainy it is: this checkout against another one, on the same frames.

`python benchmarks/shading.py --against DIR --json FILE` renders the same calm samples with the code
of both checkouts, in turn, in processes of one thread each, and compares, at each one's default
quality:

    cpu        CPU time of a sample (drawn, rendered, labelled) [s], and its ratio to the other's
    grain      noise within the robot, 3 px and more from its outline, of 255: median and mean over
               frames of the robust spread of what a Laplacian leaves (J. Immerkaer, "Fast Noise
               Variance Estimation", CVIU 1996; the median in place of the mean passes edges over)
    seeds      root mean square of what another seed changes there, over the square root of 2
    light      mean linear light of the robot, and its ratio to the other's
"""

import json
import os

# One thread a process, as in a fleet's workers; libraries read this when they are imported.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import figures
import numpy as np
from numpy.typing import NDArray

from jointloop.common.errors import JointloopError

WARM_UP = 4
EDGE = 3
"""Pixels at the robot's outline that grain is not measured in."""
LAPLACIAN = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
"""Of independent noise it leaves 6 times the standard deviation."""

SERVER = """
import dataclasses, json, os, resource, sys
answers = os.fdopen(os.dup(1), "w")
import cv2, numpy as np
from msgspec import structs
cv2.setNumThreads(1)
try:
    from simulator.randomization import hidden
    from simulator.randomization.prior import JointPrior
    from simulator.randomization.settings import SampleSettings
    from simulator.randomization.variety import CALM
    from simulator.sample_maker import SampleMaker
except ModuleNotFoundError:  # where they were until 08a754e
    from simulator import hidden
    from simulator.prior import JointPrior
    from simulator.settings import Settings as SampleSettings
    from simulator.studio import Studio as SampleMaker
    from simulator.variety import CALM
from simulator.sample import simulate
replace = dataclasses.replace if dataclasses.is_dataclass(hidden.Hidden) else structs.replace
width, height = map(int, sys.argv[1].split("x"))
settings = SampleSettings(width=width, height=height, variety=CALM)
maker = SampleMaker(settings, "cycles")
robot = maker.robot
prior = JointPrior.uniform(robot.lower, robot.upper, settings.bins)
assignment = getattr(hidden.Assignment, "of", hidden.Assignment)(prior)
def burnt():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
for line in sys.stdin:
    index, seed, file = line.split()
    before = burnt()
    drawn = hidden.draw(robot, settings, assignment, 0, int(index))
    drawn = replace(drawn, noise_seed=int(seed))
    sample = simulate(maker.scene, robot, settings, drawn)
    cpu = burnt() - before
    shape = maker.scene.silhouette(hidden.frame(robot, drawn, width, height))
    np.savez(file, image=sample.image, robot=shape)
    print(json.dumps(cpu), file=answers, flush=True)
"""


@dataclass(frozen=True)
class Options:
    """What is measured."""

    against: Path
    """Folder of another checkout."""
    sizes: tuple[str, ...] = ("160x120", "320x240", "640x480")
    """Of images, WIDTHxHEIGHT."""
    frames: int = 50
    """Of each size."""
    json: Path | None = None
    """File to write the figures to as well."""


class Checkout:
    """A process that makes samples with the code of a checkout."""

    def __init__(self, folder: Path, size: str, scratch: Path) -> None:
        environment = os.environ | {"PYTHONPATH": str(folder.resolve())}
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER, size],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=environment,
        )
        self._file = scratch / f"{self._process.pid}.npz"

    def sample(self, index: int, seed: int) -> tuple[float, NDArray[np.uint8], NDArray[np.bool_]]:
        """CPU time [s], image (H, W, 3) and robot (H, W) of a sample."""
        asked, answers = self._process.stdin, self._process.stdout
        assert asked is not None
        assert answers is not None
        print(index, seed, self._file, file=asked, flush=True)
        answer = answers.readline()
        if not answer:
            raise SystemExit("a checkout's process has ended; its error stands above")
        with np.load(self._file, allow_pickle=False) as made:
            return json.loads(answer), made["image"], made["robot"]

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def grain(grey: NDArray[np.float32], inside: NDArray[np.bool_]) -> float:
    """Standard deviation of the noise of a picture there."""
    left = cv2.filter2D(grey, -1, LAPLACIAN)[inside]
    return float(1.4826 * np.median(np.abs(left)) / 6)


def light(image: NDArray[np.uint8], robot: NDArray[np.bool_]) -> float:
    """Mean linear light of the robot's pixels (sRGB, IEC 61966-2-1)."""
    code = image[robot] / 255
    return float(np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4).mean())


def grey(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(H, W) luma."""
    return image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)


def measures(checkout: Checkout, index: int) -> dict[str, float]:
    """Of one sample; grain is not a number where the robot is hardly seen."""
    cpu, image, robot = checkout.sample(index, 1)
    _, again, _ = checkout.sample(index, 2)
    inside = cv2.erode(robot.astype(np.uint8), np.ones((2 * EDGE + 1,) * 2, np.uint8)) > 0
    if inside.sum() < 100:
        return {"cpu": cpu, "grain": np.nan, "seeds": np.nan, "light": np.nan}
    one, two = grey(image), grey(again)
    return {
        "cpu": cpu,
        "grain": grain(one, inside),
        "seeds": float(np.sqrt(np.square(one - two)[inside].mean() / 2)),
        "light": light(image, robot),
    }


def measure(size: str, folders: tuple[Path, Path], frames: int) -> dict[str, Any]:
    """All figures of one image size."""
    with TemporaryDirectory() as scratch:
        sides = [Checkout(folder, size, Path(scratch)) for folder in folders]
        taken = [[measures(side, index) for side in sides] for index in range(WARM_UP + frames)]
        for side in sides:
            side.close()
    row: dict[str, Any] = {"size": size}
    for name, of_side in zip(("here", "there"), zip(*taken[WARM_UP:], strict=True), strict=True):
        table = {key: np.array([one[key] for one in of_side]) for key in of_side[0]}
        row[name] = {
            "cpu_seconds": float(table["cpu"].mean()),
            "grain_median": float(np.nanmedian(table["grain"])),
            "grain_mean": float(np.nanmean(table["grain"])),
            "seeds_mean": float(np.nanmean(table["seeds"])),
            "light_mean": float(np.nanmean(table["light"])),
        }
    here, there = row["here"], row["there"]
    row["cpu_ratio"] = here["cpu_seconds"] / there["cpu_seconds"]
    row["light_ratio"] = here["light_mean"] / there["light_mean"]
    return row


def main(options: Options) -> None:
    """Measure and print."""
    if not (options.against / "blender_scenes").is_dir():
        raise JointloopError(f"against is {options.against}, which is no checkout of Jointloop")
    folders = Path(__file__).resolve().parents[1], options.against
    results = []
    for size in options.sizes:
        row = measure(size, folders, options.frames)
        results.append(row)
        here, there = row["here"], row["there"]
        print(
            f"{size}: {1e3 * here['cpu_seconds']:.0f} ms CPU a sample, {row['cpu_ratio']:.2f} of "
            f"{1e3 * there['cpu_seconds']:.0f}; grain {here['grain_mean']:.2f} of 255 (was "
            f"{there['grain_mean']:.2f}), another seed changes {here['seeds_mean']:.2f} (was "
            f"{there['seeds_mean']:.2f}); light {row['light_ratio']:.3f} of what it was",
            flush=True,
        )
    figures.write(options.json, {**figures.machine(), "results": results})


if __name__ == "__main__":
    figures.run(main, Options)
