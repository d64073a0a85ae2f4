"""One sitting of a real run, which also writes down what it does: a line for every event.

python tests/faults/sitting.py FOLDER ADDRESS TRACE SILENCE [KEYS]

It goes on with the run in FOLDER if there is one, and ends with the epoch in which FOLDER.enough
appears.
"""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import xxhash
from rich.console import Console

from simulator.fleet.watch import Watch
from simulator.randomization.settings import SampleSettings
from simulator.sample import Sample
from simulator.transport import Hub, Received, Security
from trainer import session
from trainer.config.config import Config
from trainer.config.presets import preset
from trainer.data.live import LiveSource
from trainer.run_options import RunOptions
from trainer.runs.budget import Budget
from trainer.runs.checkpoint import STATE, read_checkpoint
from trainer.runs.folder import RunFolder

STEP_S = 0.1
"""Of sleep between batches: there is time for faults, and little for the processor to do."""


def config() -> Config:
    """A run that is little work."""
    tiny = preset("tiny").changed(epochs=10**6)
    return replace(
        tiny,
        settings=SampleSettings(width=64, height=48, stride=4, sigma=1.0),
        network=replace(tiny.network, widths=(4, 8, 8), depth=1, width=8, head=8),
        stream=replace(tiny.stream, held_out=8, buffer=8, max_uses=1, adaptive_share=0.5),
        batch_size=8,
        epoch_samples=64,
    )


class Trace:
    """Writes events, each at once."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1)

    def note(self, event: str, **about: Any) -> None:
        self._file.write(json.dumps({"event": event, "time": time.time(), **about}) + "\n")


class Told(Watch):
    """Says nothing, and takes its time."""

    def __init__(self) -> None:
        super().__init__(Console(quiet=True))

    def update(self, text: str) -> None:
        time.sleep(STEP_S)


def digest(sample: Sample) -> str:
    """Of all that training sees of a sample, and of where it came from."""
    whole = xxhash.xxh3_64(repr(sample.hidden).encode())
    for array in (sample.image, sample.belief, sample.mask, sample.labels.pixels):
        whole.update(memoryview(array).cast("B"))
    return whole.hexdigest()


def watch(trace: Trace, began: int) -> None:
    """Have the run's parts tell what they do.

    Args:
        trace: takes it.
        began: epochs that are behind the run.
    """
    poll, take, send, epoch = Hub.poll, LiveSource._take_new, LiveSource.send, began

    def polled(hub: Hub, timeout_s: float) -> list[Received]:
        got = poll(hub, timeout_s)
        for each in got:
            source = each.sample.hidden.provenance
            trace.note(
                "arrived",
                maker=each.worker,
                instance=each.instance.hex(),
                key=[source.worker, source.index],
            )
        return got

    def taken(source: LiveSource) -> Sample | None:
        sample = take(source)
        if sample is not None:
            came = sample.hidden.provenance
            trace.note(
                "used",
                key=[came.worker, came.index],
                split=came.split,
                epoch=epoch,
                digest=digest(sample),
            )
        return sample

    def sent(source: LiveSource, prior: Any) -> None:
        nonlocal epoch
        epoch += 1
        send(source, prior)

    Hub.poll, LiveSource._take_new, LiveSource.send = polled, taken, sent  # type: ignore[method-assign]


def main(folder: Path, address: str, path: Path, silence: float, keys: Path | None = None) -> None:
    """Train until it is enough."""
    torch.set_num_threads(1)
    trace, goes_on = Trace(path), (folder / STATE).exists()
    began = read_checkpoint(folder / STATE)[0].loop["epoch"] if goes_on else 0
    trace.note("sitting", began=began)
    watch(trace, began)
    enough, remains = folder.with_suffix(".enough"), Budget.remains
    Budget.remains = lambda budget, epochs: (  # type: ignore[method-assign]
        remains(budget, epochs) and not (epochs == int(epochs) and enough.exists())
    )
    options = RunOptions(
        folder,
        bind=address,
        resume=goes_on,
        timeout=3600,
        silence=silence,
        device="cpu",
        tensorboard=False,
        security=Security(keys=keys),
    )
    wanted = RunFolder.open(folder).config if goes_on else config()
    session.train(wanted, options, Told())


if __name__ == "__main__":
    folder, address, path, silence, *keys = sys.argv[1:]
    main(Path(folder), address, Path(path), float(silence), *map(Path, keys))
