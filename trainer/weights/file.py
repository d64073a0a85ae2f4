"""Files of weights: safetensors that say in their metadata what they are for."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from jointloop.common.difference import difference
from jointloop.common.errors import JointloopError, first_line
from jointloop.common.files import write_bytes
from jointloop.common.settings import ConfigError, read
from jointloop.common.versions import installed
from simulator.randomization.settings import Stride
from simulator.robot import Robot
from trainer.beliefs import decode
from trainer.config.config import Config, NetworkConfig
from trainer.metrics import keypoints as keypoint_metrics
from trainer.models import FAMILIES, BeliefNetwork, build

SCHEMA = 2
"""Version of the metadata."""
DIGEST = "sha256"
"""Name of the metadata that tell damage; files of a time before have none."""
ALIKE = ("robot", "keypoints", "stride", "network")
"""What the weights of one run have in common."""


class WeightsError(JointloopError):
    """A file of weights cannot be read, or is for something else."""


@dataclass(frozen=True)
class Normalisation:
    """What is done to a pixel before the first layer: (pixel / 255 - mean) / std."""

    mean: tuple[float, float, float]
    """Per channel, of values in 0 to 1."""
    std: tuple[float, float, float]
    """Likewise."""
    channels: Literal["RGB"] = "RGB"
    """Their order."""


@dataclass(frozen=True)
class Definitions:
    """Versions of what figures about these weights rest on."""

    decode: int
    """`trainer.beliefs.decode.DEFINITION`."""
    metrics: int
    """`trainer.metrics.keypoints.DEFINITION`."""


@dataclass(frozen=True)
class WeightsInfo:
    """All that a detector needs beside the weights themselves; stands in their metadata."""

    robot: str
    """Name of the robot."""
    keypoints: tuple[str, ...]
    """Names of the keypoints, in the order of the belief maps."""
    skeleton: tuple[tuple[int, int], ...]
    """Pairs of keypoints that a bone joins."""
    sigmas: tuple[float, ...]
    """OKS fall-off of every keypoint, relative to the square root of the robot's box area."""
    stride: Stride
    """Image pixels per belief map cell."""
    sigma: float
    """Standard deviation of the peaks it was trained on [cells]."""
    preset: str
    """Name of the preset its config began as."""
    network: NetworkConfig
    """What builds the network."""
    normalisation: Normalisation
    """Of its input."""
    width: int
    """Image width it was trained at [px]."""
    height: int
    """Image height it was trained at [px]."""
    definitions: Definitions
    """That held when it was trained."""
    version: str
    """Of Jointloop, likewise."""

    @staticmethod
    def of(config: Config, robot: Robot) -> "WeightsInfo":
        """What a run with this config trains, here and now."""
        s, (width, height) = config.settings, config.size
        family = FAMILIES[config.network.family]
        return WeightsInfo(
            robot=robot.name,
            keypoints=robot.keypoint_names,
            skeleton=robot.skeleton,
            sigmas=tuple(k.sigma for k in robot.keypoints),
            stride=s.stride,
            sigma=s.sigma,
            preset=config.preset,
            network=config.network,
            normalisation=Normalisation(family.pixel_mean, family.pixel_std),
            width=width,
            height=height,
            definitions=Definitions(decode.DEFINITION, keypoint_metrics.DEFINITION),
            version=installed("jointloop"),
        )

    def check(self) -> None:
        """See that what stands here can be.

        Raises:
            ConfigError: something cannot; names it.
        """
        joints, bones = len(self.keypoints), [end for bone in self.skeleton for end in bone]
        positive = (self.stride, self.width, self.height, self.sigma, *self.sigmas)
        for good, what in (
            (joints > 0, "keypoints is empty"),
            (len(set(self.keypoints)) == joints, "keypoints names one twice"),
            (len(self.sigmas) == joints, f"sigmas has {len(self.sigmas)} of {joints} keypoints"),
            (all(0 <= end < joints for end in bones), f"skeleton is beyond {joints} keypoints"),
            (min((*positive, *self.normalisation.std), default=0) > 0, "a size is not above 0"),
        ):
            if not good:
                raise ConfigError(f"metadata: {what}")

    def to_json(self) -> str:
        """As it stands in a file's metadata; `from_json` reads it back."""
        return json.dumps(asdict(self) | {"schema": SCHEMA})

    @staticmethod
    def from_json(text: str, where: str) -> "WeightsInfo":
        """Read what `to_json` wrote.

        Args:
            text: the JSON.
            where: what holds it, for errors.

        Raises:
            WeightsError: another schema, or damaged.
        """
        try:
            data: dict[str, Any] = json.loads(text)
            schema = data.pop("schema")
            if schema != SCHEMA:
                raise WeightsError(
                    f"{where} has metadata of schema {schema}, expected {SCHEMA}: another version "
                    "of Jointloop wrote it; train it again, or read it with that version"
                )
            info = read(WeightsInfo, data, "metadata")
            info.check()
            return info
        except (ConfigError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise WeightsError(f"{where} has damaged metadata: {first_line(error)}") from None


def save_weights(path: Path, network: BeliefNetwork, info: WeightsInfo) -> None:
    """Write a network's weights and what they are for as safetensors.

    Raises:
        FileError: they cannot be written.
    """
    tensors = {name: value.contiguous() for name, value in network.state_dict().items()}
    text = info.to_json()
    data = save(tensors, {"jointloop": text, DIGEST: _digest(text, tensors)})
    write_bytes(path, _ordered(data))


def _ordered(data: bytes) -> bytes:
    """A safetensors file with its metadata in order, which the library leaves to chance."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that tensors are aligned
    return len(text).to_bytes(8, "little") + text + data[end:]


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of metadata and tensors: of the JSON, then of each tensor's line and bytes by name.

    A tensor's line is its name, type and shape.
    """
    digest = hashlib.sha256(text.encode())
    for name, value in sorted(tensors.items()):
        digest.update(f"\n{name} {value.dtype} {list(value.shape)}\n".encode())
        digest.update(value.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def read_info(path: Path) -> WeightsInfo:
    """What the weights in a file are for.

    Raises:
        WeightsError: the file cannot be read, or no `save_weights` of this schema wrote it.
    """
    return _read(path, tensors=False)[0]


def open_network(
    path: Path, device: torch.device | str = "cpu"
) -> tuple[BeliefNetwork, WeightsInfo]:
    """Build the network that a file's metadata describe and give it the file's weights.

    Returns:
        The network in evaluation mode, and what it is for.

    Raises:
        WeightsError: the file cannot be read, or its weights and its metadata disagree.
    """
    info, tensors = _read(path)
    with torch.device("meta"):  # a network takes memory once it is known to be that of the tensors
        _check_shapes(path, tensors, info, build(info.network, len(info.keypoints)))
    network = build(info.network, len(info.keypoints))
    _fill(network, path, info, tensors)
    return network.to(device).eval(), info


def load_weights(network: BeliefNetwork, path: Path) -> WeightsInfo:
    """Give a network the weights in a file, and the normalisation of its input.

    Args:
        network: of the kind that the file's metadata describe.
        path: the file.

    Returns:
        What the weights are for.

    Raises:
        WeightsError: the file cannot be read, or its weights do not fit; the network is left as it
            was.
    """
    info, tensors = _read(path)
    _check_shapes(path, tensors, info, network)
    _fill(network, path, info, tensors)
    return info


def _fill(
    network: BeliefNetwork, path: Path, info: WeightsInfo, tensors: dict[str, Tensor]
) -> None:
    """Give a network of these shapes what was read from a file."""
    for name, value in tensors.items():
        if not torch.isfinite(value).all():
            raise WeightsError(
                f"weights {path} ({info.preset}) have numbers in {name} that are not finite: their "
                "training came to nothing, or the file is damaged"
            )
    network.load_state_dict(tensors)
    for buffer, values in (
        (network.mean, info.normalisation.mean),
        (network.std, info.normalisation.std),
    ):
        buffer.copy_(255.0 * torch.tensor(values).view_as(buffer))


def _read(path: Path, tensors: bool = True) -> tuple[WeightsInfo, dict[str, Tensor]]:
    """What a file's weights are for, and the weights."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            names = file.keys() if tensors else ()
            weights = {name: file.get_tensor(name) for name in names}
    except OSError as error:
        reason = "it is a folder" if path.is_dir() else error.strerror or first_line(error)
        raise WeightsError(f"cannot read the weights {path}: {reason}") from None
    except SafetensorError:
        raise WeightsError(
            f"cannot read the weights {path}: damaged, or no safetensors file"
        ) from None
    if (text := metadata.get("jointloop")) is None:
        raise WeightsError(f"cannot read the weights {path}: they carry no metadata of Jointloop")
    if tensors and metadata.get(DIGEST, "") not in ("", _digest(text, weights)):
        raise WeightsError(
            f"cannot read the weights {path}: damaged, their {DIGEST} is not that of what they hold"
        )
    return WeightsInfo.from_json(text, f"weights {path}"), weights


def check_weights(path: Path, info: WeightsInfo, alike: Sequence[str] = ALIKE) -> None:
    """See by their metadata whether the weights in a file are those of a run, and whole.

    Args:
        path: the file.
        info: what the run trains.
        alike: names of what has to be the same.

    Raises:
        WeightsError: the file cannot be read, or something of that is not.
    """
    saved, _ = _read(path)
    if other := difference(saved, info, alike):
        name, theirs, ours = other
        raise WeightsError(
            f"weights {path} ({saved.preset}) are for {name} {theirs!r}, but the run "
            f"({info.preset}) has {ours!r}"
        )


def _check_shapes(
    path: Path, tensors: dict[str, Tensor], saved: WeightsInfo, network: BeliefNetwork
) -> None:
    """Raise where a file's weights and the network of its metadata differ in name or shape."""
    ours = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    theirs = {name: tuple(value.shape) for name, value in tensors.items()}
    for name in sorted(ours.keys() | theirs.keys()):
        if ours.get(name) != theirs.get(name):
            raise WeightsError(
                f"weights {path} ({saved.preset}) have {name} of shape {theirs.get(name)}, "
                f"but its metadata describe a network that has {ours.get(name)}"
            )
