"""Where people disagree, and how far, in pictures."""

import colorsys

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import gaussian_kde

from simulator.drawing.captions import FONT, INK, LETTERS
from simulator.drawing.drawing import Image, draw_skeleton, enlarged
from simulator.labels import OUTSIDE
from trainer.evaluation.agree.spread import Agreement

Array = NDArray[np.float64]
Colour = tuple[int, int, int]
LEAST_ROWS = 480
"""Of pictures: smaller images are enlarged by whole numbers [px]."""
GRAIN = 121
"""Places along each side of the square that a kernel is drawn in."""
REACH = 4.0
"""Half that square's side, in the largest standard deviation of the offsets."""
SHADE = 0.8
"""Of a kernel at its peak."""
LEVELS = (0.05, 0.25, 0.5)
"""Of its peak, that lines are drawn at."""
ROW, LEFT, RIGHT = 34, 150, 24
"""Of the chart: height of a keypoint's row, room for its name and beyond the axis [px]."""
CHART = 900
"""Its width [px]."""


def colours(count: int) -> list[Colour]:
    """So many colours that are told apart."""
    hues = [colorsys.hsv_to_rgb(i / max(count, 1), 0.75, 1.0) for i in range(count)]
    return [(round(255 * r), round(255 * g), round(255 * b)) for r, g, b in hues]


def of_image(agreement: Agreement, n: int) -> Image:
    """Image n with everybody's skeleton in a colour, and the consensus in white."""
    marks = agreement.marks
    image, scale = _large(marks.images[n].load())
    people = zip(marks.pixels[:, n], marks.visibility[:, n], strict=True)
    own = colours(len(marks.people))
    for (pixels, seen), colour in zip(people, own, strict=True):
        places = (pixels + 0.5) * scale - 0.5
        image = draw_skeleton(image, places, seen, marks.robot.skeleton, colour, bone=0.6, dot=1.6)
    rings = np.minimum(agreement.visibility[n], 1)
    places = (agreement.consensus[n] + 0.5) * scale - 0.5
    image = draw_skeleton(image, places, rings, (), (255, 255, 255), dot=3.0)
    for row, (name, colour) in enumerate(zip(marks.people, own, strict=True), 1):
        _write(image, name, (8, 18 * row), colour)
    return image


def kernels(agreement: Agreement) -> Image:
    """The spread of every keypoint as a kernel density about its place in the image that shows most
    keypoints, true to scale: offsets of all images as shares of their diagonals."""
    n = int((agreement.visibility > OUTSIDE).sum(axis=1).argmax())
    image, scale = _large(agreement.marks.images[n].load())
    diagonals = np.linalg.norm(agreement.sizes, axis=1)
    offsets = agreement.offsets * (scale * diagonals[n] / diagonals)[:, None, None]
    places = (agreement.consensus[n] + 0.5) * scale - 0.5
    skeleton = agreement.marks.robot.skeleton
    drawn = draw_skeleton(image, places, agreement.visibility[n], skeleton, INK, bone=0.6, dot=0.0)
    names = agreement.marks.robot.keypoint_names
    for j, colour in enumerate(colours(len(names))):
        own = offsets[:, :, j].reshape(-1, 2)
        own = own[np.isfinite(own[:, 0])]
        if np.isfinite(places[j]).all() and len(own) > 2:
            _kernel(drawn, own, places[j], colour)
            x, y = places[j].astype(int).tolist()
            _write(drawn, names[j], (x + 10, y - 10), colour)
    return drawn


def _kernel(image: Image, offsets: Array, place: Array, colour: Colour) -> None:
    """Draw the density of offsets (M, 2) [px] about a place into an image."""
    spread = np.cov(offsets.T)
    if np.linalg.matrix_rank(spread) < 2:  # on a line: no density in the plane
        return
    side = REACH * float(np.sqrt(np.linalg.eigvalsh(spread)[-1]))
    steps = np.linspace(-side, side, GRAIN)
    x, y = np.meshgrid(steps, steps)
    density = gaussian_kde(offsets.T)(np.stack([x.ravel(), y.ravel()])).reshape(x.shape)
    density /= density.max()
    height, width = image.shape[:2]
    matrix = np.column_stack([2 * side / (GRAIN - 1) * np.eye(2), place - side])
    shade = cv2.warpAffine(density, matrix, (width, height), flags=cv2.INTER_LINEAR)
    mix = SHADE * np.sqrt(np.clip(shade, 0, 1))[..., None]
    image[:] = np.rint((1 - mix) * image + mix * np.array(colour)).astype(np.uint8)
    for level in LEVELS:
        over = (shade >= level).astype(np.uint8)
        lines, _ = cv2.findContours(over, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(image, lines, -1, colour, 1, cv2.LINE_AA)


def boxes(agreement: Agreement) -> Image:
    """Median, quartiles and the middle 90 % of every keypoint's spread, in % of the diagonal."""
    names = agreement.marks.robot.keypoint_names
    values = [agreement.percent[:, :, j] for j in range(len(names))]
    values = [own[np.isfinite(own)] for own in values]
    ends = [np.quantile(own, (0.05, 0.25, 0.5, 0.75, 0.95)) if len(own) else None for own in values]
    most = max((float(one[-1]) for one in ends if one is not None), default=1.0) or 1.0
    image = np.full((ROW * (len(names) + 1) + 10, CHART, 3), 255, np.uint8)
    unit = (CHART - LEFT - RIGHT) / most
    bottom = ROW * len(names) + 6
    step = next(s for s in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if most / s <= 10 or s == 50)
    for i in range(int(most / step + 1e-9) + 1):
        x = round(LEFT + i * step * unit)
        cv2.line(image, (x, 0), (x, bottom), (225, 225, 225), 1)
        _write(image, f"{i * step:g} %", (x - 12, bottom + 18), INK)
    for j, (name, one, colour) in enumerate(zip(names, ends, colours(len(names)), strict=True)):
        y = ROW * j + ROW // 2
        _write(image, name, (8, y + 5), INK)
        if one is not None:
            a, b, c, d, e = (round(LEFT + float(v) * unit) for v in one)
            cv2.line(image, (a, y), (e, y), INK, 1, cv2.LINE_AA)
            cv2.rectangle(image, (b, y - 9), (d, y + 9), colour, cv2.FILLED)
            cv2.rectangle(image, (b, y - 9), (d, y + 9), INK, 1)
            cv2.line(image, (c, y - 9), (c, y + 9), INK, 2)
    return image


def _large(image: Image) -> tuple[Image, int]:
    """The image, and the whole number that it is enlarged by."""
    scale = -(-LEAST_ROWS // image.shape[0])
    return np.ascontiguousarray(enlarged(image, scale)), scale


def _write(image: Image, text: str, at: tuple[int, int], colour: Colour) -> None:
    dark = sum(colour) > 3 * 128
    back = INK if dark else (255, 255, 255)
    cv2.putText(image, text, at, FONT, LETTERS, back, 3, cv2.LINE_AA)
    cv2.putText(image, text, at, FONT, LETTERS, colour, 1, cv2.LINE_AA)
