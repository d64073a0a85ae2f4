"""What `compare` is told, and the study that comes of it."""

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jointloop.cli.app import say
from jointloop.cli.helped import helped
from jointloop.common.errors import JointloopError
from simulator.robot.angles import Unit

if TYPE_CHECKING:
    from trainer.evaluation.arms.study import Arm, Study
    from trainer.evaluation.arms.target import Target

QUICK: dict[str, Any] = {
    "arms": "uniform,aa,high-loss,poses",
    "pairs": 6,
    "target": "workcell",
    "samples": 3840,
    "epochs": 8,
    "held_out": 100,
    "test": 200,
}
"""What --quick stands for."""
SAID = (
    "robot",
    "size",
    "samples",
    "epochs",
    "held_out",
    "test",
    "bins",
    "select",
    "jitter",
    "seed",
)
"""Options that a study keeps as they are."""


@helped
@dataclass(frozen=True)
class CompareOptions:
    """The command line of `compare`."""

    out: Path
    """Folder of the comparison; one that is there is gone on with."""
    arms: str = "uniform,aa,random,high-loss,expected"
    """Names between commas: uniform (always there), aa, random, high-loss, expected, poses,
    stratified, adversarial."""
    pairs: int = 8
    """Trainings of each arm."""
    target: str = "uniform"
    """What detectors are judged on: uniform, workcell (a made-up one), or a log of joint angles:
    CSV with named columns, JSON lines, .npy, a ROS bag, or the folder of a recording."""
    expect_unit: Unit | None = None
    """Of the angles in the log: degrees or radians; a recording has its own."""
    engine: Literal["stick", "recorded"] = "stick"
    """stick draws sticks as they are needed; recorded draws from a recording."""
    recording: Path | None = None
    """Folder of that recording, of uniform poses; it decides on robot, size and bins."""
    robot: str = "ur10"
    """Name or TOML file of the robot."""
    size: str = "64x48"
    """Of the images, WIDTHxHEIGHT."""
    samples: int = 9600
    """Of one training."""
    epochs: int = 12
    """Looks at the held-out set in it."""
    held_out: int = 200
    """Samples that rules look at."""
    test: int = 400
    """Samples that arms are judged on."""
    bins: int = 16
    """K."""
    select: float = 0.1
    """Share of the held-out set that high-loss and random select."""
    jitter: float = 0.5
    """Of arm poses: the share of a bin by which an angle moves at most, either way."""
    processes: int | None = None
    """At most; by default one for each core."""
    seed: int = 0
    """Of everything."""
    quick: bool = False
    """Five minutes of two cores: four arms in six pairs of short trainings at a workcell."""

    def complete(self) -> "CompareOptions":
        """The options with what --quick stands for, checked.

        Raises:
            JointloopError: they do not go together.
        """
        whole = replace(self, **QUICK) if self.quick else self
        if whole.pairs < 2:
            raise JointloopError(f"pairs is {whole.pairs}; expected at least 2")
        if (whole.engine == "recorded") != (whole.recording is not None):
            raise JointloopError("give --engine recorded and --recording DIR together, or neither")
        count = os.cpu_count() or 1 if whole.processes is None else whole.processes
        if count < 1:
            raise JointloopError(f"processes is {count}; expected at least 1")
        return replace(whole, processes=count)

    def chosen(self) -> "tuple[Arm, ...]":
        """The arms.

        Raises:
            JointloopError: there is no such arm, or it does not go with target or engine.
        """
        from trainer.evaluation.arms.study import arms_in

        arms = arms_in(self.arms)
        if "poses" in arms and (self.target == "uniform" or self.recording is not None):
            raise JointloopError(
                "arm poses draws a log's poses; give --target workcell or a log, and --engine stick"
            )
        return arms

    def study(self) -> "tuple[Study, Target]":
        """What is compared, and what it is judged on.

        Raises:
            JointloopError: the log or the recording cannot be used.
        """
        from simulator.randomization.expected import Expected
        from simulator.recordings.pose_log import read_log
        from simulator.robot import Robot
        from trainer.evaluation.arms.study import Study
        from trainer.evaluation.arms.target import WORKCELL, Target, workcell
        from trainer.evaluation.arms.training import uniform_prior

        said = {name: getattr(self, name) for name in SAID} | self._recorded()
        if self.target == "uniform":
            return Study(**said), Target(None)
        arm, path = Robot.named(said["robot"]), Path(self.target)
        made_up = self.target == WORKCELL
        q = workcell(arm) if made_up else read_log(path, arm, self.expect_unit, say)
        expected = Expected(q, path.name)
        study = Study(**said, target=path.name, digest=expected.digest)
        expected.check(uniform_prior(study))
        return study, Target(expected)

    def _recorded(self) -> dict[str, Any]:
        """What a recording decides on."""
        from simulator.recordings.recording import Recording

        if self.recording is None:
            return {}
        about = Recording.open(self.recording).about
        settings = about.settings
        return {
            "engine": "recorded",
            "recording": hashlib.sha256(about.text()).hexdigest()[:16],
            "robot": settings.robot,
            "size": settings.size,
            "bins": settings.bins,
        }
