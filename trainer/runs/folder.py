"""A run's folder: its config, metrics, checkpoints and held-out set.

config.json       the resolved config
heldout.npz       the held-out set, so that a resumed run is judged on the same samples
elsewhere.npz     uniform poses that are judged beside, where others are expected
expected.npz      the poses that are expected
metrics.jsonl     one line per epoch, only ever appended to
last.safetensors  the network's weights after the latest epoch, with what they are for
last.state.pt     what a resume needs: weights as trained and as averaged, the optimiser, where the
                  run stands (read with `weights_only=True`)
best.safetensors  the weights of the best epoch
summary.json      written once, when the run is finished
tensorboard/      event files; see `trainer.runs.tensorboard`
"""

import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from jointloop.common.difference import difference
from jointloop.common.errors import JointloopError
from jointloop.common.files import part_of, write_json, write_npz, write_text
from jointloop.common.folders import is_free
from jointloop.common.lines import append_line, keep_lines, read_lines
from jointloop.common.lock import Lock
from simulator.randomization.expected import Expected
from trainer.batch import Batch
from trainer.config.config import Config, ConfigError
from trainer.config.files import FIXED, kept
from trainer.models import BeliefNetwork
from trainer.runs.checkpoint import STATE, Checkpoint, RunError, read_checkpoint, write_checkpoint
from trainer.runs.tensorboard import FOLDER
from trainer.weights.file import WeightsInfo, check_weights, save_weights

METRICS = "metrics.jsonl"
HELD_OUT, ELSEWHERE, EXPECTED = "heldout.npz", "elsewhere.npz", "expected.npz"
FACTORS = "heldout.jsonl"
T = TypeVar("T")
LOCK = "lock"
"""File that whoever trains holds."""


