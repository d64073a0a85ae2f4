"""Faults at random on a real run of the stick engine, and a table of what became of its samples.

`python tests/faults --faults 100 --seed 0 --json FILE`; exit code 1 where a sample was lost or
doubled, came out different, or a fault was not recovered from.
"""

import json
import os
import platform
import shlex
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent.parent))

from harm import inject, reckon, recovery
from rig import rig

BAD = ("lost", "doubled", "different", "missing_by_the_run", "doubled_by_the_run")
"""Counts that are to be 0."""


@dataclass(frozen=True)
class Options:
    """How many faults, on what."""

    faults: int = 100
    """To inject, one after the other."""
    seed: int = 0
    """Of their kinds and times."""
    workers: int = 2
    """Simulators."""
    silence: float = 15.0
    """After which a simulator counts as hung [s]."""
    longest: float = 300.0
    """Wait for a recovery [s]."""
    folder: Path | None = None
    """That keeps the run, its trace and what its processes said; a temporary one if not given."""
    json: Path | None = None
    """File to write the figures to."""


def measure(options: Options, folder: Path, out: Console) -> dict[str, Any]:
    """Inject the faults; what came of it."""
    started = time.monotonic()
    with rig(folder, options.workers, options.silence, options.seed) as under:
        outcomes = inject(under, options.faults, options.seed, options.longest, out.print)
        summary = under.finish()
        return {
            "options": {k: v for k, v in asdict(options).items() if k not in ("folder", "json")},
            "machine": {
                "cores": os.cpu_count(),
                "processor": platform.processor() or platform.machine(),
                "load_average": os.getloadavg()[2],
            },
            "seconds": round(time.monotonic() - started, 1),
            "recovery": recovery(outcomes),
            "samples": reckon(under.events, summary),
            "delivery": summary["delivery"],
            "staleness": summary["staleness"],
        }


def show(found: dict[str, Any], out: Console) -> None:
    """The figures as tables."""
    table = Table("fault", "times", "median [s]", "max [s]", "not recovered")
    for name, row in found["recovery"].items():
        table.add_row(name, *map(str, row.values()))
    out.print(table)
    counts = Table("samples", "")
    for name, number in found["samples"].items():
        counts.add_row(name.replace("_", " "), str(number))
    out.print(counts)


def main(options: Options) -> int:
    """Measure, show, write."""
    out = Console(highlight=False, soft_wrap=True)
    with tempfile.TemporaryDirectory() as temporary:
        found = measure(options, options.folder or Path(temporary), out)
    show(found, out)
    if options.json is not None:
        command = shlex.join(["python", "tests/faults", *sys.argv[1:]])
        options.json.write_text(json.dumps({"command": command, **found}, indent=2) + "\n")
    failed = found["recovery"]["all"]["not_recovered"]
    return int(bool(failed or any(found["samples"][name] for name in BAD)))


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options, description=(__doc__ or "").split("\n\n")[0])))
