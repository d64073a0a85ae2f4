"""Poses from the prior, where asked for such as pass through neither floor nor robot.

prior or bank -> pose -> free of collisions? -> the pose, or the next from the same random source

What is drawn so is the prior conditioned on freedom: where a pose is free its density is the
prior's, over the share of draws that are free, and elsewhere it is 0. So two priors' densities of a
free pose keep their ratio, but for a constant; and joints are independent no more. From a bank one
logged pose is drawn, and only the jitter about it anew, so that the log's poses keep their shares.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Annotated, Any, NamedTuple, Protocol

import numpy as np
from msgspec import UNSET, Meta
from numpy.typing import NDArray

from jointloop.common.settings import Checked, Share
from simulator.randomization.assignment import Assignment
from simulator.robot import Robot


@dataclass(frozen=True)
class PoseVariety(Checked, where="variety.poses"):
    """Poses that a real robot could take: drawn anew until one collides with nothing."""

    free: Share = 1.0
    """Share of images whose pose is to be free of collisions; others take any."""
    floor: bool = True
    """Whether what moves must stay above z = 0 too, on which the robot stands."""
    tries: Annotated[int, Meta(ge=1, le=1000)] = 64
    """Poses drawn at most; if none is free, the one that overlaps least is taken."""


class Pose(NamedTuple):
    """A drawn pose."""

    q: NDArray[np.float64]
    """(D,) joint angles [rad]."""
    bins: NDArray[np.int64]
    """(D,) bin of each."""
    tries: int = 1
    """Poses that were drawn."""
    free: bool | None = None
    """Whether it is free of collisions; None where any would do."""
    row: int | None = None
    """Of the log that it was drawn from; None where it came from the prior."""


def draw_pose(
    variety: PoseVariety | None,
    robot: Robot,
    assignment: Assignment,
    rng: np.random.Generator,
    coin: np.random.Generator,
    shared: Callable[[], np.random.Generator | None] = lambda: None,
) -> Pose:
    """Draw a pose; the first try is what is drawn where any pose will do.

    Args:
        variety: what a pose must be; None takes any.
        robot: that is posed.
        assignment: the prior of its angles, or the bank of poses.
        rng: source of all tries.
        coin: decides whether any pose will do.
        shared: gives the source of D for each try, where one D is to serve many samples.

    Raises:
        RobotError: a mesh file of the robot cannot be read.
    """
    drawn = _draws(assignment, rng, shared)
    if variety is None or coin.random() >= variety.free:
        return drawn()
    from simulator.robot.collisions import collisions

    shapes = collisions(robot)
    least, best = np.inf, None
    for tries in range(1, variety.tries + 1):
        pose = drawn()._replace(tries=tries, free=True)
        depth = float(shapes.depth(pose.q, variety.floor))
        if depth <= 0:
            return pose
        if depth < least:
            least, best = depth, pose
    assert best is not None
    return best._replace(tries=variety.tries, free=False)


def _draws(
    assignment: Assignment,
    rng: np.random.Generator,
    shared: Callable[[], np.random.Generator | None],
) -> Callable[[], Pose]:
    """Gives a pose at every call: of the prior, or about one logged pose."""
    prior, bank = assignment.prior, assignment.bank
    if bank is UNSET:
        return lambda: Pose(*prior.sample(rng, shared()))
    at = bank.choose(rng)

    def about() -> Pose:
        q = bank.about(at, rng, prior.lower, prior.upper)
        return Pose(q, prior.bin_of(q), row=bank.rows[at])

    return about


class Drawn(Protocol):
    """What a sample's provenance tells of its pose."""

    @property
    def tries(self) -> int:
        """Poses that were drawn."""
        ...

    @property
    def free(self) -> bool | None:
        """Whether the pose is free of collisions; None where any would do."""
        ...


@dataclass
class PoseCounts:
    """How many draws were free of collisions, over samples of which that was asked."""

    tries: int = 0
    """Poses drawn."""
    free: int = 0
    """Those that were free."""

    @classmethod
    def of(cls, samples: Iterable[Drawn]) -> "PoseCounts":
        """Of so many samples."""
        counts = cls()
        for drawn in samples:
            counts.count(drawn)
        return counts

    def count(self, drawn: Drawn) -> None:
        """Count a sample; one that could take any pose does not count."""
        if drawn.free is not None:
            self.tries += drawn.tries
            self.free += drawn.free

    def traffic(self) -> dict[str, Any]:
        """For a run's metrics; empty where nothing was asked."""
        return {"poses": asdict(self)} if self.tries else {}

    @property
    def told(self) -> str:
        """To end a line with; empty where nothing was asked."""
        return f"; poses: {self.free / self.tries:.0%} of draws were free" if self.tries else ""
