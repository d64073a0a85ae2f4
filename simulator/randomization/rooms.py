"""Floors and walls, with what their surfaces show.

A floor's upper side is z = 0; a wall stands on z = 0 and shows its face at x = 0 along +x. Lengths
are in metres.
"""

import numpy as np

from simulator.randomization import primitives as p
from simulator.randomization.primitives import Thing, between, block, pick

Rng = np.random.Generator

FLOORS = (p.GREY, p.GREY, p.CREAM, p.WHITE, p.BEECH, p.OAK, p.CHERRY, p.DARK, p.GREEN, p.BLUE)
WALLS = (p.WHITE, p.WHITE, p.WHITE, p.CREAM, p.CREAM, p.GREY, p.SKY, p.STEEL, p.YELLOW)
WIDE = 14.0
"""Of floors and walls."""
LINES = 26
"""Most seams in one direction."""


def floor(rng: Rng) -> Thing:
    """Plain, tiled, of planks or of slabs, with marks, mats and stains."""
    paint = pick(rng, FLOORS)
    made = [block((0, 0, -0.05), (WIDE, WIDE, 0.1), paint)]
    seam, kind = _seam(rng, paint), int(rng.integers(5))
    if kind in (0, 1):  # tiles or slabs
        step, wide = between(rng, 0.3, 1.2), between(rng, 0.004, 0.015)
        made += _lines(step, wide, seam, along=True) + _lines(step, wide, seam, along=False)
    elif kind == 2:  # planks
        made += _lines(between(rng, 0.12, 0.25), 0.006, seam, along=True)
    if kind == 3 or rng.random() < 0.3:  # stains and speckles
        for _ in range(int(rng.integers(6, 30))):
            made.append(_patch(rng, pick(rng, (p.DARK, p.GREY, p.CREAM, p.WHITE)), 0.01, 0.12))
    if rng.random() < 0.3:
        made.append(_patch(rng, pick(rng, p.ANY), 0.8, 2.5))
    if rng.random() < 0.3:  # tape that marks an area
        tape = pick(rng, (p.YELLOW, p.YELLOW, p.WHITE, p.RED, p.BLACK))
        x, y = between(rng, 1.0, 2.2), between(rng, 1.0, 2.2)
        for side in (-1, 1):
            made.append(block((side * x, 0, 0.003), (0.06, 2 * y, 0.003), tape))
            made.append(block((0, side * y, 0.003), (2 * x, 0.06, 0.003), tape))
    return made


def wall(rng: Rng, height: float) -> Thing:
    """Plain, panelled, tiled or in two colours, with a skirting board."""
    paint = pick(rng, WALLS)
    made = [block((-0.05, 0, height / 2), (0.1, WIDE, height), paint)]
    seam, kind = _seam(rng, paint), int(rng.integers(5))
    if kind == 0:  # panels
        step = between(rng, 0.5, 1.5)
        for i in range(int(min(LINES, WIDE / step))):
            y = (i - WIDE / step / 2) * step
            made.append(block((0.0, y, height / 2), (0.006, 0.012, height), seam))
    elif kind == 1:  # tiles, up to some height
        step, top = between(rng, 0.15, 0.4), height * between(rng, 0.5, 1.0)
        for i in range(int(min(LINES, top / step)) + 1):
            made.append(block((0.0, 0, i * step), (0.006, WIDE, 0.006), seam))
        for i in range(LINES):
            at = (0.0, (i - LINES / 2) * step, top / 2)
            made.append(block(at, (0.006, 0.006, top), seam))
    elif kind == 2:  # a lower part of another colour
        top = between(rng, 0.9, 1.5)
        made.append(block((0, 0, top / 2), (0.01, WIDE, top), pick(rng, WALLS)))
        made.append(block((0.005, 0, top), (0.02, WIDE, 0.05), pick(rng, (*p.WOODS, p.GREY))))
    if rng.random() < 0.6:
        made.append(
            block((0.01, 0, 0.05), (0.02, WIDE, 0.1), pick(rng, (p.GREY, p.DARK, *p.WOODS)))
        )
    return made


def _seam(rng: Rng, paint: p.Paint) -> p.Paint:
    share = between(rng, 0.35, 0.8) if rng.random() < 0.8 else between(rng, 1.1, 1.4)
    r, g, b = (min(0.95, share * c) for c in paint.color)
    return p.Paint((r, g, b), 0.9)


def _lines(step: float, wide: float, paint: p.Paint, *, along: bool) -> Thing:
    places = [(i - LINES // 2 + 0.37) * step for i in range(LINES)]
    if along:
        return [block((0, at, 0.0005), (WIDE, wide, 0.003), paint) for at in places]
    return [block((at, 0, 0.0005), (wide, WIDE, 0.003), paint) for at in places]


def _patch(rng: Rng, paint: p.Paint, low: float, high: float) -> p.Prop:
    """Flat on the floor, round or square."""
    x, y = between(rng, -2.5, 2.5), between(rng, -2.5, 2.5)
    size = between(rng, low, high)
    thick = 0.002 + 0.001 * size
    if rng.random() < 0.5:
        return p.post(x, y, 0.0, thick, size, paint)
    turn = (0.0, 0.0, between(rng, -3, 3))
    return block((x, y, thick / 2), (size, size * between(rng, 0.5, 1.5), thick), paint, turn)
