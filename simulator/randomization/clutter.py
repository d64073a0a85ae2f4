"""Things that lie and stand around in a lab, each drawn as a thing of primitives.

Each function draws one thing that stands on z = 0 and shows its front along +x. Lengths are in
metres.
"""

import math

import numpy as np

from simulator.randomization import primitives as p
from simulator.randomization.furniture import carton
from simulator.randomization.primitives import Thing, between, block, pick, post, rod

Rng = np.random.Generator


def bicycle(rng: Rng) -> Thing:
    """Along y."""
    width, pale = between(rng, 0.6, 0.7), pick(rng, (p.GREY, p.WHITE, p.DARK))
    paint, hub = pick(rng, p.ANY), width / 2
    made = [*_wheel(-0.52, width, pale), *_wheel(0.52, width, pale)]
    crank, seat, head = (0.0, 0.05, width * 0.45), (0.0, 0.2, 0.85), (0.0, -0.38, 0.9)
    back, front = (0.0, 0.52, hub), (0.0, -0.52, hub)
    ends = ((crank, seat), (crank, head), (seat, head), (back, crank), (back, seat), (front, head))
    made += [rod(start, end, 0.035, paint) for start, end in ends]
    made.append(block((0, 0.22, 0.93), (0.14, 0.26, 0.06), p.BLACK))
    made.append(rod((-0.28, -0.36, 1.0), (0.28, -0.36, 1.0), 0.03, p.BLACK))
    made.append(p.disc(crank, 0.16, 0.08, p.STEEL))
    return made


def _wheel(at: float, width: float, paint: p.Paint) -> Thing:
    """Tyre, pale inside, spokes and hub."""
    centre = (0.0, at, width / 2)
    made = [p.disc(centre, width, 0.03, p.BLACK), p.disc(centre, width * 0.91, 0.032, paint)]
    for i in range(6):
        y, z = math.cos(i * math.pi / 6) * width * 0.46, math.sin(i * math.pi / 6) * width * 0.46
        start, end = (0.017, at - y, width / 2 - z), (0.017, at + y, width / 2 + z)
        made.append(rod(start, end, 0.005, p.STEEL))
    made.append(p.disc(centre, 0.06, 0.1, p.DARK))
    return made


def monitor(rng: Rng) -> Thing:
    """A screen on its foot, seen from either side."""
    y = between(rng, 0.35, 0.7)
    z, low = y * between(rng, 0.55, 0.7), between(rng, 0.06, 0.18)
    shell = pick(rng, (p.BLACK, p.BLACK, p.DARK, p.GREY, p.WHITE))
    side = -1 if rng.random() < 0.5 else 1
    tilt = (0.0, -side * between(rng, 0, 0.25), 0.0)
    lean = math.tan(tilt[1])
    glow = pick(rng, (p.BLACK, p.BLACK, p.BLUE, p.SKY, p.WHITE, p.DARK))
    made = [block((0, 0, low + z / 2), (0.03, y, z), shell, tilt)]
    made.append(block((side * 0.006, 0, low + z / 2), (0.03, y * 0.95, z * 0.92), glow, tilt))
    for _ in range(int(rng.integers(0, 7))):
        up, across = between(rng, -0.35, 0.35) * z, between(rng, -0.3, 0.3) * y
        at = (side * 0.008 + lean * up, across, low + z / 2 + up)
        size = (0.03, between(rng, 0.08, 0.35) * y, between(rng, 0.02, 0.2) * z)
        made.append(block(at, size, pick(rng, p.ANY), tilt))
    made.append(block((-side * 0.04, 0, low), (0.03, 0.06, 2 * low), shell))
    made.append(block((-side * 0.02, 0, 0.01), (0.2, 0.26, 0.02), shell))
    return made


