"""compare: rules beside each other, in pairs of small trainings that differ in nothing else."""

from typing import TYPE_CHECKING, Annotated

import tyro

from jointloop.cli.app import out as console
from jointloop.cli.app import say
from jointloop.cli.compare_options import CompareOptions

if TYPE_CHECKING:
    from trainer.evaluation.arms.study import Arm, StudyFolder


def compare(options: Annotated[CompareOptions, tyro.conf.arg(name="")]) -> int:
    """Compare rules in pairs of small trainings; go on where an earlier call was stopped.

    Trainings of one pair begin with the same weights, see the same uniform half in the same order,
    and are judged on the same images. Arm aa is uniform once more: what it differs by is chance.
    """
    from trainer.evaluation.arms.spread import Work, run
    from trainer.evaluation.arms.study import StudyFolder

    options = options.complete()
    arms = options.chosen()
    study, target = options.study()
    folder = StudyFolder(options.out)
    folder.begin(study)
    try:
        with console.status("training") as status:
            run(
                Work(study, target, folder, options.recording),
                arms,
                options.pairs,
                options.processes or 1,
                lambda done, total: status.update(f"{done} of {total} trainings"),
            )
    except KeyboardInterrupt:
        say(f"{options.out} keeps the trainings that are whole; the same command goes on")
        raise
    _conclude(folder, arms, options.pairs)
    return 0


def _conclude(folder: "StudyFolder", arms: "tuple[Arm, ...]", pairs: int) -> None:
    """Write and print what it came to."""
    from jointloop.common.files import write_json, write_text
    from trainer.evaluation.arms.figure import figure
    from trainer.evaluation.arms.outcome import Curves, as_csv, notes, outcome, table
    from trainer.evaluation.arms.study import TABLE

    study, rows = folder.study(), list(folder.rows(arms, pairs))
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
