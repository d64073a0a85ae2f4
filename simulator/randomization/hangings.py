"""What hangs on walls, each drawn as a thing of primitives.

Each function draws one thing that shows its front along +x, before the wall at x = 0, about the
height z = 0. Lengths are in metres.
"""

import numpy as np

from simulator.randomization import primitives as p
from simulator.randomization.primitives import Thing, between, block, pick

Rng = np.random.Generator


def whiteboard(rng: Rng) -> Thing:
    """On a wall, with writing."""
    y, z = between(rng, 1.2, 2.4), between(rng, 0.8, 1.3)
    made = [block((0.01, 0, 0), (0.02, y + 0.05, z + 0.05), p.ALUMINIUM)]
    made.append(block((0.015, 0, 0), (0.02, y, z), p.Paint((0.8, 0.81, 0.82), 0.25)))
    made.append(block((0.05, 0, -z / 2), (0.08, y * 0.5, 0.015), p.GREY))
    row = z / 2 - 0.1
    for _ in range(int(rng.integers(3, 9))):
        ink, at = pick(rng, p.INKS), between(rng, -0.48, 0.1) * y
        for _ in range(int(rng.integers(2, 6))):
            long = between(rng, 0.04, 0.25)
            if at + long > 0.48 * y:
                break
            tilt = (between(rng, -0.3, 0.3) ** 3 * 10, 0.0, 0.0)
            size = (0.003, long, between(rng, 0.005, 0.012))
            made.append(block((0.026, at + long / 2, row), size, ink, tilt))
            at += long + 0.03
        row -= between(rng, 0.06, 0.16)
        if row < -z / 2 + 0.08:
            break
    return made


def poster(rng: Rng) -> Thing:
    """Paper on a wall, with coloured fields."""
    y, z = between(rng, 0.3, 0.9), between(rng, 0.3, 1.1)
    made = [block((0.004, 0, 0), (0.008, y, z), pick(rng, (p.WHITE, p.CREAM, *p.BRIGHT)))]
    for _ in range(int(rng.integers(2, 7))):
        at = (0.009, between(rng, -0.3, 0.3) * y, between(rng, -0.38, 0.38) * z)
        size = (0.004, between(rng, 0.1, 0.35) * y, between(rng, 0.03, 0.2) * z)
        made.append(block(at, size, pick(rng, p.ANY)))
    return made


def window(rng: Rng) -> Thing:
    """A bright pane in a frame, or a door."""
    y, z = between(rng, 0.8, 1.6), between(rng, 0.8, 1.5)
    frame, pane = pick(rng, (p.WHITE, p.GREY, p.OAK)), p.Paint((0.9, 0.94, 0.95), 0.2)
    made = [block((0.02, 0, 0), (0.04, y + 0.1, z + 0.1), frame)]
    made.append(block((0.025, 0, 0), (0.04, y, z), pane))
    made.append(block((0.03, 0, 0), (0.05, 0.05, z), frame))
    if rng.random() < 0.4:
        slat = pick(rng, (p.WHITE, p.CREAM, p.GREY))
        for i in range(8):
            made.append(block((0.06, 0, z * (0.46 - i * 0.07)), (0.01, y, z * 0.045), slat))
    return made


def cooler(rng: Rng) -> Thing:
    """An air conditioner or a box of switches on a wall, with ducts."""
    y, z = between(rng, 0.3, 0.9), between(rng, 0.2, 0.35)
    paint = pick(rng, (p.WHITE, p.WHITE, p.GREY))
    made = [block((0.1, 0, 0), (0.2, y, z), paint)]
    for i in range(int(rng.integers(1, 4))):
        made.append(block((0.2, 0, -z * (0.1 + 0.12 * i)), (0.006, y * 0.9, 0.012), p.GREY))
    return made


def duct(rng: Rng) -> Thing:
    """A trunk for cables along a wall with sockets."""
    y = between(rng, 1.5, 4.0)
    paint = pick(rng, (p.WHITE, p.GREY, p.CREAM, p.ALUMINIUM))
    made = [block((0.03, 0, 0), (0.06, y, between(rng, 0.05, 0.14)), paint)]
    for at in rng.uniform(-0.45, 0.45, int(rng.integers(1, 5))):
        made.append(block((0.062, float(at) * y, 0), (0.008, 0.07, 0.07), pick(rng, p.ANY)))
    return made


def coat(rng: Rng) -> Thing:
    """Clothes on hooks."""
    made = [block((0.03, 0, 0.5), (0.04, 0.8, 0.06), pick(rng, (p.GREY, *p.WOODS)))]
    for i in range(int(rng.integers(1, 4))):
        at, high = 0.25 * (i - 1), between(rng, 0.6, 1.0)
        paint = pick(rng, (p.BLACK, p.DARK, p.BLUE, p.GREY))
        made.append(p.cone((0.12, at, 0.45 - high / 4), 0.36, high / 2, paint))
        made.append(block((0.1, at, 0.4 - high / 2), (0.12, 0.26, high * 0.8), paint))
    return made
