"""A run's folder: its config, metrics, checkpoints and held-out set.

    config.json       the resolved config
    heldout.npz       the held-out set, so that a resumed run is judged on the same samples
    metrics.jsonl     one line per epoch, only ever appended to
    last.safetensors  the network's weights after the latest epoch, with what they are for
    last.state.pt     what a resume needs: the same weights, the optimiser, where the run stands
                      (read with `weights_only=True`)
    best.safetensors  the weights of the best epoch
    summary.json      written once, when the run is finished

Files are written beside their place and then renamed, so a crash leaves the last good one.
"""

import fcntl
import json
import os
import weakref
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from blender_scenes.spec import JointloopError
from trainer.batch import Batch
from trainer.config import Config
from trainer.models import BeliefNetwork

SCHEMA = 1
"""Version of the checkpoint's metadata."""


class RunError(JointloopError):
    """A run folder cannot be made, read or gone on with."""


@dataclass(frozen=True)
class WeightsInfo:
    """What a checkpoint's weights are for; stands in its metadata."""

    robot: str
    """Name of the robot."""
    keypoints: tuple[str, ...]
    """Names of the keypoints, in the order of the belief maps."""
    stride: int
    """Image pixels per belief map cell."""
    sigma: float
    """Standard deviation of the peaks it was trained on [cells]."""
    preset: str
    """Name of the preset its config began as."""
    width: int
    """Image width it was trained at [px]."""
    height: int
    """Image height it was trained at [px]."""

    @staticmethod
    def of(config: Config, keypoints: tuple[str, ...]) -> "WeightsInfo":
        """What a run with this config trains."""
        s = config.settings
        return WeightsInfo(s.robot, keypoints, s.stride, s.sigma, config.preset, s.width, s.height)


@dataclass(frozen=True)
class Checkpoint:
    """Where a run stands, beside its weights."""

    learner: dict[str, Any]
    """`Learner.state_dict`."""
    loop: dict[str, Any]
    """Plain numbers, strings, lists and dicts of the loop's own: epoch, samples, prior, best."""