def chair(rng: Rng) -> Thing:
    """Seat and back on four legs or on a column."""
    paint, metal = pick(rng, (p.BLACK, p.BLACK, p.DARK, p.GREY, p.BLUE, *p.WOODS)), p.STEEL
    seat = between(rng, 0.42, 0.52)
    made = [block((0, 0, seat), (0.42, 0.44, 0.05), paint)]
    made.append(block((-0.2, 0, seat + 0.35), (0.04, 0.42, 0.4), paint, (0.0, -0.15, 0.0)))
    for side in (-0.19, 0.19):
        made.append(rod((-0.17, side, seat), (-0.2, side, seat + 0.3), 0.02, metal))
    if rng.random() < 0.5:
        corners = [(i, j) for i in (-1, 1) for j in (-1, 1)]
        for i, j in corners:
            made.append(rod((0.17 * i, 0.19 * j, seat), (0.21 * i, 0.23 * j, 0.0), 0.022, metal))
        return made
    made.append(post(0, 0, 0.08, seat, 0.05, p.DARK))
    for i in range(5):
        a = 2 * math.pi * i / 5
        end = (0.28 * math.cos(a), 0.28 * math.sin(a), 0.05)
        made.append(rod((0, 0, 0.1), end, 0.04, p.BLACK))
    return made


def barrier(rng: Rng) -> Thing:
    """A post on a round foot, for a belt, a lamp or a sign."""
    paint, high = pick(rng, (p.BLACK, p.STEEL, *p.BRIGHT, p.WHITE)), between(rng, 0.9, 1.8)
    wide = between(rng, 0.03, 0.09)
    made = [post(0, 0, 0.05, high, wide, paint), post(0, 0, 0.0, 0.05, 0.34, p.BLACK)]
    made.append(post(0, 0, 0.05, 0.09, wide * 1.8, paint))
    kind = rng.random()
    if kind < 0.4:
        made.append(post(0, 0, high - 0.12, high, wide * 1.3, p.DARK))
    elif kind < 0.7:
        made.append(p.cone((0, 0, high), 0.3, 0.28, pick(rng, (p.WHITE, p.CREAM, p.DARK))))
    else:
        made.append(block((0, 0, high), (0.06, 0.3, 0.2), pick(rng, p.ANY)))
    return made


def ladder(rng: Rng) -> Thing:
    """Two leaning sides of rungs."""
    paint, high, lean = pick(rng, (p.ALUMINIUM, p.ALUMINIUM, p.YELLOW, p.RED)), 1.7, 0.45
    made: Thing = []
    for side in (-0.22, 0.22):
        made.append(rod((lean, side * 1.3, 0), (0.03, side, high), 0.045, paint))
        made.append(rod((-lean, side * 1.3, 0), (-0.03, side, high), 0.035, paint))
    for i in range(1, 6):
        x, z = lean * (1 - i / 6), high * i / 6
        made.append(block((x, 0, z), (0.08, 0.44 + 0.13 * (1 - i / 6), 0.025), paint))
    made.append(block((0, 0, high), (0.2, 0.44, 0.04), pick(rng, (p.BLACK, p.RED, p.YELLOW))))
    return made


def frame(rng: Rng) -> Thing:
    """A tall frame of profiles, maybe with a pane."""
    y, z, wide = between(rng, 0.6, 1.6), between(rng, 1.2, 2.2), between(rng, 0.03, 0.08)
    metal = pick(rng, (p.ALUMINIUM, p.ALUMINIUM, p.STEEL, p.DARK, p.YELLOW))
    made = [block((0, side * y / 2, z / 2), (wide, wide, z), metal) for side in (-1, 1)]
    for high in (z - wide / 2, z * between(rng, 0.05, 0.5)):
        made.append(block((0, 0, high), (wide, y - wide, wide), metal))
    for side in (-1, 1):
        made.append(block((0, side * y / 2, wide / 2), (0.5, wide * 0.9, wide * 0.9), metal))
    if rng.random() < 0.5:
        pane = pick(rng, (p.GREY, p.SKY, p.WHITE, p.ORANGE))
        made.append(block((0, 0, z * 0.75), (0.01, y - wide, z * 0.4), pane))
    return made


