"""What runs a detector's network: PyTorch, from safetensors, or ONNX Runtime, from ONNX."""

import importlib
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jointloop.common.errors import JointloopError, first_line
from trainer.learning.device import device_named
from trainer.models import BeliefNetwork, build
from trainer.weights.file import WeightsError, WeightsInfo, open_network

METADATA = "jointloop"
"""Key of an ONNX file's metadata that holds a `WeightsInfo` as JSON."""
INPUT = "images"
BELIEFS = "beliefs"
OUTPUTS = ("keypoints", "scores", BELIEFS)


CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


class RuntimeMissing(JointloopError):
    """What would run a file is not installed, or not for that device."""


class Runtime(Protocol):
    """A network ready to run."""

    info: WeightsInfo
    network: BeliefNetwork
    """Which tells stride, multiple and how to decode; its weights may be absent."""
    size: tuple[int, int] | None
    """Width and height that it takes [px]; None: any multiple of `network.multiple`."""

    def run(self, images: NDArray[np.uint8]) -> Tensor:
        """Last beliefs (N, maps, h, w) for (N, H, W, 3) RGB images of a size that it takes."""
        ...


class TorchRuntime:
    """A network in PyTorch."""

    size: tuple[int, int] | None = None

    def __init__(self, network: BeliefNetwork, info: WeightsInfo) -> None:
        self.network, self.info = network, info
        self._device = next(network.parameters()).device

    @staticmethod
    def open(path: Path, device: str) -> "TorchRuntime":
        """From a file of weights.

        Raises:
            WeightsError: the file cannot be read.
            ConfigError: there is no such device here.
        """
        return TorchRuntime(*open_network(path, device_named(device)))

    @torch.no_grad()
    def run(self, images: NDArray[np.uint8]) -> Tensor:
        """See `Runtime.run`."""
        pixels = torch.from_numpy(images).to(self._device).permute(0, 3, 1, 2)
        return self.network(pixels)[-1].float()


class OnnxRuntime:
    """A network in ONNX Runtime, as `trainer.inference.export` wrote it."""

    def __init__(self, session: Any, info: WeightsInfo) -> None:
        self._session, self.info = session, info
        with torch.device("meta"):  # no weights: they are in the session
            self.network = build(info.network, len(info.keypoints))
        batch, height, width, _ = session.get_inputs()[0].shape
        self._batch = batch if isinstance(batch, int) else None
        self.size = (width, height) if isinstance(width, int) else None

    @staticmethod
    def open(path: Path, device: str) -> "OnnxRuntime":
        """From an ONNX file.

        Raises:
            WeightsError: the file cannot be read, or `trainer.inference.export` did not write it.
            RuntimeMissing: onnxruntime is not installed, or cannot use the device.
        """
        runtime = onnx_package("onnxruntime", path)
        providers = _providers(device, runtime.get_available_providers())
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        try:
            session = runtime.InferenceSession(path, options, providers=providers)
        except Exception as error:  # its own classes, which share no base
            raise WeightsError(f"cannot read the network {path}: {first_line(error)}") from None
        text = session.get_modelmeta().custom_metadata_map.get(METADATA)
        if text is None:
            raise WeightsError(
                f"cannot read the network {path}: it carries no metadata of Jointloop; "
                "`jointloop export` writes such files"
            )
        return OnnxRuntime(session, WeightsInfo.from_json(text, f"network {path}"))

    def run(self, images: NDArray[np.uint8]) -> Tensor:
        """See `Runtime.run`."""
        chunk = self._batch or max(len(images), 1)
        parts = [self._beliefs(images[i : i + chunk]) for i in range(0, len(images), chunk)]
        return torch.from_numpy(np.concatenate(parts))

    def outputs(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """Keypoints, scores and beliefs as the file itself gives them, for one batch it takes."""
        return tuple(self._session.run(OUTPUTS, {INPUT: images}))

    def _beliefs(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        count = len(images)
        if self._batch and count < self._batch:  # fill a batch of fixed size
            images = np.concatenate([images, images[:1].repeat(self._batch - count, axis=0)])
        return self._session.run([BELIEFS], {INPUT: images})[0][:count]


def _providers(device: str, there: list[str]) -> list[Any]:
    """What ONNX Runtime calls a device: cpu, cuda, cuda:N, or auto, a GPU where there is one.

    Raises:
        RuntimeMissing: it has no such device.
    """
    name, _, number = device.partition(":")
    if name == "cpu" or (name == "auto" and CUDA not in there):
        return [CPU]
    if name not in ("auto", "cuda") or CUDA not in there:
        raise RuntimeMissing(
            f"device {device!r}: this onnxruntime has {', '.join(there)}; use cpu, or install "
            "onnxruntime-gpu for cuda"
        )
    return [(CUDA, {"device_id": number or "0"}), CPU]


def onnx_package(name: str, path: Path) -> Any:
    """A package that comes with the extra `onnx`.

    Raises:
        RuntimeMissing: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise RuntimeMissing(
            f"{path} needs {name}, which is not installed: pip install 'jointloop[onnx]'"
        ) from None
