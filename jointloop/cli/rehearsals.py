"""What `train` does in place of a run: --check-data and --overfit-one-batch."""

from typing import TYPE_CHECKING

from jointloop.cli.app import say, tell

if TYPE_CHECKING:
    from simulator.fleet.watch import Watch
    from trainer.config.config import Config
    from trainer.run_options import RunOptions


def check_data(config: "Config", run_options: "RunOptions", progress: "Watch") -> int:
    """Whether training batches look right, as an exit code."""
    from simulator.drawing.drawing import write_png
    from trainer.preflight.check_data import SHEET, findings, sheet
    from trainer.preflight.preflight import look

    seen = look(config, run_options, progress)
    good = tell(findings(seen))
    write_png(sheet(seen), SHEET)
    say(f"{SHEET}: {len(seen.batch)} samples with labels and masks, beside their belief maps")
    return 0 if good else 1


def overfit(config: "Config", run_options: "RunOptions", progress: "Watch") -> int:
    """Whether a batch can be learnt by heart, as an exit code."""
    from trainer.preflight.preflight import rehearse

    learnt = rehearse(config, run_options, progress)
    say(str(learnt))
    return 0 if learnt.passed else 1
