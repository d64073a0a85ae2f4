"""demo: closes the loop once, on two Blender workers, in minutes."""

from pathlib import Path

from blender_scenes.spec import Engine
from jointloop.cli.app import say
from jointloop.cli.train import train
from jointloop.cli.train_options import TrainOptions
from jointloop.common.folders import first_free


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
        say(f"moved the earlier {run} to {aside}")
    return train(
        TrainOptions("tiny", run=run, workers=workers, engine=engine), {"minutes": minutes}
    )
