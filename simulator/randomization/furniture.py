"""Furniture: what stands in rooms that robots work in, each drawn as a thing of primitives.

Each function draws one thing that stands on z = 0 and shows its front along +x; what hangs on a
wall lies before x = 0. Lengths are in metres.
"""

import numpy as np

from simulator.randomization import primitives as p
from simulator.randomization.primitives import Thing, between, block, pick, post, rod

Rng = np.random.Generator


def legs(x: float, y: float, top: float, width: float, paint: p.Paint, round_: bool) -> Thing:
    """Four legs at (+-x, +-y), up to `top`."""
    places = [(i * x, j * y) for i in (-1, 1) for j in (-1, 1)]
    if round_:
        return [post(a, b, 0, top, width, paint) for a, b in places]
    return [block((a, b, top / 2), (width, width, top), paint) for a, b in places]


def table(rng: Rng, x: float, y: float, height: float) -> Thing:
    """A table of this size; its top is at `height`."""
    thick, wide = between(rng, 0.02, 0.05), between(rng, 0.03, 0.07)
    top, frame = pick(rng, p.TOPS), pick(rng, p.METALS)
    made = [block((0, 0, height - thick / 2), (x, y, thick), top)]
    if rng.random() < 0.4:  # an edge of another colour
        edge = pick(rng, (p.BLACK, p.GREY, p.OAK, p.ALUMINIUM))
        made.append(block((0, 0, height - thick / 2), (x + 0.006, y + 0.006, thick * 0.8), edge))
    made += legs(x / 2 - wide, y / 2 - wide, height - thick, wide, frame, rng.random() < 0.3)
    if rng.random() < 0.6:
        for side in (-1, 1):
            at = (0.0, side * (y / 2 - wide), height - thick - wide / 2)
            made.append(block(at, (x - 2 * wide, wide * 0.8, wide), frame))
            at = (side * (x / 2 - wide), 0.0, height - thick - wide / 2)
            made.append(block(at, (wide * 0.8, y - 2 * wide, wide), frame))
    if rng.random() < 0.4 and height > 0.4:
        at = (0.0, 0.0, height * between(rng, 0.2, 0.4))
        made.append(block(at, (x - 2 * wide, y - 2 * wide, 0.02), pick(rng, p.TOPS)))
    return made


def cart(rng: Rng, x: float, y: float, height: float) -> Thing:
    """A steel cart with shelves, on castors."""
    metal, wheel = pick(rng, (p.STEEL, p.GREY, p.WHITE, p.BLUE)), 0.08
    made = [block((0, 0, height - 0.02), (x, y, 0.04), pick(rng, (p.STEEL, p.GREY, p.DARK)))]
    for share in (0.2, 0.55)[: int(rng.integers(1, 3))]:
        made.append(block((0, 0, height * share), (x, y, 0.03), metal))
    for i in (-1, 1):
        for j in (-1, 1):
            a, b = i * (x / 2 - 0.02), j * (y / 2 - 0.02)
            made.append(block((a, b, (height + wheel) / 2), (0.04, 0.04, height - wheel), metal))
            made.append(rod((a, b - 0.015, wheel / 2), (a, b + 0.015, wheel / 2), wheel, p.BLACK))
    return made


def pedestal(rng: Rng, width: float, height: float) -> Thing:
    """A column with a plate above and below."""
    paint = pick(rng, (p.STEEL, p.GREY, p.WHITE, p.DARK, p.BLUE, p.ORANGE, p.ALUMINIUM))
    plate = pick(rng, p.METALS)
    flat, top = min(0.02, height / 4), between(rng, 1.0, 1.3) * width
    foot = between(rng, 1.4, 2.2) * width
    shaft = (width * 0.8, width * 0.8, height - 2 * flat)
    if rng.random() < 0.5:
        made = [post(0, 0, flat, height - flat, width * 0.8, paint)]
    else:
        made = [block((0, 0, height / 2), shaft, paint)]
    made.append(block((0, 0, height - flat / 2), (top, top, flat), plate))
    made.append(block((0, 0, flat / 2), (foot, foot, flat), plate))
    return made


