"""Whether a pose passes through the floor or through the robot itself, by capsules about its links.

    links --surfaces--> triangles --capsules--> shapes;  q -> forward -> how deep they overlap

Bodies that a joint holds together overlap by design, and some pairs do because a capsule is larger
than what it holds: what overlaps in most poses tells nothing of a pose and is not looked at.
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.robot.capsules import capsules
from simulator.robot.robot import Robot
from simulator.robot.surfaces import surfaces

SLACK = 0.015
"""Overlap that is none yet, since capsules are larger than what they hold [robot reaches]."""
POSES = 512
"""Random poses that tell what nearly always overlaps."""
MOSTLY, ALWAYS = 0.5, 0.9
"""Pairs that overlap in a larger share of poses are not looked at, nor what is under the floor: no
robot is built to hit itself in half of its poses, but many an arm can hang down in most."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Collisions:
    """What of one robot may not overlap, and how deep it does."""

    robot: Robot
    links: NDArray[np.int64]
    """(C,) link of each capsule."""
    ends: Numbers
    """(C, 2, 3) of its segment, in its link's frame [m]."""
    radii: Numbers
    """(C,) [m]."""
    pairs: NDArray[np.int64]
    """(P, 2) capsules that may not overlap."""
    above: NDArray[np.int64]
    """(A,) capsules that may not reach under the floor, z = 0."""
    slack: float
    """Overlap that is none yet [m]."""

    def depth(self, q: ArrayLike, floor: bool = True) -> Numbers:
        """How deep a pose overlaps at worst, beyond the slack; 0 or less where it is free.

        Args:
            q: (..., D) joint angles [rad] or [m].
            floor: whether the floor counts too.

        Returns:
            (...) [m]; -inf where nothing could overlap.
        """
        ends = self._ends(q)
        depths = [self._between(ends, self.pairs)] if len(self.pairs) else []
        if floor and len(self.above):
            depths.append(self._under(ends, self.above))
        worst = [depth.max(axis=-1) for depth in depths]
        return np.maximum.reduce([np.full(ends.shape[:-3], -np.inf), *worst]) - self.slack

    def free(self, q: ArrayLike, floor: bool = True) -> NDArray[np.bool_]:
        """(...) whether poses (..., D) pass through neither the robot nor, if asked, the floor."""
        return self.depth(q, floor) <= 0

    def _ends(self, q: ArrayLike) -> Numbers:
        """(..., C, 2, 3) of the capsules' segments in the world [m]."""
        T = self.robot.forward(q)[..., self.links, :, :]
        return self.ends @ np.swapaxes(T[..., :3, :3], -1, -2) + T[..., None, :3, 3]

    def _between(self, ends: Numbers, pairs: NDArray[np.int64]) -> Numbers:
        """(..., P) overlap of pairs of capsules [m]."""
        one, other = pairs[:, 0], pairs[:, 1]
        apart = segment_distance(ends[..., one, :, :], ends[..., other, :, :])
        return self.radii[one] + self.radii[other] - apart

    def _under(self, ends: Numbers, which: NDArray[np.int64]) -> Numbers:
        """(..., A) how far capsules reach under the floor [m]."""
        return self.radii[which] - ends[..., which, :, :][..., 2].min(axis=-1)


@cache
def collisions(robot: Robot) -> Collisions:
    """What of a robot may not overlap; takes a second or so, once.

    Raises:
        RobotError: a mesh file cannot be read.
    """
    shapes = [
        (link, capsule)
        for link, seen in surfaces(robot.model).items()
        for capsule in capsules(seen)
    ]
    links = np.array([link for link, _ in shapes], np.int64)
    bodies = np.array(robot.bodies, np.int64)[links]
    held = robot.held_bodies
    found = Collisions(
        robot=robot,
        links=links,
        ends=np.array([capsule.ends for _, capsule in shapes]).reshape(-1, 2, 3),
        radii=np.array([capsule.radius for _, capsule in shapes]),
        pairs=np.array(
            [
                (i, j)
                for j in range(len(links))
                for i in range(j)
                if bodies[i] != bodies[j] and (bodies[i], bodies[j]) not in held
            ],
            np.int64,
        ).reshape(-1, 2),
        above=np.flatnonzero(bodies),
        slack=SLACK * robot.reach,
    )
    return _telling(found, bodies)


def _telling(found: Collisions, bodies: NDArray[np.int64]) -> Collisions:
    """Without the pairs of bodies, and the bodies over the floor, that nearly always overlap."""
    low, high = found.robot.lower, found.robot.upper
    ends = found._ends(np.random.default_rng(0).uniform(low, high, (POSES, low.size)))
    pairs, above = found.pairs, found.above
    deep = found._between(ends, pairs) > found.slack
    under = found._under(ends, above) > found.slack
    return replace(
        found,
        pairs=pairs[_at_most(MOSTLY, deep, bodies[pairs])],
        above=above[_at_most(ALWAYS, under, bodies[above, None])],
    )


def _at_most(
    share: float, overlaps: NDArray[np.bool_], owners: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """(N,) whether those with the same owners overlap in at most that share of poses.

    Args:
        share: of M poses.
        overlaps: (M, N) in each pose.
        owners: (N, k) bodies.
    """
    kept = np.zeros(len(owners), bool)
    for owner in np.unique(owners, axis=0):
        own = (owners == owner).all(axis=1)
        kept[own] = overlaps[:, own].any(axis=1).mean() <= share
    return kept


def segment_distance(one: Numbers, other: Numbers) -> Numbers:
    """Distance of segments (..., 2, 3) from others: (...), after Ericson's Real-Time Collision
    Detection, section 5.1.9."""
    p, u = one[..., 0, :], one[..., 1, :] - one[..., 0, :]
    r, v = other[..., 0, :], other[..., 1, :] - other[..., 0, :]
    w = p - r
    uu, vv, uv, uw, vw = (_dot(*pair) for pair in ((u, u), (v, v), (u, v), (u, w), (v, w)))
    s = np.clip(_over(uv * vw - uw * vv, uu * vv - uv * uv), 0, 1)
    t = np.clip(_over(uv * s + vw, vv), 0, 1)
    s = np.clip(_over(uv * t - uw, uu), 0, 1)
    return np.sqrt(np.square(w + s[..., None] * u - t[..., None] * v).sum(axis=-1))


def _dot(a: Numbers, b: Numbers) -> Numbers:
    return (a * b).sum(axis=-1)


def _over(a: Numbers, b: Numbers) -> Numbers:
    """a / b; 0 where b is nothing: of a point, or of parallels."""
    return np.where(b > 1e-12, a / np.maximum(b, 1e-12), 0.0)
