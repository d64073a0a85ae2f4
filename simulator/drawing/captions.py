"""Names in pictures: keypoints by name, belief maps and priors under captions."""

import itertools
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.drawing.drawing import Image, PlotError, contact_sheet, overlay_beliefs

FONT = cv2.FONT_HERSHEY_SIMPLEX
SMALLEST = 200
"""Rows of the smallest image that has room for names."""
LETTERS = 0.45
"""Scale of a caption's letters."""
INK, PAPER = (24, 24, 24), (255, 255, 255)
"""RGB of captions and what they stand on."""
PANEL = 280
"""Width of a panel, and its largest height [px]."""
RING = 9
"""Radius of the ring around a peak [px]."""
BAR = 22
"""Height of a panel's caption [px]."""


def draw_names(
    image: Image,
    pixels: ArrayLike,
    shown: NDArray[np.bool_],
    names: Sequence[str],
    colour: tuple[int, int, int],
) -> Image:
    """A copy of the image with names written beside keypoints; itself where it has no room.

    Args:
        image: (H, W, 3) RGB.
        pixels: (J, 2) keypoints [px].
        shown: (J,) whose names to write.
        names: (J,) of the keypoints.
        colour: RGB of the letters, which have a dark rim.
    """
    height, width = image.shape[:2]
    if height < SMALLEST:
        return image
    drawn = np.ascontiguousarray(image).copy()
    scale, thin = max(height / 1200, 0.35), max(round(height / 700), 1)
    taken: list[tuple[int, int, int, int]] = []
    places = np.rint(np.asarray(pixels, float)[shown]).astype(int).tolist()
    for (x, y), name in zip(places, itertools.compress(names, shown), strict=True):
        (wide, high), _ = cv2.getTextSize(name, FONT, scale, thin)
        left = int(np.clip(x + high, 0, max(width - wide, 0)))
        base = int(np.clip(y + high // 2, high, height - 2))
        while any(_meet((left, base - high, left + wide, base), box) for box in taken):
            base += 1  # wrists lie close to each other: one name under the other
        taken.append((left, base - high, left + wide, base + 2))
        for ink, thick in (((0, 0, 0), thin + 2), (colour, thin)):
            cv2.putText(drawn, name, (left, base), FONT, scale, ink, thick, cv2.LINE_AA)
    return drawn


def belief_panels(
    image: Image, beliefs: ArrayLike, pixels: ArrayLike, captions: Sequence[str]
) -> Image:
    """Every keypoint's belief map before the darkened image, a ring where it is highest, under a
    caption of its own.

    Args:
        image: (H, W, 3) RGB.
        beliefs: (J, h, w), h and w parts of H and W alike, in [0, 1].
        pixels: (J, 2) their peaks [px].
        captions: (J,).
    """
    height, width = image.shape[:2]
    scale = PANEL / max(height, width)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    centres = np.rint((np.asarray(pixels, float) + 0.5) * scale - 0.5).astype(int)
    panels = []
    for one, centre in zip(np.asarray(beliefs, np.float32), centres.tolist(), strict=True):
        panel = overlay_beliefs(small, one[None])
        cv2.circle(panel, centre, RING, PAPER, 1, cv2.LINE_AA)
        panels.append(np.pad(panel, ((0, 0), (0, PANEL - size[0]), (0, 0)), constant_values=255))
    return captioned(panels, captions)


def captioned(panels: Sequence[Image], captions: Sequence[str]) -> Image:
    """Panels of one size in rows, each under its caption.

    Raises:
        PlotError: there is none, or they are not as many as the captions.
    """
    if len(panels) != len(captions):
        raise PlotError(f"{len(panels)} panels and {len(captions)} captions do not fit")
    return contact_sheet([_under(c, p) for c, p in zip(captions, panels, strict=True)], gap=8)


def _under(caption: str, panel: Image) -> Image:
    return np.concatenate([text_bar(caption, panel.shape[1]), panel])


def text_bar(text: str, width: int) -> Image:
    """A line of text on white, made smaller where it is too long."""
    bar = np.full((BAR, width, 3), PAPER, np.uint8)
    (wide, _), _ = cv2.getTextSize(text, FONT, LETTERS, 1)
    scale = LETTERS * min(1.0, (width - 4) / max(wide, 1))
    cv2.putText(bar, text, (2, BAR - 7), FONT, scale, INK, 1, cv2.LINE_AA)
    return bar


def _meet(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    """Whether two boxes (left, top, right, bottom) overlap."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