def profiles(rng: Rng, x: float, y: float, height: float) -> Thing:
    """A frame of aluminium profiles with a plate on it."""
    metal, wide = p.dyed(rng, p.ALUMINIUM), between(rng, 0.04, 0.08)
    made = [block((0, 0, height - 0.01), (x, y, 0.02), pick(rng, p.TOPS))]
    made += legs(x / 2 - wide / 2, y / 2 - wide / 2, height - 0.02, wide, metal, False)
    for z in (height - 0.02 - wide / 2, max(height * 0.15, wide)):
        for side in (-1, 1):
            at = (0.0, side * (y / 2 - wide / 2), z)
            made.append(block(at, (x - 2 * wide, wide, wide), metal))
            at = (side * (x / 2 - wide / 2), 0.0, z)
            made.append(block(at, (wide, y - 2 * wide, wide), metal))
    return made


def beam(rng: Rng, width: float, length: float) -> Thing:
    """A low rail with slots, its top at 0.1 m."""
    metal = p.dyed(rng, p.ALUMINIUM)
    made = [block((0, 0, 0.05), (width, length, 0.1), metal)]
    for x in (-0.25, 0.25):
        made.append(block((x * width, 0, 0.1), (0.012, length, 0.002), p.DARK))
    return made


def bin_(rng: Rng, x: float, y: float, z: float, paint: p.Paint) -> Thing:
    """An open picking bin with its dark inside and a label."""
    inside = p.Paint((paint.color[0] * 0.25, paint.color[1] * 0.25, paint.color[2] * 0.25), 0.8)
    made = [block((0, 0, z * 0.35), (x, y, z * 0.7), paint)]
    made.append(block((-x * 0.15, 0, z * 0.85), (x * 0.7, y, z * 0.3), paint))
    made.append(block((x * 0.24, 0, z * 0.66), (x * 0.42, y * 0.85, z * 0.1), inside))
    if rng.random() < 0.4:
        made.append(block((x / 2, 0, z * 0.3), (0.004, y * 0.5, z * 0.25), p.WHITE))
    return made


def carton(rng: Rng, x: float, y: float, z: float) -> Thing:
    """A closed box with tape, labels or print."""
    paint = pick(rng, (p.CARDBOARD, p.CARDBOARD, p.CARDBOARD, p.WHITE, p.DARK, *p.BRIGHT))
    made = [block((0, 0, z / 2), (x, y, z), paint)]
    if rng.random() < 0.6:
        tape = p.dyed(rng, p.TAPE)
        made.append(block((0, 0, z / 2), (x + 0.003, min(0.05, y / 4), z + 0.003), tape))
    if rng.random() < 0.6:
        at = (x / 2, between(rng, -0.25, 0.25) * y, between(rng, 0.4, 0.7) * z)
        size = (0.003, y * between(rng, 0.2, 0.45), z * between(rng, 0.15, 0.4))
        made.append(block(at, size, pick(rng, (p.WHITE, p.BLACK, *p.BRIGHT))))
    return made


def cartons(rng: Rng) -> Thing:
    """A pile of closed boxes."""
    made, z = [], 0.0
    for _ in range(int(rng.integers(1, 4))):
        size = rng.uniform((0.25, 0.3, 0.15), (0.5, 0.6, 0.4))
        one = carton(rng, *(float(s) for s in size))
        made += p.placed(one, (0.0, between(rng, -0.05, 0.05), z), between(rng, -0.25, 0.25))
        z += float(size[2])
    return made


