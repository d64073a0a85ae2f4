"""Average precision by object keypoint similarity (OKS), as COCO defines it.

A detection's similarity to a robot is the mean over the robot's labelled keypoints of
exp(-d^2 / (2 s^2 k^2)): d the distance, k twice the keypoint's sigma, s^2 the area of the robot's
box, which the sigmas are relative to (COCO's own tools take an annotation's `area` for s^2, which
for people is that of their outline). A detector sees one robot in every image; its detection's
score is the mean belief of the keypoints it found. A keypoint that was not found counts as
infinitely far, and an image in which none was found has no detection. A robot whose box has no area
cannot be compared: its image is left out, as if it were not there.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.beliefs.decode import Peaks

FAR = 20.0
"""Where keypoints that were not found are put: so many diagonals to the right of the image."""
KEYS = ("ap", "ap50", "ap75", None, None, "ar")
"""What COCO's summary of keypoints begins with; areas do not matter here."""
DEFINITIONS = {
    "ap": "average precision, mean over OKS thresholds 0.50, 0.55, ..., 0.95",
    "ap50": "average precision at an OKS of at least 0.50",
    "ap75": "average precision at an OKS of at least 0.75",
    "ar": "average recall, mean over OKS thresholds 0.50, 0.55, ..., 0.95",
}


@dataclass(frozen=True, eq=False)
class Robots:
    """The true robots of N images, at most one in each."""

    pixels: NDArray[np.float64]
    """(N, J, 2) keypoints [px]."""
    visibility: NDArray[np.uint8]
    """(N, J) 0 unlabelled, 1 hidden, 2 visible."""
    boxes: NDArray[np.float64]
    """(N, 4) x, y, width, height [px]."""

    @property
    def present(self) -> NDArray[np.bool_]:
        """(N,) where a keypoint is labelled."""
        return self.visibility.any(axis=1)

    @property
    def boxless(self) -> NDArray[np.bool_]:
        """(N,) where one is, but the robot's box has no area."""
        return self.present & ~(self.boxes[:, 2:].prod(axis=1) > 0)


@dataclass(frozen=True, eq=False)
class Matches:
    """What average precision needs to know of every one of N images."""

    similarity: NDArray[np.float64]
    """(N,) of the detection to the robot; 0 where one of them is missing."""
    scores: NDArray[np.float64]
    """(N,) of the detections, NaN where there is none."""
    robots: NDArray[np.bool_]
    """(N,) where there is a robot."""


def average_precision(
    truth: Robots, peaks: Peaks, diagonals: NDArray[np.float64], sigmas: NDArray[np.float64]
) -> tuple[dict[str, float | None], Matches]:
    """`DEFINITIONS` over N images, by faster-coco-eval, and what they follow from.

    Args:
        truth: what is there; an image without a labelled keypoint has no robot.
        peaks: what was detected.
        diagonals: (N,) of the images [px].
        sigmas: (J,) of the keypoints.

    Returns:
        The values, None for all of them if no image has a robot; and every image's match.
    """
    from faster_coco_eval import COCO, COCOeval_faster

    robots, left_out = truth.present & ~truth.boxless, set(np.flatnonzero(truth.boxless) + 1)
    found = [one for one in detections(peaks, diagonals) if one["image_id"] not in left_out]
    similarity, scores = np.zeros(len(robots)), np.full(len(robots), np.nan)
    for one in found:
        scores[one["image_id"] - 1] = one["score"]
    matches = Matches(similarity, scores, robots)
    if not robots.any():
        return dict.fromkeys(DEFINITIONS), matches
    if not found:
        return dict.fromkeys(DEFINITIONS, 0.0), matches
    coco = COCO(as_coco(truth))
    evaluation = COCOeval_faster(
        coco, coco.loadRes(found), "keypoints", kpt_oks_sigmas=sigmas.tolist()
    )
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    for i in np.flatnonzero(robots & np.isfinite(scores)).tolist():
        similarity[i] = np.ravel(evaluation.computeOks(i + 1, 1))[0]
    return {key: float(evaluation.stats[i]) for i, key in enumerate(KEYS) if key}, matches


def as_coco(truth: Robots) -> dict[str, Any]:
    """The robots as a COCO dataset: image i has the id i + 1."""
    joints = truth.visibility.shape[1]
    keypoints = np.concatenate([truth.pixels, truth.visibility[..., None]], axis=-1)
    keypoints = np.where(truth.visibility[..., None] > 0, keypoints, 0.0)
    annotations = [
        {
            "id": i + 1,
            "image_id": i + 1,
            "category_id": 1,
            "keypoints": keypoints[i].ravel().tolist(),
            "num_keypoints": int((truth.visibility[i] > 0).sum()),
            "bbox": truth.boxes[i].tolist(),
            "area": float(truth.boxes[i, 2] * truth.boxes[i, 3]),
            "iscrowd": 0,
        }
        for i in np.flatnonzero(truth.present & ~truth.boxless).tolist()
    ]
    names = [str(j) for j in range(joints)]
    return {
        "info": {},
        "images": [{"id": i + 1} for i in range(len(truth.pixels))],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "robot", "keypoints": names}],
    }


def detections(peaks: Peaks, diagonals: NDArray[np.float64]) -> list[dict[str, Any]]:
    """The detections as COCO results."""
    found = peaks.found
    pixels = peaks.pixels.copy()
    # Only to the right: COCO's tools overlook wrong detections of more than 1e10 square pixels.
    pixels[..., 0] += np.where(found, 0.0, FAR * diagonals[:, None])
    rows = np.concatenate([pixels, np.ones_like(pixels[..., :1])], axis=-1)
    return [
        {
            "image_id": i + 1,
            "category_id": 1,
            "keypoints": rows[i].ravel().tolist(),
            "score": float(peaks.scores[i][found[i]].mean()),
        }
        for i in np.flatnonzero(found.any(axis=1)).tolist()
    ]
