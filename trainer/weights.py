"""Files of weights: safetensors that say in their metadata what they are for."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from blender_scenes.spec import JointloopError
from trainer.config import Config
from trainer.files import write_beside
from trainer.models import BeliefNetwork

SCHEMA = 1
"""Version of the metadata."""


class WeightsError(JointloopError):
    """A file of weights cannot be read, or is for something else."""


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


def save_weights(path: Path, network: BeliefNetwork, info: WeightsInfo) -> None:
    """Write a network's weights and what they are for as safetensors."""
    tensors = {name: value.contiguous() for name, value in network.state_dict().items()}
    metadata = {"jointloop": json.dumps(asdict(info) | {"schema": SCHEMA})}
    write_beside(path, lambda beside: save_file(tensors, beside, metadata))


def read_info(path: Path) -> WeightsInfo:
    """What the weights in a file are for.

    Raises:
        WeightsError: the file cannot be read, or no `save_weights` of this schema wrote it.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {})["jointloop"])
        if metadata.pop("schema") != SCHEMA:
            raise WeightsError(f"weights {path} have another schema, expected {SCHEMA}")
        return WeightsInfo(**metadata | {"keypoints": tuple(metadata["keypoints"])})
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"cannot read the weights {path}: {first_line(error)}") from None


def load_weights(path: Path, network: BeliefNetwork, info: WeightsInfo) -> None:
    """Set a network's weights from a file.

    Raises:
        WeightsError: the file cannot be read, or its weights are for another robot, other
            keypoints, another stride or another network; the network is left as it was.
    """
    saved = read_info(path)
    for name in ("robot", "keypoints", "stride"):
        theirs, ours = getattr(saved, name), getattr(info, name)
        if theirs != ours:
            raise WeightsError(
                f"weights {path} are for {name} {theirs!r}, but the run has {ours!r}"
            )
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    ours = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    theirs = {name: tuple(value.shape) for name, value in tensors.items()}
    for name in sorted(ours.keys() | theirs.keys()):
        if ours.get(name) != theirs.get(name):
            raise WeightsError(
                f"weights {path} ({saved.preset}) have {name} of shape {theirs.get(name)}, "
                f"but the network ({info.preset}) has {ours.get(name)}"
            )
    network.load_state_dict(tensors)


def first_line(error: Exception) -> str:
    """The first line of an error's message: libraries append pages of advice."""
    return str(error).strip().split("\n")[0] or type(error).__name__
