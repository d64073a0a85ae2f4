"""Things strewn over a background, sharp to the pixel, where no photos are at hand.

    seed --> quads from large to small: planes, shelves, stripes, lines of text, discs, cables
         --> grain, streaks and shades upon each

Panoramas are magnified until a pixel of theirs covers many of an image's: before them the robot is
all that is sharp, and a detector may go by that. Nothing here looks like a thing in particular;
edges, grids and grain occur about as often as in photos. All of it comes from the seed.
"""

from collections.abc import Iterator
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

SHIFT = 4
"""Corners are placed to 1 / 2**SHIFT px."""
FEWEST, MOST = 14, 36
"""Things in one picture."""
LARGEST, SMALLEST = 0.9, 0.06
"""Of things, as shares of the picture's shorter side."""
SPARE = 256
"""Textures are so much larger than pictures, and begin anywhere in that [px]."""
PALETTE = 6
"""Colours in one picture, but for how light each is."""
TINTS = (6.0, 18.0, 60.0)
"""Deviations of a colour's channels from its grey; the first is the most frequent."""
LETTERS = np.array(list("abcdefghiklmnoprstuvwxyzABDEFGHKLMNPRSTUZ0123456789-/.:"))
TEXTURES = ((0.0, 0.0), (0.6, 0.6), (1.5, 1.5), (9.0, 0.5), (0.5, 9.0), (24.0, 24.0))
"""What lies upon things, by how far noise is smoothed along x and y [px]: from grain to shades."""
STRONGEST = 14.0
"""Largest standard deviation of a texture, of 255."""

Picture = NDArray[np.uint8]
Points = NDArray[np.float64]
Colours = Iterator[list[float]]


def strew(picture: Picture, seed: int) -> Picture:
    """A picture (H, W, 3), C-contiguous and drawn upon, with things strewn over it by a seed."""
    rng = np.random.default_rng(seed)
    textures = np.zeros(picture.shape[:2], np.uint8)
    count = int(rng.integers(FEWEST, MOST + 1))
    colours = _colours(8 * count, rng)
    things = rng.choice(len(THINGS), count, p=WEIGHTS)
    which = rng.integers(len(TEXTURES) + 1, size=count).tolist()
    quads = _quads(count, picture.shape, rng)
    outlines = _outlines(quads)
    for quad, outline, thing, texture in zip(quads, outlines, things, which, strict=True):
        cv2.fillConvexPoly(textures, outline, texture, cv2.LINE_8, SHIFT)
        THINGS[thing](picture, quad, colours, rng)
    return _textured(picture, textures, rng)


def _colours(count: int, rng: np.random.Generator) -> Colours:
    """Colours of one picture, most of them near grey."""
    grey = rng.uniform(10, 245, (PALETTE, 1))
    spread = rng.choice(TINTS, (PALETTE, 1), p=[0.5, 0.35, 0.15])
    tint = spread * rng.standard_normal((PALETTE, 3))
    palette = grey + tint - tint.mean(axis=1, keepdims=True)
    drawn = palette[rng.integers(PALETTE, size=count)] + rng.uniform(-20, 20, (count, 1))
    return iter(drawn.clip(0, 255).tolist())


def _quads(count: int, shape: tuple[int, ...], rng: np.random.Generator) -> Points:
    """(count, 2, 2, 2) corners [px], by row and column, of rectangles seen from somewhere."""
    height, width = shape[:2]
    bounds = np.log(SMALLEST), np.log(LARGEST)
    side = np.sort(np.exp(rng.uniform(*bounds, count)))[::-1] * min(height, width)
    tall = np.exp(rng.uniform(-0.5, 0.5, count))
    half = np.stack([side * tall, side / tall], axis=1)[:, None, None] / 2
    corners = np.array([[[-1, -1], [1, -1]], [[-1, 1], [1, 1]]]) * half
    corners += rng.normal(0, 0.06, corners.shape) * half
    upright = rng.random(count) < 0.8
    turn = np.where(upright, rng.normal(0, 0.12, count), rng.uniform(-np.pi, np.pi, count))
    R = np.moveaxis(np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]), -1, 0)
    centre = rng.uniform(0, 1, (count, 1, 1, 2)) * (width, height)
    return np.einsum("nrca,nab->nrcb", corners, R) + centre


