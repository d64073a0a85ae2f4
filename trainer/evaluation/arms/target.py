"""Which poses the detector is judged on: uniform ones, a made-up workcell's, or a log's.

The rows of a log go to three uses: most are what the robot is known to do, of the held-out blocks
one half is what rules look at, the other what arms are judged on.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jointloop.common.draws import random_source
from simulator.randomization.expected import Expected
from simulator.randomization.prior import JointPrior
from simulator.robot import Robot

WORKCELL = "workcell"
DRAWS = 0x63656C6C
ROWS = 2000
"""Of a workcell's log."""
SPAN = 0.2
"""Of a joint's range that a workcell's poses keep to."""
STATIONS = 8
"""Poses that a robot in a workcell goes to and fro between."""


@dataclass(frozen=True, eq=False)
class Target:
    """Poses that the detector is judged on."""

    expected: Expected | None
    """The log; None for uniform poses."""

    def looked_at(self, first: JointPrior) -> NDArray[np.float64] | None:
        """(R, D) poses that rules look at [rad]; None for uniform ones."""
        return self._half(first, 0)

    def judged(self, first: JointPrior) -> NDArray[np.float64] | None:
        """(R, D) poses that arms are judged on [rad]; None for uniform ones."""
        return self._half(first, 1)

    def _half(self, first: JointPrior, which: int) -> NDArray[np.float64] | None:
        if self.expected is None:
            return None
        held = self.expected.held_out
        block = np.cumsum(np.diff(held.astype(int), prepend=0) > 0)  # of the held-out ones, from 1
        chosen = held & (block % 2 == which)
        if not chosen.any():  # one block alone
            chosen = held
        return np.clip(self.expected.q[chosen], first.lower, np.nextafter(first.upper, -np.inf))


def workcell(robot: Robot, seed: int = 0) -> NDArray[np.float64]:
    """(ROWS, D) a log of a robot that goes between stations in a fifth of its joints' ranges [rad].

    Args:
        robot: whose joints they are.
        seed: of the stations and the way.
    """
    rng = random_source(seed, DRAWS)
    width = robot.upper - robot.lower
    centre = robot.lower + rng.uniform(SPAN, 1 - SPAN, width.size) * width
    stations = centre + rng.uniform(-SPAN / 2, SPAN / 2, (STATIONS, width.size)) * width
    visits = rng.integers(STATIONS, size=ROWS // 20 + 2)
    at = np.linspace(0, ROWS // 20, ROWS)
    whole, share = at.astype(int), (at - at.astype(int))[:, None]
    way = stations[visits[whole]] * (1 - share) + stations[visits[whole + 1]] * share
    return way + rng.normal(0, 0.005, way.shape) * width