def tubes(rng: Rng) -> Thing:
    """Metal tubes between round caps: nearly an arm, and none."""
    metal, dark = p.dyed(rng, p.ALUMINIUM), p.dyed(rng, p.GREY)
    cap = pick(rng, (p.SKY, p.SKY, p.SKY, p.GREY, p.BLUE))
    wide = between(rng, 0.08, 0.16)
    made: Thing = [post(0, 0, 0, 0.03, wide * 1.6, dark)]
    at: p.Vector = (0.0, 0.0, 0.03)
    for i in range(int(rng.integers(1, 4))):
        turn, long = between(rng, -math.pi, math.pi), between(rng, 0.35, 0.75)
        rise = between(rng, 0.7, 1.0) if i == 0 else between(rng, -0.2, 0.7)
        flat = math.sqrt(max(0.0, 1 - rise * rise)) * long
        end = (
            at[0] + flat * math.cos(turn),
            at[1] + flat * math.sin(turn),
            max(wide, at[2] + rise * long),
        )
        dx, dy = -math.sin(turn) * wide * 0.7, math.cos(turn) * wide * 0.7
        made.append(rod(at, end, wide * 0.85, metal))
        near, far, tip = ((end[0] + k * dx, end[1] + k * dy, end[2]) for k in (-1, 1, 1.3))
        made.append(rod(near, far, wide, dark if rng.random() < 0.5 else metal))
        made.append(rod(far, tip, wide * 1.02, cap))
        at = end
    return made


def cable(rng: Rng) -> Thing:
    """A cable that lies in curves."""
    paint, wide = pick(rng, (p.BLACK, p.BLACK, p.GREY, *p.BRIGHT)), between(rng, 0.006, 0.02)
    x, y, heading, bend = 0.0, 0.0, between(rng, -math.pi, math.pi), 0.0
    points: list[p.Vector] = [(x, y, wide / 2)]
    for _ in range(int(rng.integers(6, 12))):
        bend = 0.6 * bend + between(rng, -0.6, 0.6)
        heading += bend
        x, y = x + 0.13 * math.cos(heading), y + 0.13 * math.sin(heading)
        points.append((x, y, wide / 2))
    return p.wire(points, wide, paint)


def pipes(rng: Rng) -> Thing:
    """Pipes from the floor upwards, with sleeves."""
    made: Thing = []
    high = between(rng, 2.0, 3.0)
    for i in range(int(rng.integers(1, 4))):
        paint = pick(rng, (p.STEEL, p.WHITE, p.GREY, p.RED, p.ALUMINIUM))
        wide, y = between(rng, 0.03, 0.12), 0.16 * i
        made.append(post(0, y, 0, high, wide, paint))
        for z in rng.uniform(0.1, 0.9, 2):
            low = high * float(z)
            made.append(post(0, y, low, low + 0.05, wide * 1.2, p.DARK))
    return made


def bucket(rng: Rng) -> Thing:
    """A round bin or drum."""
    wide, high = between(rng, 0.25, 0.5), between(rng, 0.3, 0.9)
    paint = pick(rng, (p.GREY, p.BLACK, *p.BRIGHT, p.STEEL))
    made = [post(0, 0, 0, high, wide, paint), post(0, 0, high - 0.03, high, wide * 1.05, paint)]
    made.append(post(0, 0, high - 0.02, high + 0.002, wide * 0.95, p.BLACK))
    return made


def trifle(rng: Rng) -> Thing:
    """Something small for a table."""
    size, kind = between(rng, 0.04, 0.16), int(rng.integers(6))
    paint, other = pick(rng, p.ANY), pick(rng, p.ANY)
    if kind == 0:  # a bottle
        return [
            post(0, 0, 0, size * 1.6, size * 0.6, paint),
            p.cone((0, 0, size * 1.85), size * 0.6, size * 0.5, paint),
            post(0, 0, size * 1.75, size * 2.1, size * 0.22, other),
        ]
    if kind == 1:
        return [p.ball((0, 0, size / 2), size, paint)]
    if kind == 2:  # a tin or a cup
        label = post(0, 0, size * 0.4, size * 0.7, size * 0.81, other)
        return [post(0, 0, 0, size, size * 0.8, paint), label]
    if kind == 3:  # papers, or a keyboard
        flat = pick(rng, (p.WHITE, p.BLACK, p.DARK, p.BLUE))
        return [block((0, 0, 0.008), (size * 1.2, size * 2.8, 0.016), flat)]
    if kind == 4:  # a lamp
        top = (between(rng, -0.1, 0.1), between(rng, -0.1, 0.1), between(rng, 0.3, 0.5))
        foot = post(0, 0, 0, 0.02, 0.14, p.DARK)
        return [foot, rod((0, 0, 0), top, 0.015, p.STEEL), p.cone(top, 0.14, 0.12, paint)]
    return carton(rng, size * 1.2, size * 1.4, size)
