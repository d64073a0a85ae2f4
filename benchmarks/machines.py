"""What ten and a hundred machines would do, reckoned from what was measured on one.

`python benchmarks/machines.py` prints the tables of docs/guide/machines.md; no fleet is run.
Samples/s are those of one simulator (results/render.json) times their number; a trainer's hub takes
what it takes in results/transport.json, which benchmarks/transport.py writes.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import figures

from jointloop.common.errors import JointloopError
from simulator.randomization.settings import SampleSettings, parse_size
from simulator.robot import Robot

RESULTS = Path(__file__).parent / "results"
NETWORK_MB = 1250.0
"""What ten gigabits carry in a second."""


@dataclass(frozen=True)
class Options:
    """What is reckoned."""

    simulators: int = 8
    """On each machine, one a core."""
    machines: tuple[int, ...] = (1, 10, 100)
    """In all."""
    sizes: tuple[str, ...] = ("160x120", "320x240", "640x480")
    """Of images, WIDTHxHEIGHT, as far as they were measured."""
    json: Path | None = None
    """File to write the tables to."""


def megabytes(size: str) -> float:
    """Of a sample of the default robot on the wire, without its header of a few kilobytes."""
    width, height = parse_size(size)
    settings = SampleSettings(width=width, height=height)
    cells = (width // settings.stride) * (height // settings.stride)
    keypoints = len(Robot.named(settings.robot).keypoints)
    return (width * height * (3 + 1) + keypoints * cells) / 1e6


def rendering(options: Options) -> list[tuple[str, ...]]:
    """What so many machines render."""
    rows = [("image", "machines", "simulators", "samples/s", "MB/s", "samples a day")]
    for size, rate in _rates(options).items():
        for machines in options.machines:
            number = machines * options.simulators
            whole, data = rate * number, rate * number * megabytes(size)
            day = f"{whole * 86_400 / 1e6:,.1f} million"
            rows.append((size, f"{machines}", f"{number}", f"{whole:,.0f}", f"{data:,.0f}", day))
    return rows


def hubs(options: Options) -> list[tuple[str, ...]]:
    """What one trainer's hub takes on a core of its own, and how many simulators that is."""
    rates = _rates(options)
    rows = [("image", "keys", "CPU of a sample, us", "samples/s", "of how many simulators")]
    spent: dict[tuple[str, str], float] = {}  # of the most producers, which come last
    for each in _read("transport.json", "transport.py")["results"]:
        spent[each["size"], each["keys"]] = each["cpu_us"]["jointloop"]
    for (size, keys), us in spent.items():
        if size in rates:
            most = 1e6 / us
            found = (f"{us:,.0f}", f"{most:,.0f}", f"{most / rates[size]:,.0f}")
            rows.append((size, keys, *found))
    return rows


def network(options: Options) -> list[tuple[str, ...]]:
    """How many simulators fill a trainer's network."""
    rows = [("image", "MB of a sample", "simulators that fill ten gigabits")]
    for size, rate in _rates(options).items():
        data = megabytes(size)
        rows.append((size, f"{data:.2f}", f"{NETWORK_MB / data / rate:,.0f}"))
    return rows


def _rates(options: Options) -> dict[str, float]:
    """Samples/s of one simulator, with another beside it, by image size."""
    results = _read("render.json", "render.py")["results"]
    return {one["size"]: one["rate_2"] / 2 for one in results if one["size"] in options.sizes}


def table(rows: list[tuple[str, ...]]) -> str:
    """Rows as Markdown, the first of them as its head."""
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, f"|{'---|' * len(rows[0])}", *body])


def _read(name: str, script: str) -> dict[str, Any]:
    try:
        return json.loads((RESULTS / name).read_text())
    except FileNotFoundError:
        raise JointloopError(
            f"{RESULTS / name} is not there; python benchmarks/{script} --json writes it"
        ) from None


def main(options: Options) -> None:
    """Reckon and print."""
    made: dict[str, list[tuple[str, ...]]] = {}
    for reckon in (rendering, network, hubs):
        made[reckon.__name__] = reckon(options)
        print(f"{table(made[reckon.__name__])}\n", flush=True)
    figures.write(options.json, {"tables": made})


if __name__ == "__main__":
    figures.run(main, Options)
