"""A few training batches as the trainer sees them: what must hold of them, in numbers and a sheet.

Images that do not change, labels that do not fit, masks that say nothing or poses that repeat cost
a training before anyone looks; a look costs a few batches.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simulator.drawing.drawing import (
    TRUE_COLOUR,
    Image,
    contact_sheet,
    draw_outline,
    draw_skeleton,
    enlarged,
    overlay_beliefs,
)
from simulator.label_check.finding import Finding
from simulator.labels import HIDDEN, OUTSIDE, VISIBLE, in_frame
from simulator.robot import Robot
from trainer.augmentation.augment import Augment
from trainer.batch import Batch, join
from trainer.beliefs.decode import REACH, decode
from trainer.config.config import Config
from trainer.data.source import Source

SHEET = Path("check-data.png")
"""Where the sheet goes."""
SAMPLES = 32
"""Samples to look at, or a batch where that is more."""
FLAT = 2.0
"""Standard deviation of an image under which it counts as constant [of 255]."""
INSIDE = REACH + 1
"""A peak this far from the frame's edge is well inside [cells]: decoding sees all of it."""
PEAK = 0.05
"""Largest distance between a target's peak and its keypoint [px]."""
COVERED = 128
"""Least coverage [of 255] of a pixel that belongs to the mask."""
ON_MASK = 0.9
"""Least share of the visible keypoints that the mask covers."""
SPREAD = 0.5
"""Least number of bins that a joint's angles fall into, as a share of what uniform ones do."""
WIDE = 320
"""Smaller images are enlarged to about this width in the sheet [px]."""
MASK_COLOUR = (255, 190, 40)
"""RGB of the masks' edges."""


@dataclass(frozen=True, eq=False)
class Seen:
    """Training batches, looked at."""

    config: Config
    robot: Robot
    batch: Batch
    """All samples together, augmented, on the CPU."""
    samples: int
    """Different samples that the source says it gave."""
    images: int
    """Different images that it gave, before augmentation."""
    masked: bool
    """Whether it gave masks; a recording may hold none."""