def _within(quad: Points, v: Points, u: Points) -> Points:
    """(..., 2) points of a quad [px] by rows v and columns u (...), 0 to 1."""
    v, u = v[..., None], u[..., None]
    upper = quad[0, 0] + u * (quad[0, 1] - quad[0, 0])
    lower = quad[1, 0] + u * (quad[1, 1] - quad[1, 0])
    return upper + v * (lower - upper)


def _fixed(points: Points) -> NDArray[np.int32]:
    """Points as OpenCV takes them with `SHIFT`."""
    return np.rint(points * (1 << SHIFT)).astype(np.int32)


def _outlines(quads: Points) -> NDArray[np.int32]:
    """(N, 4, 2) corners of quads (N, 2, 2, 2) in a circle, `_fixed`."""
    return np.ascontiguousarray(_fixed(quads.reshape(-1, 4, 2)[:, [0, 1, 3, 2]]))


def _fill(picture: Picture, quads: Points, colour: list[float]) -> None:
    """Fill quads (N, 2, 2, 2) with one colour."""
    cv2.fillPoly(picture, list(_outlines(quads)), colour, cv2.LINE_AA, SHIFT)


def _cells(quad: Points, rows: Points, columns: Points) -> Points:
    """(R C, 2, 2, 2) quads within a quad, of spans of rows (R, 2) and of columns (C, 2)."""
    return _within(quad, rows[:, None, :, None], columns[None, :, None, :]).reshape(-1, 2, 2, 2)


def _spans(count: int, gap: float, rng: np.random.Generator) -> Points:
    """(count, 2) begin and end of uneven spans of 0 to 1, a share of which are gaps."""
    weights = rng.uniform(0.6, 1.4, count)
    weights /= weights.sum()
    ends, margin = np.cumsum(weights), weights * gap / 2
    return np.stack([ends - weights + margin, ends - margin], axis=1)


def _plane(picture: Picture, quad: Points, colours: Colours, rng: np.random.Generator) -> None:
    """One colour, within a rim of another."""
    _fill(picture, quad, next(colours))
    rim = max(float(rng.uniform(-0.1, 0.1)), 0.0)
    if rim:
        span = np.array([[rim, 1 - rim]])
        _fill(picture, _cells(quad, span, span), next(colours))


def _shelf(picture: Picture, quad: Points, colours: Colours, rng: np.random.Generator) -> None:
    """Rows and columns of cells in three colours: windows, shelves, keys, tiles."""
    _fill(picture, quad, next(colours))
    rows, columns = rng.integers(1, 9, 2).tolist()
    gap = float(rng.uniform(0.05, 0.5))
    cells = _cells(quad, _spans(rows, gap, rng), _spans(columns, gap, rng))
    for group in np.array_split(rng.permutation(len(cells)), 3):
        _fill(picture, cells[group], next(colours))


def _stripes(picture: Picture, quad: Points, colours: Colours, rng: np.random.Generator) -> None:
    """Bars of one colour upon another: blinds, ribs, pipes, planks."""
    _fill(picture, quad, next(colours))
    bars = _spans(int(rng.integers(3, 16)), float(rng.uniform(0.2, 0.8)), rng)
    whole = np.array([[0.0, 1.0]])
    cells = _cells(quad, bars, whole) if rng.random() < 0.5 else _cells(quad, whole, bars)
    _fill(picture, cells, next(colours))


