"""A run from Python: what `jointloop train` does."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from blender_scenes.engines import need
from blender_scenes.spec import SPP, Engine
from feedback.report.report import write_report
from feedback.selection import SelectionRule
from jointloop.common.difference import difference
from simulator.fleet.watch import Watch
from simulator.fleet.worker import WorkerOptions
from simulator.recordings.recording import Recording
from simulator.transport import Security
from trainer import session
from trainer.config.config import Config, ConfigError
from trainer.config.presets import preset
from trainer.run_options import RunOptions
from trainer.runs.folder import RunFolder
from trainer.weights.initial import InitialWeights, named


@dataclass(frozen=True)
class Run:
    """A run that has come to its end."""

    folder: Path
    """Holds all of it."""
    summary: dict[str, Any]
    """What stands in its summary.json."""

    @property
    def weights(self) -> Path:
        """Of its best epoch, which `Detector.open` takes."""
        return self.folder / "best.safetensors"

    def report(self) -> Path:
        """Write report.html, one page that needs nothing else, and name it."""
        return write_report(self.folder)


def train(
    config: Config | str,
    run: Path | str,
    *,
    workers: int | None = None,
    recording: Path | str | None = None,
    mixed: Sequence[Path | str] = (),
    bind: str | None = None,
    keys: Path | str | None = None,
    engine: Engine = "cycles",
    spp: int = SPP,
    backgrounds: Path | str | None = None,
    rule: SelectionRule | None = None,
    weights: Path | str | None = None,
    backbone: Path | str | None = None,
    resume: bool = False,
    device: str = "auto",
    tensorboard: bool = True,
    quiet: bool = False,
) -> Run:
    """Train a joint detector in the closed loop; returns when the run is finished.

    Args:
        config: of the run, or the name of a preset.
        run: its folder; a new one, unless the run is resumed.
        workers: simulators to start here; or `recording` or `bind`, exactly one of the three.
        recording: folder of a recording to train from.
        mixed: folders of further recordings, whose training samples are mixed in.
        bind: where simulators that are started elsewhere connect, such as tcp://127.0.0.1:5555.
        keys: folder that `jointloop keys` made, for a `bind` that other machines reach.
        engine: of simulators started here: cycles, eevee, workbench or stick.
        spp: Cycles' samples per pixel, likewise.
        backgrounds: folder of your own pictures to stand behind the robot, likewise.
        rule: selects the held-out samples that feed the prior; None takes the config's share of
            those with the highest loss.
        weights: file of a detector that the whole network begins with.
        backbone: file or name of published weights that the backbone begins with, or none.
        resume: go on with the run in the folder; only epochs and minutes may be others.
        device: to train on: cpu, cuda, cuda:N, or auto, a GPU where there is one.
        tensorboard: write event files, where TensorBoard is installed.
        quiet: print nothing.

    Raises:
        JointloopError: an input or the environment does not allow it; the folder keeps everything
            up to the last epoch.
    """
    _check_one_of(workers, recording, bind)
    note = None if workers is None else need(engine)
    config = _named(preset(config) if isinstance(config, str) else config, weights, backbone)
    options = RunOptions(
        folder=Path(run),
        workers=workers,
        bind=bind or "tcp://127.0.0.1:*",
        recording=_path(recording),
        mixed=tuple(map(Path, mixed)),
        start=InitialWeights.given(_path(backbone), _path(weights)),
        worker=WorkerOptions("", engine=engine, spp=spp, backgrounds=_path(backgrounds)),
        resume=resume,
        device=device,
        tensorboard=tensorboard,
        rule=rule,
        security=Security(keys=_path(keys)),
    )
    if resume:
        config = _resumed(config, options)
    with Watch(Console(quiet=quiet, highlight=False, soft_wrap=True, emoji=False)) as progress:
        if note:
            progress.say(f"note: {note}")
        return Run(options.folder, session.train(config, options, progress))


def _check_one_of(workers: int | None, recording: Path | str | None, bind: str | None) -> None:
    if (workers, recording, bind).count(None) != 2:
        raise ConfigError(
            f"workers is {workers}, recording {recording}, bind {bind}; expected one of the three: "
            "simulators to start here, a recording, or an address for simulators started elsewhere"
        )


def _path(given: Path | str | None) -> Path | None:
    return None if given is None else Path(given)


def _named(config: Config, weights: Path | str | None, backbone: Path | str | None) -> Config:
    """The config, which names the files that its run begins with."""
    if weights is not None:
        config = replace(config, weights=Path(weights).name)
    if backbone is not None:
        network = replace(config.network, backbone=named(Path(backbone)))
        config = replace(config, network=network)
    return config


def _resumed(config: Config, options: RunOptions) -> Config:
    """The config of a run that goes on.

    Raises:
        ConfigError: it began with another one, apart from epochs and minutes.
    """
    began = RunFolder.open(options.folder).config
    recording = None if options.recording is None else Recording.open(options.recording)
    asked, _ = session.resolve_config(config, options, recording)
    if other := difference(began, replace(asked, epochs=began.epochs, minutes=began.minutes)):
        name, theirs, ours = other
        raise ConfigError(
            f"{options.folder} began with {name} {theirs!r}, not {ours!r}; only epochs and minutes "
            "of a run that goes on may be others"
        )
    return asked
