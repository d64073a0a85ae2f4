"""train: trains a joint detector in the closed loop, on simulators or on a recording."""

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from jointloop.cli.app import out, ready, say, tell_robots
from jointloop.cli.form import takes
from jointloop.cli.rehearsals import check_data, overfit
from jointloop.cli.train_options import TrainOptions, shape
from jointloop.cli.watching import UNWATCHED, WatchOptions
from jointloop.common.errors import JointloopError
from jointloop.common.settings import Tree

if TYPE_CHECKING:
    from simulator.fleet.watch import Watch


@takes(shape)
def train(
    options: Annotated[TrainOptions, tyro.conf.arg(name="")],
    given: Tree | None = None,
    watching: Annotated[WatchOptions, tyro.conf.arg(name="")] = UNWATCHED,
) -> int:
    """Train a joint detector in the closed loop, on simulators or on a recording.

    Every setting of a run is an option below; a file may give them too, which `jointloop config`
    writes. Options count over the file, the file over the preset.
    """
    from trainer import session
    from trainer.distributed.launch import is_member, start_together, started_together

    if options.processes < 1:
        raise JointloopError(f"processes is {options.processes}; expected at least 1")
    options.check(several=options.processes > 1 or started_together())
    start_together(options.processes, sys.argv[1:])
    if is_member():
        with contextlib.suppress(KeyboardInterrupt):  # the lead says so
            session.follow(options.device, options.timeout)
        return 0
    with watching.open() as progress:
        return _train(options, given, progress)


def _train(options: TrainOptions, given: Tree | None, progress: "Watch") -> int:
    """Train, or check what training needs, in this process."""
    from simulator.fleet.fleet import SOME_GIVEN_UP
    from trainer import session

    if options.workers:
        ready(options.engine, options.render_device)
    config = options.resolved(given)
    run_options = options.run_options(config)
    tell_robots(config.settings)
    if options.check_data:
        return check_data(config, run_options, progress)
    if options.overfit_one_batch:
        return overfit(config, run_options, progress)
    run = options.folder
    try:
        summary = session.train(config, run_options, progress)
    except KeyboardInterrupt:
        if (run / "last.state.pt").exists():
            say(f"{run} keeps everything up to its last epoch; --resume goes on")
        raise
    _print_summary(summary, run)
    return SOME_GIVEN_UP if summary.get("simulators", {}).get("given_up") else 0


def _print_summary(summary: dict[str, Any], run: Path) -> None:
    """The report's name and the three figures people ask for."""
    from feedback.report.report import write_report
    from simulator.randomization.poses import PoseCounts
    from trainer.runs.log import error_line

    samples, prior = summary["samples"], summary["prior"]
    elsewhere = summary.get("elsewhere", {})
    report = write_report(run)
    rendered = f"{samples['rendered']} rendered"
    if pool := summary.get("pool"):
        rendered = f"{pool['samples']} recorded, worth {pool['effective']:.0f} at the last prior"
    out.print(
        f"\nsamples   {rendered}; {samples['consumed']} trained on ({samples['new']} different "
        f"ones){PoseCounts(**summary.get('poses', {})).told}"
    )
    if line := _absence(**summary.get("simulators", {})):
        out.print(f"absence   {line}", markup=False)
    if indices := summary.get("indices"):
        out.print(f"delivery  {_delivered(summary['delivery'], **indices)}", markup=False)
    for name in ("before", "after"):
        out.print(f"{name:<9} held out: {error_line(summary[name])}")
        if elsewhere:
            out.print(f"{'':<9} uniform poses: {error_line(elsewhere[name])}")
    out.print(f"prior     {_moved(prior)}", markup=False)
    out.print(f"summary   {run / 'summary.json'}\nreport    {report}", markup=False)


def _moved(prior: dict[str, Any]) -> str:
    """How far the prior moved, beside how far chance would have moved it."""
    from feedback.chance import Chance

    versions = f"{prior['versions']} version{'s' * (prior['versions'] != 1)}"
    if prior["beside_chance"] is None:
        return f"{versions}, moved {prior['total_variation_mean']:.1%} of its mass, none by losses"
    text = f"{versions}, losses moved {Chance(**prior['beside_chance']).words}"
    if lossy := prior["selected_bins"]:
        text += (
            f"; its bins had {lossy['before']:.2f} times the mean loss at first, "
            f"{lossy['after']:.2f} times at last"
        )
    return text


MOST_TOLD = 5
"""Missing samples told one by one."""


def _delivered(
    counts: dict[str, int],
    delivery: str,
    doubled: list[dict[str, Any]],
    missing: list[dict[str, Any]],
    **_: Any,
) -> str:
    """What came of the samples that were ordered, in a line."""
    if delivery == "latest":
        return f"latest: {counts['dropped']} samples dropped, {counts['lost']} lost on the way"
    told = f"complete: {len(missing)} samples missing, {len(doubled)} doubled"
    each = [f"{m['worker']}-{m['index']} ({m['why']})" for m in missing[:MOST_TOLD]]
    more = ["..."] if len(missing) > MOST_TOLD else []
    return f"{told}: {', '.join(each + more)}" if each else told


def _absence(
    given_up: dict[int, str] | None = None,
    times_all_left: int = 0,
    samples_consumed_without: int = 0,
    ended_early: dict[str, int] | None = None,
) -> str:
    """What simulators were missed, in a line; nothing where none was."""
    from simulator.fleet.ends import told

    parts = []
    if times_all_left:
        parts.append(
            f"no simulator was left {times_all_left} times; {samples_consumed_without} samples "
            "trained on meanwhile"
        )
    if given_up:
        parts.append(f"given up: {', '.join(f'worker {id}' for id in given_up)}")
    if ended_early:
        parts.append(told(ended_early))
    return "; ".join(parts)