def see(config: Config, robot: Robot, source: Source, augment: Augment) -> Seen:
    """Take batches of the source, augmented as the learner's first ones are.

    Args:
        config: of the run to come.
        robot: of its samples.
        source: was sent a prior.
        augment: of the run.

    Raises:
        SourceError: too few samples arrive within the source's time-out.
    """
    count = -(-SAMPLES // config.batch_size)
    given = [source.batch(config.batch_size) for _ in range(count)]
    # All at one of the sizes that they may be trained at, to be looked at together.
    changed = [augment(b.to(augment.device), number, step=0) for number, b in enumerate(given)]
    raw = join(given)
    digests = {hashlib.sha256(image.tobytes()).digest() for image in raw.images.numpy()}
    return Seen(
        config=config,
        robot=robot,
        batch=join(changed).to("cpu"),
        samples=source.counts.new,
        images=len(digests),
        masked=bool((raw.masks < 255).any()),
    )


def findings(seen: Seen) -> list[Finding]:
    """Every invariant against its bar."""
    return [
        _of_images(seen),
        _of_repeats(seen),
        _of_keypoints(seen),
        _of_visibility(seen),
        _of_peaks(seen),
        _of_empty_maps(seen),
        *_of_masks(seen),
        _of_bins(seen),
    ]


def _of_images(seen: Seen) -> Finding:
    images = seen.batch.images.double()
    spread = images.flatten(1).std(dim=1).numpy()
    flattest = int(spread.argmin())
    text = (
        f"mean {images.mean():.0f}, deviation {images.std():.0f} of 255; least within one "
        f"{spread[flattest]:.1f} (sample {flattest})"
    )
    return Finding(bool(spread[flattest] >= FLAT), "images", text, f"at least {FLAT:g} in each")


def _of_repeats(seen: Seen) -> Finding:
    text = f"{seen.images} different ones of {seen.samples} samples, before augmentation"
    return Finding(seen.images == seen.samples, "doubled images", text, "one of each sample")


def _of_keypoints(seen: Seen) -> Finding:
    visibility = seen.batch.visibility
    kinds = ((VISIBLE, "visible"), (HIDDEN, "hidden"), (OUTSIDE, "outside"))
    text = ", ".join(f"{(visibility == v).mean():.0%} {name}" for v, name in kinds)
    names = zip(seen.robot.keypoint_names, (visibility == VISIBLE).any(axis=0), strict=True)
    unseen = [name for name, visible in names if not visible]
    text += f"; never visible: {', '.join(unseen)}" if unseen else ""
    return Finding(not unseen, "keypoints", text, "each visible somewhere")


def _of_visibility(seen: Seen) -> Finding:
    visibility = seen.batch.visibility
    wrong = (visibility > OUTSIDE) != _inside(seen.batch)
    text = f"{wrong.sum()} of {wrong.size} keypoints disagree with the frame"
    if wrong.any():
        i, j = np.argwhere(wrong)[0]
        text += (
            f" (first: sample {i}, {seen.robot.keypoint_names[j]} at "
            f"{_at(seen.batch, i, j)} with visibility {visibility[i, j]})"
        )
    return Finding(not wrong.any(), "visibility", text, "none")


def _of_peaks(seen: Seen) -> Finding:
    """Decoded targets against keypoints; those near the frame's edge are left out."""
    batch = seen.batch
    margin = INSIDE * seen.config.settings.stride
    judged = batch.in_frame & _inside(batch, margin)
    if not judged.any():
        return Finding(False, "targets' peaks", "no keypoint well inside the frame", "some")
    peaks = decode(batch.targets(), seen.config.settings.stride)
    error = np.linalg.norm(peaks.pixels - batch.pixels, axis=-1)
    error = np.where(judged, np.where(peaks.found, error, np.inf), -1.0)
    i, j = np.unravel_index(error.argmax(), error.shape)
    text = (
        f"at most {error[i, j]:.3f} px from their keypoints (sample {i}, "
        f"{seen.robot.keypoint_names[j]}), {judged.sum()} keypoints well inside"
    )
    return Finding(bool(error[i, j] <= PEAK), "targets' peaks", text, f"at most {PEAK} px")


def _of_empty_maps(seen: Seen) -> Finding:
    absent = ~seen.batch.in_frame
    full = absent & (seen.batch.beliefs.amax(dim=(2, 3)).numpy() > 0)
    text = f"{full.sum()} of {absent.sum()} keypoints outside the frame have a belief map"
    if full.any():
        i, j = np.argwhere(full)[0]
        text += f" (first: sample {i}, {seen.robot.keypoint_names[j]})"
    return Finding(not full.any(), "empty maps", text, "none")


def _of_masks(seen: Seen) -> list[Finding]:
    if not seen.masked:
        needed = seen.config.augment.background > 0
        text = "the samples come without"
        return [Finding(not needed, "masks", text, "some where backgrounds are replaced")]
    batch = seen.batch
    covered = batch.masks.numpy() >= COVERED
    share = covered.mean(axis=(1, 2))
    empty, full = int((share == 0).sum()), int((share == 1).sum())
    text = f"{share.mean():.0%} covered on average; {empty} of {len(batch)} empty, {full} full"
    most = len(batch) // 4  # a robot may leave the frame, a floor may fill it
    found = Finding(max(empty, full) <= most, "masks", text, f"at most {most} of either")
    visible = (batch.visibility == VISIBLE) & _inside(batch)
    i, _ = np.nonzero(visible)
    x, y = np.rint(batch.pixels[visible]).astype(int).T
    under = covered[i, y, x]
    text = f"{under.mean() if under.size else 0:.0%} of {under.size} visible keypoints on them"
    good = bool(under.size) and bool(under.mean() >= ON_MASK)
    return [found, Finding(good, "keypoints on masks", text, f"at least {ON_MASK:.0%}")]


def _of_bins(seen: Seen) -> Finding:
    bins, K = seen.batch.bins, seen.config.settings.bins
    covered = np.array([np.unique(column).size for column in bins.T])
    least = int(covered.argmin())
    # Of N uniform draws from K bins, K (1 - (1 - 1/K)^N) differ on average.
    wanted = max(int(SPREAD * K * (1 - (1 - 1 / K) ** seen.samples)), 1)
    text = (
        f"{covered.min()} to {covered.max()} of {K} covered per joint (least: "
        f"{seen.robot.angle_names[least]})"
    )
    return Finding(bool(covered[least] >= wanted), "bins", text, f"at least {wanted}")


def _inside(batch: Batch, margin: int = 0) -> NDArray[np.bool_]:
    """(N, J) whether keypoints lie in the frame, and this far from its edge [px]."""
    width, height = (size - 2 * margin for size in batch.size)
    shifted = batch.pixels.reshape(-1, 2) - margin
    return in_frame(shifted, width, height).reshape(batch.visibility.shape)


def _at(batch: Batch, i: int, j: int) -> str:
    x, y = batch.pixels[i, j]
    return f"({x:.1f}, {y:.1f})"


def sheet(seen: Seen) -> Image:
    """Every sample twice: with keypoints and the mask's edge, and under its belief maps."""
    batch, skeleton = seen.batch, seen.robot.skeleton
    images = batch.images.permute(0, 2, 3, 1).numpy()
    scale = max(round(WIDE / batch.size[0]), 1)
    tiles = []
    for i, image in enumerate(images):
        large = enlarged(image, scale)
        glowing = overlay_beliefs(large, batch.targets()[i].numpy())
        if seen.masked:
            large = draw_outline(large, enlarged(batch.masks[i].numpy(), scale), MASK_COLOUR)
        pixels = (batch.pixels[i] + 0.5) * scale - 0.5
        marked = draw_skeleton(large, pixels, batch.visibility[i], skeleton, TRUE_COLOUR, bone=0.7)
        tiles.append(np.hstack([marked, glowing]))
    return contact_sheet(tiles)
