"""What each part of the recipe for photos brings: the same short training without it.

`python benchmarks/ablation.py --out DIR --backgrounds PICTURES --sets PATH ... --json FILE` records
samples for each arm, trains `lite` alike on them from every seed, and judges all by the same
labelled sets: recordings, or photos with COCO keypoints. An arm is the variety `real` with one part
as `calm` has it, or the training without one of its own. What is in DIR already is kept:
interrupted, the same command goes on.

    error     distance of the best peak, in percent of the diagonal, mean over keypoints
    within    share of keypoints that were found within 5 % of the diagonal
    change    of both, against the arm with everything

Intervals span 95 % of a bootstrap over images, each with the seeds drawn anew. `--former` takes
a recording of `full` by an earlier version, to be compared with one of this version.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import figures
import numpy as np
from numpy.typing import NDArray

import jointloop
from blender_scenes.spec import SPP
from jointloop.common.errors import JointloopError
from simulator.labels import OUTSIDE
from simulator.randomization.settings import SampleSettings, parse_size
from simulator.randomization.variety import CALM, FULL, REAL, Variety
from simulator.recordings import recorder
from simulator.recordings.recording import Recording, describe
from simulator.recordings.replay import rendering_here
from trainer.config.config import Config
from trainer.config.files import read_file, resolve
from trainer.evaluation.evaluate import evaluate, open_data
from trainer.inference.closer import Closer
from trainer.inference.detector import Detector

WITHIN = 5.0
"""[% of the diagonal]"""
RESAMPLES = 2000
WHOLE, PLAIN, FORMER = "everything", "full", "full, former shading"
Found = NDArray[np.float64]
"""(S, N, J, 2) of S seeds: error of the best peak, and whether it was found near; NaN where no
keypoint is."""


@dataclass(frozen=True)
class Options:
    """What is compared."""

    out: Path
    """Folder of recordings, runs and findings."""
    backgrounds: Path
    """Folder of pictures to stand behind the robot."""
    sets: tuple[Path, ...]
    """To judge by: recordings, whose held-out samples count, or COCO files of photos."""
    recipe: Path = Path("weights/ur10-training.toml")
    """Settings of the training; its sizes are left out."""
    former: Path | None = None
    """Recording of `full` by an earlier version."""
    size: str = "160x128"
    """Of images, WIDTHxHEIGHT."""
    samples: int = 1200
    """Recorded for each arm."""
    trained: int = 6000
    """Samples of each training."""
    seeds: int = 2
    """Trainings of each arm."""
    json: Path | None = None
    """File to write the figures to as well."""


@dataclass(frozen=True)
class Arm:
    """One way to train."""

    name: str
    variety: Variety = REAL
    photos: bool = True
    """Behind robots, in rendering and in augmentation."""
    pretrained: bool = True
    recording: Path | None = None
    """Of its samples, where it is there already."""

    @property
    def key(self) -> str:
        """Of its recording; arms that differ in training alone share one."""
        return self.name.replace(", ", "-").replace(" ", "-") if self.pretrained else WHOLE


def arms(former: Path | None) -> list[Arm]:
    """Everything, everything without one part, and the plain variety for what is older."""
    camera, light = REAL.camera, REAL.light
    return [
        Arm(WHOLE),
        Arm("backgrounds", replace(REAL, background=CALM.background), photos=False),
        Arm("room and furniture", replace(REAL, scenery=None, distractors=None)),
        Arm("tools and cables", replace(REAL, dress=None)),
        Arm("held cameras", replace(REAL, camera=replace(camera, held=None))),
        Arm("pretrained features", pretrained=False),
        Arm(PLAIN, FULL),
        *([] if former is None else [Arm(FORMER, FULL, recording=former)]),
        Arm("free poses", replace(REAL, poses=None)),
        Arm("film", replace(REAL, film=None, sensor=None)),
        Arm("lamps", replace(REAL, light=replace(light, lamps=None))),
    ]


def record(arm: Arm, options: Options) -> Path:
    """The arm's samples."""
    if arm.recording is not None:
        return arm.recording
    folder = options.out / "recordings" / arm.key
    pictures = options.backgrounds if arm.photos else None
    if folder.exists():
        recording = Recording.open(folder)
    else:
        width, height = parse_size(options.size)
        settings = SampleSettings(width=width, height=height, seed=3, variety=arm.variety)
        manner = rendering_here("cycles", SPP, settings, pictures)
        recording = Recording.create(folder, describe(settings, manner, options.samples, 16))
    recorder.record(recording, 2, pictures, say=lambda line: None)
    return folder


