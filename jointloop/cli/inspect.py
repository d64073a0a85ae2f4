"""inspect: writes and names the report of a run."""

from pathlib import Path

import tyro

from jointloop.cli.app import say


def inspect(run: tyro.conf.Positional[Path]) -> int:
    """Write and name the report of a run, finished or not, and its pictures.

    Args:
        run: Folder of the run.
    """
    from feedback.report.report import write_pictures, write_report

    say(f"report    {write_report(run)}")
    for picture in write_pictures(run):
        say(f"picture   {picture}")
    return 0