def _text(picture: Picture, quad: Points, colours: Colours, rng: np.random.Generator) -> None:
    """Lines of letters on a sheet."""
    _fill(picture, quad, next(colours))
    colour, count = next(colours), int(rng.integers(1, 7))
    tall = float(np.hypot(*(quad[1, 0] - quad[0, 0]))) / count
    across = float(np.hypot(*(quad[0, 1] - quad[0, 0])))
    scale = min(max(tall / 40, 0.25), 4.0)
    letters = min(max(int(across * rng.uniform(0.4, 0.9) / (18 * scale)), 1), 60)
    words = LETTERS[rng.integers(len(LETTERS), size=(count, letters))]
    places = _within(quad, (np.arange(count) + 0.8) / count, np.full(count, 0.06))
    font, weight = int(rng.integers(4)), 1 + (scale > 1)
    for line, place in zip(words, np.rint(places).astype(int).tolist(), strict=True):
        cv2.putText(picture, "".join(line), place, font, scale, colour, weight, cv2.LINE_AA)


def _disc(picture: Picture, quad: Points, colours: Colours, rng: np.random.Generator) -> None:
    """An ellipse, or rings of it."""
    centre = _fixed(quad.mean(axis=(0, 1))).tolist()
    axes = np.ptp(quad.reshape(4, 2), axis=0) / 2
    turn, rings = float(rng.uniform(0, 180)), int(rng.integers(1, 4))
    for share in np.arange(rings, 0, -1) / rings:
        size, colour = _fixed(axes * share).tolist(), next(colours)
        cv2.ellipse(picture, centre, size, turn, 0, 360, colour, -1, cv2.LINE_AA, SHIFT)


def _cables(picture: Picture, quad: Points, colours: Colours, rng: np.random.Generator) -> None:
    """Thin lines with bends, which go on beyond the quad."""
    count, along = int(rng.integers(2, 9)), np.linspace(-0.5, 1.5, 8)
    bent = rng.normal(0, 0.15, (count, 8)).cumsum(axis=1) + rng.uniform(0, 1, (count, 1))
    straight = np.broadcast_to(along, bent.shape)
    place = (bent, straight) if rng.random() < 0.5 else (straight, bent)
    lines, thick = _fixed(_within(quad, *place)), int(rng.integers(1, 3))
    cv2.polylines(picture, list(lines), False, next(colours), thick, cv2.LINE_AA, SHIFT)


THINGS = (_plane, _shelf, _stripes, _text, _disc, _cables)
WEIGHTS = (0.3, 0.24, 0.14, 0.12, 0.08, 0.12)
"""How often each of them is drawn."""


@lru_cache(maxsize=1)
def _noise(height: int, width: int) -> tuple[NDArray[np.float32], ...]:
    """(height + SPARE, width + SPARE) of mean 0 and deviation 1, for each of `TEXTURES`."""
    rng = np.random.default_rng(0)
    made: list[NDArray[np.float32]] = []
    for x, y in TEXTURES:
        noise = rng.standard_normal((height + SPARE, width + SPARE), dtype=np.float32)
        if x:
            noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), sigmaX=x, sigmaY=y), np.float32)
        made.append(noise / noise.std())
    return tuple(made)


def _textured(picture: Picture, textures: Picture, rng: np.random.Generator) -> Picture:
    """The picture with a texture upon it: the one named at each pixel, from 1; 0 is none."""
    height, width = textures.shape
    light = np.zeros((height, width), np.float32)
    places = rng.integers(SPARE, size=(len(TEXTURES), 2)).tolist()
    strengths = np.zeros(256, np.float32)
    strengths[1 : len(TEXTURES) + 1] = rng.uniform(0, STRONGEST, len(TEXTURES))
    for i, noise in enumerate(_noise(height, width)):
        y, x = places[i]
        there = (textures == i + 1).view(np.uint8)
        cv2.copyTo(noise[y : y + height, x : x + width], there, light)
    light = cv2.multiply(light, cv2.LUT(textures, strengths))
    changed = cv2.add(picture, cv2.merge([light] * 3), dtype=cv2.CV_8U)
    return changed.astype(np.uint8, copy=False)
