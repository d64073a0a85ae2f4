"""The hidden variables of a run's held-out samples: heldout.jsonl in its folder."""

import json
from collections.abc import Sequence
from pathlib import Path

from jointloop.common.files import write_text
from jointloop.common.lines import read_lines
from simulator.randomization.factors import Factor, factors
from simulator.randomization.hidden import Hidden
from trainer.runs.folder import FACTORS


def keep_factors(folder: Path, hidden: Sequence[Hidden], angles: Sequence[str]) -> None:
    """Write down what was drawn for the held-out samples, a line each.

    Args:
        folder: of the run.
        hidden: (N,) of the samples.
        angles: (D,) names of the joint angles.
    """
    lines = [json.dumps(factors(one, angles)) for one in hidden]
    write_text(folder / FACTORS, "".join(f"{line}\n" for line in lines))


def kept_factors(folder: Path) -> list[dict[str, Factor]]:
    """What was written down, in the order of the samples; nothing in runs of earlier versions.

    Raises:
        LinesError: the file is damaged.
    """
    return read_lines(folder / FACTORS, "held-out sample")
