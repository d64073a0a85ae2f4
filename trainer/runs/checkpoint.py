"""Where a run stands, as one file: last.state.pt in its folder.

PyTorch's own format, a zip file, read with `weights_only=True`: nothing in it is ever run. Its
checksums are compared before anything of it is used.
"""

import io
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch

from jointloop.common.errors import JointloopError, first_line
from jointloop.common.files import write_bytes
from trainer.config.config import Config

STATE = "last.state.pt"
"""Name of the file."""
SCHEMA = 2
"""Version of the checkpoint."""


class RunError(JointloopError):
    """A run folder cannot be made, read or gone on with."""


@dataclass(frozen=True)
class Checkpoint:
    """Where a run stands: all that it needs to go on as if it had not stopped."""

    learner: dict[str, Any]
    """`Learner.state_dict`."""
    loop: dict[str, Any]
    """Plain numbers, strings, lists and dicts of the loop's own: epoch, samples, prior, best."""
    draws: dict[str, Any]
    """`draws.state_dict`."""


CHECKPOINT = fields(Checkpoint)


def write_checkpoint(path: Path, checkpoint: Checkpoint, config: Config) -> None:
    """Keep where a run stands, and by which config it came there.

    Raises:
        FileError: it cannot be written; the one before stays.
    """
    state = {f.name: getattr(checkpoint, f.name) for f in CHECKPOINT}
    state |= {"schema": SCHEMA, "config": config.to_json()}
    held = io.BytesIO()
    torch.save(state, held)
    write_bytes(path, held.getbuffer())


def read_checkpoint(path: Path) -> tuple[Checkpoint, Config | None]:
    """What `write_checkpoint` kept; older checkpoints have no config.

    Raises:
        RunError: there is none, it is damaged, or of another schema.
    """
    try:
        _check_whole(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
        schema = state["schema"]
        if schema == SCHEMA:
            config = Config.from_json(state["config"]) if "config" in state else None
            return Checkpoint(**{f.name: state[f.name] for f in CHECKPOINT}), config
    except Exception as error:  # torch.load documents no list of what damage raises
        raise RunError(f"cannot read the checkpoint {path}: {first_line(error)}") from None
    raise RunError(
        f"the checkpoint {path} has schema {schema}, expected {SCHEMA}: another version of "
        "Jointloop wrote it; go on with that version, or begin a new run"
    )


def _check_whole(path: Path) -> None:
    """Compare what a checkpoint holds with its checksums, which PyTorch writes but does not read.

    Raises:
        ValueError: something differs.
        zipfile.BadZipFile: its index is damaged.
        OSError: it cannot be read.
    """
    with zipfile.ZipFile(path) as archive:
        if damaged := archive.testzip():
            raise ValueError(f"{damaged} in it is damaged")
