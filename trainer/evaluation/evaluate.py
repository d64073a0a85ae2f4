"""A detector over a set of annotated images: what it finds, how good that is, the worst cases."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from jointloop.common.versions import installed
from simulator.labels import OUTSIDE, in_frame
from simulator.recordings.recording import Recording
from trainer.beliefs.decode import FOUND, Peaks
from trainer.evaluation.coco import read_coco
from trainer.evaluation.labelled import Image, LabelledError, LabelledSet, Wanted, of_recording
from trainer.metrics.bootstrap import LEVEL, RESAMPLES, Bootstrap
from trainer.metrics.keypoints import DEFINITION, METRICS, Errors, counts, groups, nested
from trainer.metrics.oks import DEFINITIONS, Robots, average_precision
from trainer.metrics.oks_interval import intervals
from trainer.weights.file import WeightsInfo

SCHEMA = 2
"""Version of metrics.json."""
CHUNK = 16
"""Images that are read and looked at at once."""


class Finder(Protocol):
    """A detector, as far as it is needed here."""

    @property
    def info(self) -> WeightsInfo:
        """What it is for."""
        ...

    def detect(self, images: Sequence[Image], scales: Sequence[float] = (1.0,)) -> Peaks:
        """(N, J) best peaks in N images of any sizes."""
        ...


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a detector makes of a set of N images, and what is true; J keypoints of the set."""

    data: LabelledSet
    robots: Robots
    """What is there."""
    peaks: Peaks
    """What was detected."""
    diagonals: NDArray[np.float64]
    """(N,) of the images [px]."""
    strays: int
    """Keypoints that were labelled outside their image, and do not count."""

    @property
    def errors(self) -> Errors:
        """(N, J)."""
        pixels = self.peaks.pixels
        return Errors.of(pixels, self.robots.pixels, self.peaks.found, self.diagonals)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out or assumed, a line each."""
        counts = {
            "keypoints lie outside their image and do not count": self.strays,
            "robots have no box, nor keypoints for one: OKS leaves their images out": int(
                self.robots.boxless.sum()
            ),
        }
        said = [f"{self.data.path}: {count} {what}" for what, count in counts.items() if count]
        return (*self.data.notes, *said)

    def worst(self, count: int) -> list[int]:
        """The images with the largest mean error of in-frame keypoints, a miss as the diagonal."""
        counted = self.robots.visibility > OUTSIDE
        total = np.where(counted, np.minimum(self.errors.percent, 100.0), 0.0).sum(axis=1)
        mean = total / np.maximum(counted.sum(axis=1), 1)
        return [int(i) for i in np.argsort(-mean, kind="stable")[:count] if counted[i].any()]


def open_data(
    path: Path, info: WeightsInfo, split: Wanted = "heldout", images: Path | None = None
) -> LabelledSet:
    """The annotated images at a path: a recording's folder, or a COCO keypoints file.

    Args:
        path: a file counts as COCO's, a folder as a recording.
        info: what the detector is for.
        split: of a recording's samples.
        images: folder of a COCO file's images.

    Raises:
        JointloopError: there is nothing that can be read, or that fits the detector.
    """
    if path.is_dir():
        _check_recorded(path)
        return of_recording(path, info.keypoints, info.robot, split)
    return read_coco(path, info.keypoints, info.robot, images)


def _check_recorded(folder: Path) -> None:
    """Point to COCO files in a folder that is no recording.

    Raises:
        LabelledError: there are such.
    """
    files = sorted(folder.glob("*.json"))
    if files and not Recording.is_at(folder):
        raise LabelledError(
            f"{folder} holds no recording; for photos with COCO keypoints give their file, "
            f"such as {files[0]}"
        )


def evaluate(
    detector: Finder,
    data: LabelledSet,
    scales: Sequence[float] = (1.0,),
    update: Callable[[str], None] = lambda line: None,
) -> Evaluation:
    """Run a detector over a set.

    Args:
        detector: knows all keypoints of the set.
        data: the set; its images are read a few at a time.
        scales: image scales that the detector averages over.
        update: takes lines on how far it is.

    Raises:
        JointloopError: an image cannot be read, or the detector cannot look at it.
    """
    chosen = [detector.info.keypoints.index(name) for name in data.keypoints]
    found: list[Peaks] = []
    sizes: list[tuple[int, int]] = []
    for start in range(0, len(data.images), CHUNK):
        update(f"{start} of {len(data.images)} images")
        images = [image.load() for image in data.images[start : start + CHUNK]]
        found.append(detector.detect(images, scales))
        sizes += [(image.shape[1], image.shape[0]) for image in images]
    labelled = np.stack([image.visibility for image in data.images])
    pixels = np.stack([image.pixels for image in data.images])
    inside = np.stack([in_frame(p, *size) for p, size in zip(pixels, sizes, strict=True)])
    boxes = np.array([image.box for image in data.images])
    return Evaluation(
        data,
        Robots(pixels, np.where(inside, labelled, OUTSIDE).astype(np.uint8), boxes),
        Peaks(
            np.concatenate([peaks.pixels for peaks in found])[:, chosen],
            np.concatenate([peaks.scores for peaks in found])[:, chosen],
        ),
        np.hypot(*np.array(sizes, dtype=np.float64).T),
        int(((labelled > OUTSIDE) & ~inside).sum()),
    )


def figures(evaluation: Evaluation, info: WeightsInfo, seed: int = 0) -> dict[str, Any]:
    """All that metrics.json says about what was found, each number with its denominator.

    Args:
        evaluation: what a detector makes of a set.
        info: what the detector is for.
        seed: of the bootstrap.
    """
    errors, visibility = evaluation.errors, evaluation.robots.visibility
    bootstrap = Bootstrap.over(len(visibility), seed=seed)
    names = evaluation.data.keypoints
    sigmas = np.array([info.sigmas[info.keypoints.index(name)] for name in names])
    return {
        "schema": SCHEMA,
        "definition": DEFINITION,
        "version": installed("jointloop"),
        "robot": info.robot,
        "images": len(visibility),
        "keypoints": list(names),
        "notes": list(evaluation.notes),
        "definitions": _definitions(),
        "overall": _group(errors, visibility > OUTSIDE, bootstrap),
        **{
            kind: {name: _group(errors, mask, bootstrap) for name, mask in masks.items()}
            for kind, masks in groups(visibility, names).items()
        },
        "oks": _oks(evaluation, sigmas, bootstrap),
    }


def _oks(
    evaluation: Evaluation, sigmas: NDArray[np.float64], bootstrap: Bootstrap
) -> dict[str, Any]:
    """Average precision, with its intervals and its denominator."""
    values, matches = average_precision(
        evaluation.robots, evaluation.peaks, evaluation.diagonals, sigmas
    )
    spread = intervals(matches, bootstrap)
    numbers = {"sigmas": sigmas.tolist(), "n_robots": int(matches.robots.sum())}
    return numbers | {
        name: {
            "value": value,
            "interval": spread[name],
            "over": "n_robots",
            "n": numbers["n_robots"],
            "unit": "share",
        }
        for name, value in values.items()
    }


def _group(errors: Errors, counted: NDArray[np.bool_], bootstrap: Bootstrap) -> dict[str, Any]:
    """Every metric over the keypoints that count, with its interval and its denominator."""
    chosen, intervals = errors[counted], bootstrap.intervals(errors, counted)
    numbers = counts(chosen)
    return numbers | nested(
        {
            metric.name: {
                "value": metric.of(chosen),
                "interval": intervals[metric.name],
                "over": metric.over,
                "n": numbers[metric.over],
                "unit": metric.unit,
            }
            for metric in METRICS
        }
    )


def _definitions() -> dict[str, Any]:
    """What the numbers mean."""
    return {
        "localization error": "distance between a keypoint and its prediction, in percent of the "
        "diagonal of its own image",
        "n_in_frame": "keypoints labelled within the frame, hidden ones included",
        "n_found": f"those of them whose best peak has a belief of at least {FOUND:g}",
        "value": "null: nothing is under it, or it is infinite",
        "interval": f"{LEVEL:.0%}, percentile bootstrap of {RESAMPLES} resamples over images; an "
        "end that is null is infinite; null: all under it lies in one image",
        "metrics": nested({m.name: f"{m.definition}; over {m.over}" for m in METRICS}),
        "oks": DEFINITIONS
        | {
            "similarity": "mean over labelled keypoints of exp(-d^2 / (2 s^2 (2 sigma)^2)), s^2 "
            "the area of the robot's box; a keypoint that was not found is infinitely far",
            "score": "mean belief of the keypoints found; none found is no detection",
            "over": "n_robots, the images with a keypoint in the frame and a box; detections in "
            "images without a keypoint are wrong ones",
        },
    }
