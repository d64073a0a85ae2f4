"""A closer look: where a robot is small in its picture, the part that shows it is looked at again.

    picture --look--> peaks --extent--> window --look--> peaks, if it is surer of them

Every window is looked at as a picture of its own, so it comes before the network at the size that
this was trained at; keypoints come back in pixels of the whole picture. A look is as sure as the
mean of its keypoints' scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainer.beliefs.decode import Peaks
from trainer.inference.detector import SCALES, Detector
from trainer.weights.file import WeightsInfo

SEEN = 0.2
"""Score from which a keypoint tells where the robot is."""
WHOLE = 0.5
"""Share of such keypoints that makes a robot."""
LEAST = 3
"""Keypoints that it takes."""
STRAY = 2.0
"""A keypoint without which the others' extent is this many times smaller lies somewhere else."""
SHARE = 0.45
"""Longer side of the keypoints' extent as a share of the window's side: what networks are best at,
measured."""
SMALLEST = 32.0
"""Least side of a window [px]: a smaller robot shows too little to be told apart."""
SAME = 0.6
"""Windows whose intersection over union is more are not worth another look."""
UNSURE = 0.4
"""A look at a whole picture that is less sure, and does not show a robot that fills it, is followed
by one at a finer scale."""
FINER = 2.0
"""Times the scale of the first look."""
SURER = 1.5
"""Times as sure as the first look the finer one has to be: it costs more and errs more."""


class Window(NamedTuple):
    """Part of a picture: columns `left` to `right`, rows `top` to `bottom`, ends excluded [px]."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def area(self) -> int:
        """In pixels; 0 where there is none."""
        return max(self.right - self.left, 0) * max(self.bottom - self.top, 0)

    def like(self, other: "Window") -> float:
        """Intersection over union."""
        both = Window(*map(max, self[:2], other[:2]), *map(min, self[2:], other[2:])).area
        return both / (self.area + other.area - both)


@dataclass(frozen=True, eq=False)
class Look:
    """What was found in a picture."""

    pixels: NDArray[np.float64]
    """(J, 2) x, y in the whole picture [px]."""
    scores: NDArray[np.float64]
    """(J,) 0 to 1."""
    beliefs: NDArray[np.float32]
    """(J, h, w) of the window."""
    window: Window
    """The part of the picture that it was found in."""

    @property
    def shows_robot(self) -> bool:
        """Whether keypoints are sure enough to be a robot's: `WHOLE` of them at least."""
        return bool((self.scores >= SEEN).mean() >= WHOLE)

    @property
    def sure(self) -> float:
        """Mean score."""
        return float(self.scores.mean())


class Closer:
    """A detector that looks again where it should.

    Args:
        detector: looks.
        zoom: whether it looks again at all.
    """

    def __init__(self, detector: Detector, zoom: bool = True) -> None:
        self._detector, self._zoom = detector, zoom

    @property
    def info(self) -> WeightsInfo:
        """What the weights are for."""
        return self._detector.info

    def detect(
        self, images: Sequence[NDArray[np.uint8]], scales: Sequence[float] = (1.0,)
    ) -> Peaks:
        """See `Detector.detect`."""
        if not self._zoom:
            return self._detector.detect(images, scales)
        looks = [self.look(image, scales) for image in images]
        shape = (len(images), len(self.info.keypoints))
        return Peaks(
            np.array([look.pixels for look in looks]).reshape(*shape, 2),
            np.array([look.scores for look in looks]).reshape(shape),
        )

    def look(
        self,
        image: NDArray[np.uint8],
        scales: Sequence[float] = (1.0,),
        before: Look | None = None,
    ) -> Look:
        """The keypoints of one picture.

        Args:
            image: (H, W, 3) RGB.
            scales: see `Detector.detect_with_beliefs`; of every look.
            before: what was found in the frame before, in a video: the robot is looked for around
                that first, and in the whole picture where it is not found there.

        Raises:
            DetectorError: see `Detector.detect_with_beliefs`.
        """
        whole = Window(0, 0, image.shape[1], image.shape[0])
        if not self._zoom:
            return self._at(image, whole, scales)
        if before and (window := _around(before, whole)):
            followed = self._at(image, window, scales)
            if followed.sure >= UNSURE and _around(followed, whole):
                return followed
        best = self._at(image, whole, scales)
        window = _around(best, whole)
        if best.sure < UNSURE and not (window and window.like(whole) > SAME):
            best = self._finer(image, best, scales)
            window = _around(best, whole)
        if window and window.like(best.window) <= SAME:
            closer = self._at(image, window, scales)
            best = closer if closer.sure >= best.sure else best
        return best

    def _finer(self, image: NDArray[np.uint8], first: Look, scales: Sequence[float]) -> Look:
        """The first look at a whole picture, or one at a finer scale that is much surer."""
        if self._detector.size is None:
            finer = tuple(min(FINER * scale, SCALES[1]) for scale in scales)
            second = self._at(image, first.window, finer)
        else:
            tiles = [self._at(image, tile, scales) for tile in _tiles(first.window)]
            second = max(tiles, key=lambda look: look.sure)
        return second if second.sure >= SURER * first.sure else first

    def _at(self, image: NDArray[np.uint8], window: Window, scales: Sequence[float]) -> Look:
        part = image[window.top : window.bottom, window.left : window.right]
        peaks, beliefs = self._detector.detect_with_beliefs([part], scales)
        return Look(peaks.pixels[0] + window[:2], peaks.scores[0], beliefs[0], window)


def _around(look: Look, whole: Window) -> Window | None:
    """The square window, as far as it lies in the picture, around what was found; None: too little.

    One that would reach beyond the picture is moved into it.
    """
    extent = _extent(look.pixels[look.scores >= SEEN])
    if extent is None:
        return None
    low, high = extent
    side = max(float((high - low).max()) / SHARE, SMALLEST)
    size = np.minimum(np.ceil(side), whole[2:]).astype(int)
    corner = np.clip(np.rint((low + high) / 2 + 0.5 - size / 2), 0, np.array(whole[2:]) - size)
    left, top = corner.astype(int).tolist()
    return Window(left, top, left + int(size[0]), top + int(size[1]))


def _extent(
    points: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Lowest and highest x, y of points (n, 2) without strays; None where fewer than `LEAST`."""
    while len(points) > LEAST:
        others = [np.delete(points, i, axis=0) for i in range(len(points))]
        sides = [float(np.ptp(some, axis=0).max()) for some in others]
        i = int(np.argmin(sides))
        if sides[i] * STRAY > np.ptp(points, axis=0).max():
            break
        points = others[i]
    return None if len(points) < LEAST else (points.min(axis=0), points.max(axis=0))


def _tiles(whole: Window) -> list[Window]:
    """Windows of half the width and height, half of it apart."""
    width, height = (max(side // int(FINER), 1) for side in whole[2:])
    lefts, tops = (
        sorted({0, (side - part) // 2, side - part})
        for side, part in zip(whole[2:], (width, height), strict=True)
    )
    return [Window(x, y, x + width, y + height) for y in tops for x in lefts]
