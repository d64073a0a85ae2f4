"""Expected poses on a command line: a robot's log, its unit, and what is made of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jointloop.cli.helped import helped
from jointloop.common.errors import JointloopError
from jointloop.common.files import shown
from simulator.randomization.expected import Expected, Mode
from simulator.robot.angles import Unit

if TYPE_CHECKING:
    from simulator.randomization.assignment import Assignment, Split
    from simulator.randomization.prior import JointPrior
    from simulator.randomization.settings import SampleSettings


@helped
@dataclass(frozen=True)
class ExpectOptions:
    """Poses that the robot is expected to take."""

    expect: Path | None = None
    """Log of joint angles whose poses are rendered, in place of uniform ones: CSV with named
    columns, JSON lines, .npy with columns in the robot's order, a ROS bag, or the folder of a
    recording."""
    expect_unit: Unit | None = None
    """Of the angles in the log: degrees or radians; recordings and bags have their own."""
    expect_mode: Mode = "bins"
    """bins: the log's poses are counted into the prior; poses: they are drawn themselves, and
    jitter."""
    expect_jitter: float = 0.5
    """Of mode poses: the share of a bin by which an angle moves at most, either way."""

    def read(
        self, settings: "SampleSettings", say: Callable[[str], None], prior: object = None
    ) -> Expected | None:
        """The expected poses, if any, and how they are split, in a line; see `expected_in`.

        Raises:
            JointloopError: the log cannot be used, or a prior is given too.
        """
        if prior is not None and self.expect is not None:
            raise JointloopError("--prior and --expect both say what to draw; leave one out")
        if self.expect is None:
            if self.expect_unit is not None:
                raise JointloopError("--expect-unit is given without a log; give --expect FILE too")
            return None
        found, uniform = expected_in(
            self.expect, self.expect_unit, self.expect_mode, self.expect_jitter, settings, say
        )
        for line in found.notes(uniform):
            say(line)
        return found

    def terms(
        self, settings: "SampleSettings", split: "Split", say: Callable[[str], None]
    ) -> "Assignment":
        """What to draw from: the uniform prior, or what is expected in its place.

        Raises:
            JointloopError: the log cannot be used.
        """
        from simulator.randomization.assignment import Assignment
        from simulator.randomization.prior import JointPrior
        from simulator.robot import Robot

        robot, expected = Robot.named(settings.robot), self.read(settings, say)
        first = JointPrior.uniform(robot.lower, robot.upper, settings.bins)
        if expected is None:
            return Assignment.of(first, split)
        own = expected.prior(first)
        return expected.terms(own) if split == "train" else expected.held_out_terms(own)


NOTHING = ExpectOptions()


def expected_in(
    path: Path,
    unit: Unit | None,
    mode: Mode,
    jitter: float,
    settings: "SampleSettings",
    say: Callable[[str], None],
) -> tuple[Expected, "JointPrior"]:
    """The expected poses of a log, and the uniform prior that they are for.

    Args:
        path: of the log.
        unit: of its angles.
        mode: what is made of them.
        jitter: share of a bin, of mode poses.
        settings: name the robot and its bins.
        say: takes a line on what of the log is left aside.

    Raises:
        JointloopError: the log cannot be used.
    """
    from simulator.randomization.prior import JointPrior
    from simulator.recordings.pose_log import read_log
    from simulator.robot import Robot

    if not 0 <= jitter <= 10:
        raise JointloopError(f"expect-jitter is {jitter:g}; expected a number of 0 to 10")
    robot = Robot.named(settings.robot)
    found = Expected(read_log(path, robot, unit, say), shown(path.name), mode, jitter)
    prior = JointPrior.uniform(robot.lower, robot.upper, settings.bins)
    return found.check(prior), prior