def config(arm: Arm, options: Options, seed: int) -> Config:
    """Of the arm's training."""
    whole = resolve("lite", read_file(options.recipe))
    augment = replace(
        whole.augment,
        sizes=(),
        background=whole.augment.background if arm.photos else 0.0,
        photos=str(options.backgrounds) if arm.photos else None,
    )
    optimiser, network = whole.optimiser, whole.network
    if not arm.pretrained:
        optimiser = replace(optimiser, frozen=0, backbone_rate=1.0)
        network = replace(network, backbone=None)
    return replace(
        whole,
        input_size=options.size,
        augment=augment,
        optimiser=optimiser,
        network=network,
        feedback=replace(whole.feedback, enabled=False),
        epochs=1,
        epoch_samples=options.trained,
        seed=seed,
    )


def judge(weights: Path, sets: Sequence[Path]) -> dict[str, Any]:
    """Of each set, for every keypoint (N, J) of its images the error, and whether it is near."""
    detector = Detector.open(weights)
    found = {}
    for path in sets:
        seen = evaluate(Closer(detector), open_data(path, detector.info))
        counted = seen.robots.visibility > OUTSIDE
        errors, near = seen.errors.best_percent, seen.errors.percent <= WITHIN
        both = [np.where(counted, values, np.nan) for values in (errors, near)]
        found[name_of(path)] = np.stack(both, axis=-1).tolist()
    return found


def name_of(path: Path) -> str:
    """Of a set."""
    return path.stem if path.is_dir() else path.parent.name


def findings(arm: Arm, options: Options) -> Iterator[dict[str, Any]]:
    """Of one training of the arm after the other."""
    for seed in range(options.seeds):
        run = options.out / "runs" / f"{arm.name.replace(', ', '-').replace(' ', '-')}-{seed}"
        kept = run / "findings.json"
        if not kept.exists():
            data = record(arm, options)
            if not (run / "summary.json").exists():
                jointloop.train(
                    config(arm, options, seed), run, recording=data, resume=run.exists(), quiet=True
                )
            kept.write_text(json.dumps(judge(run / "last.safetensors", options.sets)))
        yield json.loads(kept.read_text())


def compare(found: Found, whole: Found | None) -> dict[str, Any]:
    """An arm's figures on one set, and their change against those of everything."""
    figures_of = {"error": 1.0, "within": 100.0}
    told: dict[str, Any] = {}
    for i, (name, factor) in enumerate(figures_of.items()):
        spread = resampled(found[..., i])
        told[name] = told_as(factor * float(np.nanmean(found[..., i])), factor * spread)
        if whole is not None:
            change = float(np.nanmean(found[..., i]) - np.nanmean(whole[..., i]))
            told[f"{name} change"] = told_as(
                factor * change, factor * (spread - resampled(whole[..., i], seeds=1))
            )
    return told


def resampled(values: NDArray[np.float64], seeds: int = 0) -> NDArray[np.float64]:
    """(RESAMPLES,) means of (S, N, J) values with the same images drawn for every arm.

    Args:
        values: NaN where no keypoint is.
        seeds: stream of the draws of seeds, which are the arm's own.
    """
    images = np.random.default_rng(0).integers(0, values.shape[1], (RESAMPLES, values.shape[1]))
    chosen = np.random.default_rng((1, seeds)).integers(0, len(values), (RESAMPLES, len(values)))
    sums, counts = np.nansum(values, axis=2), np.isfinite(values).sum(axis=2)
    means = []
    for drawn, whose in zip(images, chosen, strict=True):
        at = np.ix_(whose, drawn)
        means.append(sums[at].sum() / counts[at].sum())
    return np.array(means)


def told_as(value: float, spread: NDArray[np.float64]) -> dict[str, Any]:
    """A figure with its interval."""
    low, high = np.quantile(spread, (0.025, 0.975))
    return {
        "value": round(float(value), 3),
        "interval": [round(float(low), 3), round(float(high), 3)],
    }


def main(options: Options) -> None:
    """Print a row for each arm as it is done, and write all of them."""
    if not options.sets:
        raise JointloopError("sets is empty; expected recordings or COCO files to judge by")
    settings = {
        "size": options.size,
        "samples": options.samples,
        "trained": options.trained,
        "seeds": options.seeds,
    }
    told: dict[str, Any] = {**settings, "arms": {}}
    bases: dict[str, dict[str, Found]] = {}
    for arm in arms(options.former):
        runs = list(findings(arm, options))
        found = {name: np.array([run[name] for run in runs], float) for name in runs[0]}
        base = {FORMER: PLAIN, WHOLE: "", PLAIN: WHOLE}.get(arm.name, WHOLE)
        bases[arm.name] = found
        row = {
            name: compare(values, bases[base][name] if base else None)
            for name, values in found.items()
        }
        told["arms"][arm.name] = {"against": base} | row
        print(arm.name, *(line(name, one) for name, one in row.items()), sep="  ", flush=True)
        figures.write(options.json, told)


def line(name: str, one: dict[str, Any]) -> str:
    """What is printed of a set."""
    return f"{name}: " + ", ".join(
        f"{what} {n['value']:.1f} [{n['interval'][0]:.1f}, {n['interval'][1]:.1f}]"
        for what, n in one.items()
    )


if __name__ == "__main__":
    figures.run(main, Options)