class Run:
    """A run's folder; see the module."""

    def __init__(self, folder: Path, config: Config, lock: int | None = None) -> None:
        self.folder = folder
        self.config = config
        self._unlock = None if lock is None else weakref.finalize(self, os.close, lock)

    @staticmethod
    def check_vacant(folder: Path) -> None:
        """Refuse a folder that holds something worth keeping.

        A run that was stopped before its first checkpoint holds nothing.

        Raises:
            RunError: the folder holds a run or other files, or cannot be looked at.
        """
        try:
            empty = not folder.exists() or (folder.is_dir() and not _names(folder))
            if not empty and not _stillborn(folder):
                kind = _described(folder)
                more = ", or --resume it" if kind == "a run" else ""
                raise RunError(f"{folder} already holds {kind}; choose another name{more}")
        except OSError as error:
            raise RunError(f"{folder} cannot be used as a run folder: {error.strerror}") from None

    @staticmethod
    def create(folder: Path, config: Config) -> "Run":
        """Begin a run in a vacant folder.

        Raises:
            RunError: the folder holds something already, is in use, or cannot be written.
        """
        Run.check_vacant(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            run = Run(folder, config, _locked(folder))
            Run.check_vacant(folder)  # nobody else can change it now
            for name in BIRTH:
                (folder / name).unlink(missing_ok=True)
            write_text(folder / "config.json", config.to_json() + "\n")
        except OSError as error:
            raise RunError(f"{folder} cannot be written: {error.strerror}") from None
        return run

    @staticmethod
    def resume(folder: Path, config: Config | None = None) -> "Run":
        """Go on with an unfinished run, by a changed config where one is given.

        Raises:
            RunError: there is no run, it has no checkpoint, is finished, or is in use.
            ConfigError: its config cannot be read.
        """
        run = Run.open(folder)
        if run.finished:
            raise RunError(f"{folder} holds a finished run; there is nothing to resume")
        if not (folder / "last.state.pt").is_file():
            raise RunError(f"{folder} has no checkpoint yet; start it anew, without --resume")
        run = Run(folder, config or run.config, _locked(folder))
        write_text(folder / "config.json", run.config.to_json() + "\n")
        return run

    @staticmethod
    def open(folder: Path) -> "Run":
        """Open a run, finished or not.

        Raises:
            RunError: there is no run in the folder.
            ConfigError: its config cannot be read.
        """
        path = folder / "config.json"
        if not path.is_file():
            raise RunError(f"{folder} holds no run: it has no config.json")
        try:
            return Run(folder, Config.from_json(path.read_text()))
        except (OSError, UnicodeDecodeError) as error:
            raise RunError(f"cannot read {path}: {error}") from None

    def close(self) -> None:
        """Let others use the folder."""
        if self._unlock:
            self._unlock()

    @property
    def finished(self) -> bool:
        """Whether the summary was written."""
        return (self.folder / "summary.json").is_file()

    def append_metrics(self, row: Mapping[str, Any]) -> None:
        """Add one line to metrics.jsonl."""
        line = json.dumps(row, allow_nan=False)
        with (self.folder / "metrics.jsonl").open("a") as file:
            file.write(line + "\n")

    def metrics(self) -> list[dict[str, Any]]:
        """All lines of metrics.jsonl; a last line that a crash cut short is left out."""
        path = self.folder / "metrics.jsonl"
        if not path.is_file():
            return []
        try:
            lines = path.read_text().split("\n")[:-1]  # what follows the last newline is unfinished
            return [json.loads(line) for line in lines]
        except (OSError, ValueError) as error:
            raise RunError(f"cannot read {path}: {error}") from None

    def keep_metrics(self, count: int) -> None:
        """Cut metrics.jsonl after so many lines."""
        lines = [json.dumps(row, allow_nan=False) + "\n" for row in self.metrics()[:count]]
        write_text(self.folder / "metrics.jsonl", "".join(lines))

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write summary.json: the run is finished."""
        write_json(self.folder / "summary.json", summary)

    def save_held_out(self, held_out: Batch) -> None:
        """Keep the held-out set."""
        arrays = {f.name: np.asarray(getattr(held_out, f.name)) for f in fields(Batch)}
        write_npz(self.folder / "heldout.npz", arrays)

    def load_held_out(self) -> Batch:
        """The held-out set that `save_held_out` kept.

        Raises:
            RunError: there is none, or it is damaged.
        """
        path = self.folder / "heldout.npz"
        try:
            with np.load(path, allow_pickle=False) as arrays:
                values = {f.name: arrays[f.name] for f in fields(Batch)}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise RunError(f"cannot read the held-out set {path}: {error}") from None
        images, beliefs = (torch.from_numpy(values.pop(name)) for name in ("images", "beliefs"))
        return Batch(images, beliefs, **values)

    def save_checkpoint(
        self, network: BeliefNetwork, info: WeightsInfo, checkpoint: Checkpoint, best: bool
    ) -> None:
        """Keep where the run stands, and its weights as the best ones if they are."""
        for name in ("last", "best") if best else ("last",):
            save_weights(self.folder / f"{name}.safetensors", network, info)
        # The weights stand here once more: a crash between two files must not part them.
        state = {
            "schema": SCHEMA,
            "network": network.state_dict(),
            "learner": checkpoint.learner,
            "loop": checkpoint.loop,
        }
        _write(self.folder / "last.state.pt", lambda path: torch.save(state, path))

    def load_checkpoint(self, network: BeliefNetwork, info: WeightsInfo) -> Checkpoint:
        """Set the network's weights to the latest and tell where the run stands.

        Raises:
            RunError: there is no checkpoint, it is damaged, or it is for something else.
        """
        load_weights(self.folder / "last.safetensors", network, info)
        state = read_state(self.folder)
        network.load_state_dict(state["network"])
        return Checkpoint(state["learner"], state["loop"])


def read_state(folder: Path) -> dict[str, Any]:
    """What last.state.pt holds: `network`, `learner` and `loop`.

    Raises:
        RunError: it is missing or damaged.
    """
    path = folder / "last.state.pt"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return {key: state[key] for key in ("network", "learner", "loop")}
    except Exception as error:  # torch.load documents no list of what damage raises
        raise RunError(f"cannot read the checkpoint {path}: {_line(error)}") from None


def save_weights(path: Path, network: BeliefNetwork, info: WeightsInfo) -> None:
    """Write a network's weights and what they are for as safetensors."""
    tensors = {name: value.contiguous() for name, value in network.state_dict().items()}
    metadata = {"jointloop": json.dumps(asdict(info) | {"schema": SCHEMA})}
    _write(path, lambda beside: save_file(tensors, beside, metadata))


def read_info(path: Path) -> WeightsInfo:
    """What the weights in a file are for.

    Raises:
        RunError: the file cannot be read, or no `save_weights` of this schema wrote it.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {})["jointloop"])
        if metadata.pop("schema") != SCHEMA:
            raise RunError(f"weights {path} have another schema, expected {SCHEMA}")
        return WeightsInfo(**metadata | {"keypoints": tuple(metadata["keypoints"])})
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"cannot read the weights {path}: {_line(error)}") from None


def load_weights(path: Path, network: BeliefNetwork, info: WeightsInfo) -> None:
    """Set a network's weights from a file.

    Raises:
        RunError: the file cannot be read, or its weights are for another robot, other keypoints,
            another stride or another network; the network is left as it was.
    """
    saved = read_info(path)
    for name in ("robot", "keypoints", "stride"):
        theirs, ours = getattr(saved, name), getattr(info, name)
        if theirs != ours:
            raise RunError(f"weights {path} are for {name} {theirs!r}, but the run has {ours!r}")
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    ours = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    theirs = {name: tuple(value.shape) for name, value in tensors.items()}
    for name in sorted(ours.keys() | theirs.keys()):
        if ours.get(name) != theirs.get(name):
            raise RunError(
                f"weights {path} ({saved.preset}) have {name} of shape {theirs.get(name)}, "
                f"but the network ({info.preset}) has {ours.get(name)}"
            )
    network.load_state_dict(tensors)


BIRTH = ("robot.json", "prior_history.jsonl", "heldout.npz", "metrics.jsonl", "config.json")
"""What a run writes before its first checkpoint."""


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"lock"}


def _stillborn(folder: Path) -> bool:
    """Whether a run began here but never got to a checkpoint, and nothing else lies beside it."""
    if not folder.is_dir() or not _names(folder) <= set(BIRTH):
        return False
    try:
        Run.open(folder)
    except JointloopError:
        return False
    return True


def _locked(folder: Path) -> int:
    """Take the folder, until the descriptor is closed or the process ends.

    Raises:
        RunError: another process has it.
    """
    lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise RunError(f"{folder} is in use by another trainer; choose another name") from None
    return lock


def _described(folder: Path) -> str:
    if not folder.is_dir():
        return "a file"
    if (folder / "summary.json").is_file():
        return "a finished run"
    return "a run" if (folder / "config.json").is_file() else "other files"


def _line(error: Exception) -> str:
    """The first line of an error's message: libraries append pages of advice."""
    return str(error).strip().split("\n")[0] or type(error).__name__


def _write(path: Path, save: Callable[[Path], None]) -> None:
    """Let `save` write beside the path, then put the result in its place."""
    beside = path.with_name(path.name + ".part")
    try:
        save(beside)
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write text beside its place, then put it there."""

    def save(beside: Path) -> None:
        beside.write_text(text)

    _write(path, save)


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write JSON beside its place, then put it there."""
    write_text(path, json.dumps(data, indent=2, allow_nan=False) + "\n")


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays beside their place, then put them there."""
    _write(path, lambda beside: _save_npz(beside, arrays))


def _save_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    with path.open("wb") as file:  # given a name, numpy would add its own suffix
        np.savez(file, allow_pickle=False, **arrays)