def shelves(rng: Rng) -> Thing:
    """A rack with bins and boxes on its boards."""
    x, y, z = between(rng, 0.3, 0.5), between(rng, 0.8, 1.6), between(rng, 1.2, 2.1)
    board, side = pick(rng, (p.WHITE, p.STEEL, p.GREY, p.BEECH, p.DARK)), pick(rng, p.METALS)
    made = legs(x / 2, y / 2, z, 0.035, side, False)
    count = int(rng.integers(3, 6))
    common = pick(rng, p.BRIGHT)
    for i in range(count):
        low = 0.1 + (z - 0.15) * i / (count - 1)
        made.append(block((0, 0, low), (x, y, 0.025), board))
        if i < count - 1 or rng.random() < 0.5:
            made += p.placed(_goods(rng, x, y, common), (0.0, 0.0, low + 0.0125), 0.0)
    if rng.random() < 0.4:
        made.append(block((-x / 2, 0, z / 2), (0.01, y, z * 0.95), pick(rng, p.FRONTS)))
    return made


def _goods(rng: Rng, x: float, y: float, common: p.Paint) -> Thing:
    """One board's: a row of bins, or boxes, folders and tins beside each other."""
    made: Thing = []
    bins, at = rng.random() < 0.45, -y / 2 + 0.06
    wide = between(rng, 0.1, 0.2)
    while at < y / 2 - 0.1:
        high = between(rng, 0.08, 0.24)
        if bins:
            one = bin_(
                rng,
                x * 0.8,
                wide * 0.92,
                0.13,
                common if rng.random() < 0.7 else pick(rng, p.BRIGHT),
            )
        elif rng.random() < 0.2:
            wide = between(rng, 0.06, 0.12)
            one = [post(0.0, 0.0, 0.0, high, wide * 0.9, pick(rng, p.ANY))]
        else:
            wide = between(rng, 0.05, 0.3)
            one = [block((0, 0, high / 2), (x * 0.8, wide * 0.92, high), pick(rng, p.ANY))]
        if rng.random() < 0.85:
            made += p.placed(one, (between(rng, -0.03, 0.06), at + wide / 2, 0.0), 0.0)
        at += wide
    return made


def cupboard(rng: Rng) -> Thing:
    """Doors or drawers with handles, maybe with boxes on top."""
    x, y = between(rng, 0.35, 0.6), between(rng, 0.7, 1.8)
    z = between(rng, 0.7, 1.1) if rng.random() < 0.5 else between(rng, 1.5, 2.2)
    paint, handle = pick(rng, p.FRONTS), pick(rng, (p.STEEL, p.BLACK, p.ALUMINIUM))
    seam = p.Paint((paint.color[0] * 0.2, paint.color[1] * 0.2, paint.color[2] * 0.2), 0.9)
    made = [block((0, 0, z / 2), (x, y, z), seam)]
    columns, rows = int(rng.integers(2, 5)), 1 if z > 1.2 else int(rng.integers(1, 4))
    wide, high = y / columns, (z - 0.08) / rows
    for i in range(columns):
        for j in range(rows):
            at = (x / 2 + 0.01, -y / 2 + (i + 0.5) * wide, 0.08 + (j + 0.5) * high)
            made.append(block(at, (0.02, wide - 0.012, high - 0.012), paint))
            if rows > 1:
                knob, size = (x / 2 + 0.03, at[1], at[2] + high * 0.2), (0.02, wide * 0.4, 0.015)
            else:
                knob = (x / 2 + 0.03, at[1] + (-1) ** i * (wide / 2 - 0.06), at[2])
                size = (0.02, 0.015, min(0.16, high * 0.3))
            made.append(block(knob, size, handle))
    top = pick(rng, p.TOPS) if z < 1.2 else paint
    made.append(block((0, 0, z + 0.015), (x + 0.04, y + 0.02, 0.03), top))
    if rng.random() < 0.6:
        made += p.placed(_goods(rng, x, y * 0.9, pick(rng, p.BRIGHT)), (0.0, 0.0, z + 0.03), 0.0)
    return made
