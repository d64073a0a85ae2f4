"""compare: rules beside each other, in pairs of small trainings that differ in nothing else."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jointloop.cli.app import out as console
from jointloop.cli.app import say
from jointloop.common.errors import JointloopError
from simulator.robot.angles import Unit

if TYPE_CHECKING:
    from trainer.evaluation.arms.study import Arm, Study, StudyFolder
    from trainer.evaluation.arms.target import Target

QUICK: dict[str, Any] = {"samples": 3840, "epochs": 8, "held_out": 100, "test": 200}
QUICK_ARMS, QUICK_PAIRS = "uniform,aa,high-loss,poses", 6


def compare(
    *,
    out: Path,
    arms: str = "uniform,aa,random,high-loss,expected",
    pairs: int = 8,
    target: str = "uniform",
    expect_unit: Unit | None = None,
    engine: Literal["stick", "recorded"] = "stick",
    recording: Path | None = None,
    robot: str = "ur10",
    size: str = "64x48",
    samples: int = 9600,
    epochs: int = 12,
    held_out: int = 200,
    test: int = 400,
    bins: int = 16,
    select: float = 0.1,
    jitter: float = 0.5,
    processes: int | None = None,
    seed: int = 0,
    quick: bool = False,
) -> int:
    """Compare rules in pairs of small trainings; go on where an earlier call was stopped.

    Trainings of one pair begin with the same weights, see the same uniform half in the same order,
    and are judged on the same images. Arm aa is uniform once more: what it differs by is chance.

    Args:
        out: Folder of the comparison; one that is there is gone on with.
        arms: Names between commas: uniform (always there), aa, random, high-loss, expected, poses,
            stratified, adversarial.
        pairs: Trainings of each arm.
        target: What detectors are judged on: uniform, workcell (a made-up one), or a log of joint
            angles: CSV with named columns, JSON lines, .npy, or the folder of a recording.
        expect_unit: Of the angles in the log: degrees or radians.
        engine: stick draws sticks as they are needed; recorded draws from a recording.
        recording: Folder of that recording, of uniform poses.
        robot: Name or TOML file of the robot; a recording has its own.
        size: Of the images, WIDTHxHEIGHT; a recording has its own.
        samples: Of one training.
        epochs: Looks at the held-out set in it.
        held_out: Samples that rules look at.
        test: Samples that arms are judged on.
        bins: K; a recording has its own.
        select: Share of the held-out set that high-loss and random select.
        jitter: Of arm poses: the share of a bin by which an angle moves at most, either way.
        processes: At most; by default one for each core.
        seed: Of everything.
        quick: Five minutes of two cores: few and short trainings at a workcell.
    """
    from trainer.evaluation.arms.spread import Work, run
    from trainer.evaluation.arms.study import StudyFolder, arms_in

    said: dict[str, Any] = {
        "robot": robot, "size": size, "samples": samples, "epochs": epochs, "held_out": held_out,
        "test": test, "bins": bins, "select": select, "jitter": jitter, "seed": seed,
    }  # fmt: skip
    if quick:
        said, arms, pairs, target = said | QUICK, QUICK_ARMS, QUICK_PAIRS, "workcell"
    chosen = arms_in(arms)
    if pairs < 2:
        raise JointloopError(f"pairs is {pairs}; expected at least 2, which chance differs between")
    if (engine == "recorded") != (recording is not None):
        raise JointloopError("give --engine recorded and --recording DIR together, or neither")
    study, aim = _study(said, target, expect_unit, recording)
    if "poses" in chosen and (aim.expected is None or recording is not None):
        raise JointloopError(
            "arm poses draws a log's poses; give --target workcell or a log, and --engine stick"
        )
    folder = StudyFolder(out)
    folder.begin(study)
    work = Work(study, aim, folder, recording)
    count = os.cpu_count() or 1 if processes is None else processes
    if count < 1:
        raise JointloopError(f"processes is {processes}; expected at least 1")
    try:
        with console.status("training") as status:
            run(
                work, chosen, pairs, count,
                lambda done, total: status.update(f"{done} of {total} trainings"),
            )  # fmt: skip
    except KeyboardInterrupt:
        say(f"{out} keeps the trainings that are whole; the same command goes on")
        raise
    _conclude(folder, chosen, pairs, study)
    return 0


def _study(
    said: dict[str, Any], target: str, unit: Unit | None, recording: Path | None
) -> "tuple[Study, Target]":
    """The study and its target.

    Raises:
        JointloopError: the log or the recording cannot be used.
    """
    from simulator.randomization.expected import Expected
    from simulator.recordings.pose_log import read_log
    from simulator.recordings.recording import Recording
    from simulator.robot import Robot
    from trainer.evaluation.arms.study import Study
    from trainer.evaluation.arms.target import WORKCELL, Target, workcell
    from trainer.evaluation.arms.training import uniform_prior

    if recording is not None:
        about = Recording.open(recording).about
        settings = about.settings
        said = said | {"robot": settings.robot, "size": settings.size, "bins": settings.bins}
        said |= {"engine": "recorded", "recording": _digest(about.text())}
    if target == "uniform":
        return Study(**said), Target(None)
    arm = Robot.named(said["robot"])
    q = workcell(arm) if target == WORKCELL else read_log(Path(target), arm, unit, say)
    expected = Expected(q, Path(target).name)
    study = Study(**said, target=Path(target).name, digest=expected.digest)
    expected.check(uniform_prior(study))
    return study, Target(expected)


def _digest(text: bytes) -> str:
    import hashlib

    return hashlib.sha256(text).hexdigest()[:16]


def _conclude(folder: "StudyFolder", arms: "tuple[Arm, ...]", pairs: int, study: "Study") -> None:
    """Write and print what it came to."""
    from jointloop.common.files import write_json, write_text
    from trainer.evaluation.arms.figure import figure
    from trainer.evaluation.arms.outcome import Curves, as_csv, notes, outcome, table
    from trainer.evaluation.arms.study import TABLE

    rows = list(folder.rows(arms, pairs))
    curves = Curves.of(rows, arms)
    lines = outcome(curves)
    write_text(folder.folder / TABLE, as_csv(rows))
    write_json(folder.folder / "outcome.json", {"arms": lines})
    write_text(folder.folder / "outcome.md", table(lines))
    title = f"{study.target}: mean of {curves.pairs} pairs, {study.robot} at {study.size}"
    write_text(folder.folder / "curves.svg", figure(curves, title))
    say(table(lines).rstrip("\n"))
    for note in notes(lines):
        say(note)
    seconds = sum(row["cpu_seconds"] for row in rows if row["epoch"] == study.epochs)
    say(f"{seconds:.0f} CPU seconds; {folder.folder / 'curves.svg'}, {folder.folder / TABLE}")