class RunFolder:
    """A run's folder; see the module."""

    def __init__(self, folder: Path, config: Config, lock: Lock | None = None) -> None:
        self.folder = folder
        self.config = config
        self._lock = lock

    @staticmethod
    def check_vacant(folder: Path) -> None:
        """Refuse a folder that holds something worth keeping, or where another trainer is at work.

        A run that was stopped before its first checkpoint holds nothing.

        Raises:
            RunError: the folder holds a run or other files, is in use, or cannot be looked at.
        """
        RunFolder._check_contents(folder)
        if (folder / LOCK).is_file():
            _locked(folder).release()

    @staticmethod
    def _check_contents(folder: Path) -> None:
        try:
            if not is_free(folder, besides=(LOCK,)) and not _stillborn(folder):
                kind = _described(folder)
                more = ", or --resume it" if kind == "a run" else ""
                raise RunError(f"{folder} already holds {kind}; choose another name{more}")
        except OSError as error:
            raise RunError(f"{folder} cannot be used as a run folder: {error.strerror}") from None

    @staticmethod
    def create(folder: Path, config: Config) -> "RunFolder":
        """Begin a run in a vacant folder.

        Raises:
            RunError: the folder holds something already, is in use, or cannot be written.
        """
        RunFolder.check_vacant(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            run = RunFolder(folder, config, _locked(folder))
            RunFolder._check_contents(folder)  # nobody else can change it now
            _clear(folder)
            write_text(folder / "config.json", kept(config) + "\n")
        except OSError as error:
            raise RunError(f"{folder} cannot be written: {error.strerror}") from None
        return run

    @staticmethod
    def resume(folder: Path, config: Config | None = None) -> "RunFolder":
        """Go on with an unfinished run, by a changed config where one is given.

        Raises:
            RunError: there is no run, it has no checkpoint, is finished, is in use, or has gone on
                for longer than the config allows.
            ConfigError: its config cannot be read.
        """
        run = RunFolder.open(folder)
        if run.finished:
            raise RunError(
                f"{folder} holds a finished run; there is nothing to resume. A new run can begin "
                f"where it ended: --weights {folder / 'last.safetensors'}"
            )
        if not (folder / STATE).is_file():
            raise RunError(f"{folder} has no checkpoint yet; start it anew, without --resume")
        if config:
            run._check_longer(config)
        run = RunFolder(folder, config or run.config, _locked(folder))
        write_text(folder / "config.json", kept(run.config) + "\n")
        return run

    @staticmethod
    def open(folder: Path) -> "RunFolder":
        """Open a run, finished or not.

        Raises:
            RunError: there is no run in the folder.
            ConfigError: its config cannot be read.
        """
        path = folder / "config.json"
        if not path.is_file():
            raise RunError(f"{folder} holds no run: it has no config.json")
        try:
            return RunFolder(folder, Config.from_json(path.read_text()))
        except (OSError, UnicodeDecodeError) as error:
            raise RunError(f"cannot read {path}: {error}") from None
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None

    def close(self) -> None:
        """Let others use the folder."""
        if self._lock:
            self._lock.release()

    @property
    def finished(self) -> bool:
        """Whether the summary was written."""
        return (self.folder / "summary.json").is_file()

    def _check_longer(self, config: Config) -> None:
        """Refuse another config that would end the run before where it is.

        Raises:
            RunError: it would.
        """
        if config == self.config or not (rows := self.metrics()):
            return
        epoch, minutes = rows[-1]["epoch"], rows[-1]["seconds"] / 60
        if config.minutes is None and config.epochs < epoch:
            raise RunError(
                f"epochs is {config.epochs}, but {self.folder} has done {epoch}; expected more"
            )
        if config.minutes is not None and config.minutes < minutes:
            raise RunError(
                f"minutes is {config.minutes:g}, but {self.folder} has trained for {minutes:.1f}; "
                "expected more"
            )

    def append_metrics(self, row: Mapping[str, Any]) -> None:
        """Add one line to metrics.jsonl."""
        append_line(self.folder / METRICS, row)

    def metrics(self) -> list[dict[str, Any]]:
        """All lines of metrics.jsonl; a last line that a crash cut short is left out.

        Raises:
            LinesError: it is damaged.
        """
        return read_lines(self.folder / METRICS, "epoch")

    def keep_metrics(self, count: int) -> None:
        """Cut metrics.jsonl after so many lines."""
        keep_lines(self.folder / METRICS, count)

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write summary.json: the run is finished."""
        write_json(self.folder / "summary.json", summary)

    def save_held_out(self, held_out: Batch, name: str = HELD_OUT) -> None:
        """Keep the held-out set, or the one of uniform poses beside it."""
        write_npz(self.folder / name, held_out.arrays())

    def load_held_out(self, name: str = HELD_OUT) -> Batch:
        """The held-out set that `save_held_out` kept.

        Raises:
            RunError: there is none, or it is damaged.
        """
        return self._load(name, "the held-out set", Batch.of)

    def load_expected(self) -> Expected:
        """The poses that the run expects; raises likewise."""
        return self._load(EXPECTED, "the expected poses", Expected.of_arrays)

    def _load(self, name: str, what: str, of: Callable[[Mapping[str, Any]], T]) -> T:
        path = self.folder / name
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return of(arrays)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise RunError(f"cannot read {what} {path}: {error}") from None

    def save_checkpoint(
        self, network: BeliefNetwork, info: WeightsInfo, checkpoint: Checkpoint, best: bool
    ) -> None:
        """Keep where the run stands, and its weights as the best ones if they are.

        Args:
            network: `Learner.ema`, what was judged.
            info: what its weights are for.
            checkpoint: what a resume needs.
            best: whether none before were better.
        """
        for name in ("last", "best") if best else ("last",):
            save_weights(self.folder / f"{name}.safetensors", network, info)
        # The learner's weights stand here too: a crash between two files must not part them.
        write_checkpoint(self.folder / STATE, checkpoint, self.config)

    def load_checkpoint(self, info: WeightsInfo) -> Checkpoint:
        """Where the run stands.

        Raises:
            RunError: there is no checkpoint, it is damaged, or it is of another config.
            WeightsError: it is for something else, or its weights are damaged.
        """
        check_weights(self.folder / "last.safetensors", info)
        checkpoint, trained = read_checkpoint(self.folder / STATE)
        if trained:
            self._check_config(trained)
        return checkpoint

    def _check_config(self, trained: Config) -> None:
        """Refuse to go on by another config than before, but for how long.

        Raises:
            RunError: config.json was edited.
        """
        if other := difference(self.config, trained, FIXED):
            name, wanted, own = other
            raise RunError(
                f"{self.folder / 'config.json'} has {name} {wanted}, but the run began with {own}; "
                "put that back"
            )


CHECKPOINTS = ("last.safetensors", "best.safetensors", STATE)
"""What is kept of every checkpoint, in this order: without the last it is none."""
BIRTH = (
    *("robot.json", EXPECTED, "prior_history.jsonl", ELSEWHERE, FACTORS, HELD_OUT),
    *(METRICS, "config.json"),
)
"""What a run writes before its first checkpoint, beside TensorBoard's events."""
DERIVED = ("report.html", "prior.png", "gallery.png", "explain.json", "explain.svg")
"""What `inspect` and `explain` make of a run, and can make again."""
FILES = (*DERIVED, *BIRTH)


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {LOCK}


def _stillborn(folder: Path) -> bool:
    """Whether a run began here but never got to a checkpoint, and nothing else lies beside it."""
    if not folder.is_dir() or (folder / CHECKPOINTS[-1]).exists():
        return False
    names = _names(folder)
    if names == {part_of(folder / "config.json").name}:  # killed at its first write
        return True
    parts = {part_of(folder / name).name for name in (*FILES, *CHECKPOINTS)}
    if not names <= {*FILES, *CHECKPOINTS, FOLDER} | parts:
        return False
    try:
        run = RunFolder.open(folder)
        return not {*CHECKPOINTS} & names or len(run.metrics()) <= 1  # as of the untrained network
    except JointloopError:
        return False


def _clear(folder: Path) -> None:
    """Remove what a stillborn run left; what tells that it is one goes last.

    Raises:
        OSError: something cannot be removed.
    """
    if (folder / FOLDER).exists():
        shutil.rmtree(folder / FOLDER)
    for name in (*CHECKPOINTS, *FILES):
        for path in (part_of(folder / name), folder / name):
            path.unlink(missing_ok=True)


def _locked(folder: Path) -> Lock:
    """Take the folder.

    Raises:
        RunError: another process has it, or it cannot be written.
    """
    try:
        return Lock(folder / LOCK)
    except BlockingIOError:
        raise RunError(
            f"{folder} is in use by another trainer; wait for it, or choose another name"
        ) from None
    except OSError as error:
        raise RunError(f"{folder} cannot be written: {error.strerror}") from None


def _described(folder: Path) -> str:
    if not folder.is_dir():
        return "a file"
    if (folder / "summary.json").is_file():
        return "a finished run"
    return "a run" if (folder / "config.json").is_file() else "other files"
