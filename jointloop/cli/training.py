"""Verbs of the loop: demo, train, inspect; each imports what it needs when it is called."""

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from blender_scenes.spec import Engine
from jointloop.cli.app import app, out, ready, tell_robots
from jointloop.cli.train_options import TrainOptions
from jointloop.common.errors import JointloopError
from jointloop.common.folders import first_free

if TYPE_CHECKING:
    from trainer.config.config import Config
    from trainer.run_options import RunOptions


@app.command
def demo(
    *,
    run: Path = Path("runs/demo"),
    minutes: float = 4.0,
    workers: int = 2,
    engine: Engine = "cycles",
) -> int:
    """Close the loop once: Blender workers, feedback on, preset tiny, then the report.

    Args:
        run: Folder of the run; an earlier one is moved aside.
        minutes: Training time, after the held-out set is rendered.
        workers: Simulators to start.
        engine: cycles, eevee and workbench render with Blender; stick draws the robot as sticks.
    """
    if run.exists():
        aside = first_free(run)
        run.rename(aside)
        out.print(f"moved the earlier {run} to {aside}", markup=False)
    return train(TrainOptions("tiny", run, workers=workers, minutes=minutes, engine=engine))


@app.command
def train(options: Annotated[TrainOptions, tyro.conf.arg(name="")]) -> int:
    """Train a joint detector in the closed loop, on simulators or on a recording."""
    from jointloop.cli.looking import check_data
    from trainer import session
    from trainer.distributed.launch import is_member, start_together, started_together
    from trainer.runs.progress import Progress

    if options.processes < 1:
        raise JointloopError(f"processes is {options.processes}; expected at least 1")
    options.check(several=options.processes > 1 or started_together())
    start_together(options.processes, sys.argv[1:])
    if is_member():
        with contextlib.suppress(KeyboardInterrupt):  # the lead says so
            session.follow(options.device, options.timeout)
        return 0
    if options.workers:
        ready(options.engine, options.render_device)
    config, run_options = options.config(), options.run_options()
    tell_robots(config.settings)
    if options.check_data:
        return check_data(config, run_options)
    if options.overfit_one_batch:
        return _rehearse(config, run_options)
    run = options.folder
    try:
        with Progress(out) as progress:
            summary = session.train(config, run_options, progress)
    except KeyboardInterrupt:
        if (run / "last.state.pt").exists():
            out.print(
                f"{run} keeps everything up to its last epoch; --resume goes on", markup=False
            )
        raise
    _print_summary(summary, run)
    return 0


@app.command
def inspect(run: tyro.conf.Positional[Path]) -> int:
    """Write and name the report of a run, finished or not, and its pictures.

    Args:
        run: Folder of the run.
    """
    from feedback.report.report import write_pictures, write_report

    out.print(f"report    {write_report(run)}", markup=False)
    for picture in write_pictures(run):
        out.print(f"picture   {picture}", markup=False)
    return 0


def _rehearse(config: "Config", run_options: "RunOptions") -> int:
    """The exit code of a batch learnt by heart, or not."""
    from trainer.preflight.preflight import rehearse
    from trainer.runs.progress import Progress

    with Progress(out) as progress:
        learnt = rehearse(config, run_options, progress)
    out.print(str(learnt), markup=False)
    return 0 if learnt.passed else 1


def _print_summary(summary: dict[str, Any], run: Path) -> None:
    """The report's name and the three figures people ask for."""
    from feedback.report.report import write_report
    from trainer.runs.log import error_line

    samples, prior = summary["samples"], summary["prior"]
    before, after = summary["before"], summary["after"]
    report = write_report(run)
    rendered = f"{samples['rendered']} rendered"
    if pool := summary.get("pool"):
        rendered = f"{pool['samples']} recorded, worth {pool['effective']:.0f} at the last prior"
    out.print(
        f"\nsamples   {rendered}; {samples['consumed']} trained on ({samples['new']} different "
        "ones)"
    )
    for name, error in (("before", before), ("after", after)):
        out.print(f"{name:<9} held out: {error_line(error)}")
    entropy = " ".join(f"{value:.2f}" for value in prior["entropy"])
    out.print(
        f"prior     {prior['versions']} versions, moved {prior['total_variation_mean']:.1%} of its "
        f"mass; entropy per joint {entropy} (1 is uniform)"
    )
    out.print(f"summary   {run / 'summary.json'}\nreport    {report}", markup=False)
