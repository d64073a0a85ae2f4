"""A detector as one file for other programs: ONNX, or PyTorch's own export format.

The file takes `images`, (B, H, W, 3) uint8 RGB, and gives `keypoints`, (B, J, 2) float32 pixels of
those images, pixel centres at integers, `scores`, (B, J), and `beliefs`, (B, maps, h, w):
normalisation and decoding are inside. Batch, height and width are free unless fixed here; height
and width are multiples of what the network asks for.

What was written is read back and compared with the original before it gets its name.
"""

import contextlib
import copy
import io
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from jointloop.common.errors import JointloopError
from jointloop.common.files import fill, write_beside
from simulator.randomization.assignment import Assignment
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings
from simulator.randomization.variety import FULL
from simulator.robot import Robot, RobotError
from simulator.sample_maker import SampleMaker
from trainer.beliefs.decode import FOUND
from trainer.inference.runtime import INPUT, METADATA, OUTPUTS, OnnxRuntime, onnx_package
from trainer.models import BeliefNetwork
from trainer.weights.file import WeightsInfo

Format = Literal["onnx", "torch-export"]
SUFFIXES: dict[Format, str] = {"onnx": ".onnx", "torch-export": ".pt2"}
"""Of the file, by its format."""
LARGEST = 4096
"""Sides of free size are at most this [px]."""
PARITY = 0.05
"""Keypoints of the file lie at most this far from the original's [px]."""
BELIEF_PARITY = 1e-3
"""Its beliefs differ at most by this."""
IMAGES = 6
"""Images that the two are compared on, at each of two sizes where sizes are free."""

Outputs = tuple[NDArray[np.float32], ...]
"""Keypoints, scores, beliefs."""


class ExportError(JointloopError):
    """A network cannot be exported as asked."""


@dataclass(frozen=True)
class Shape:
    """What the file takes; None is free."""

    size: tuple[int, int] | None = None
    """Width and height [px]."""
    batch: int | None = None
    """Images at once."""


@dataclass(frozen=True)
class Parity:
    """How far a file is from its original."""

    images: int
    keypoints: int
    """Of those, found by the original."""
    pixels: float
    """Largest distance of one of them [px]."""
    beliefs: float
    """Largest difference of a belief, of every cell."""

    @property
    def line(self) -> str:
        """For the user."""
        found = f"{self.keypoints} keypoints found, at most {self.pixels:.2g} px apart"
        return (
            f"{self.images} images: {found if self.keypoints else 'no keypoint found'}; beliefs "
            f"at most {self.beliefs:.1g} apart"
        )


class Whole(nn.Module):
    """Images in, keypoints out: what the file holds."""

    def __init__(self, network: BeliefNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Keypoints, scores and beliefs; see the module."""
        beliefs = self.network(images.permute(0, 3, 1, 2))[-1].float()
        pixels, scores = self.network.locate(beliefs)
        return pixels.float(), scores.float(), beliefs


def export(
    network: BeliefNetwork, info: WeightsInfo, to: Format, out: Path, shape: Shape = Shape()
) -> Parity:
    """Write a network as a file for other programs, and compare it with the original.

    Args:
        network: in evaluation mode, on the CPU.
        info: what it is for; goes along.
        to: the format.
        out: the file.
        shape: what it takes.

    Returns:
        How far it is from the original.

    Raises:
        ExportError: another suffix, a file that exists, a size that the network does not take, or
            keypoints other than the original's; nothing is written.
        RuntimeMissing: a package of the extra `onnx` is not installed.
    """
    _check(network, to, out, shape)
    if to == "onnx":
        for package in ("onnx", "onnxscript", "onnxruntime"):
            onnx_package(package, out)
    trained = (info.width, info.height)
    parities: list[Parity] = []

    def save(beside: Path) -> None:
        with _quiet():
            program = _exported(network, trained, shape)
            fill(beside, _onnx(program, info) if to == "onnx" else _pt2(program, info))
            run = _onnx_outputs(beside) if to == "onnx" else _pt2_outputs(beside)
        parities.append(_compared(network, info, run, shape))
        if parities[0].pixels > PARITY or parities[0].beliefs > BELIEF_PARITY:
            raise ExportError(
                f"{out} would differ from its weights, {parities[0].line}; expected at most "
                f"{PARITY} px and {BELIEF_PARITY:g}. It is not written"
            )

    write_beside(out, save)
    return parities[0]


def _check(network: BeliefNetwork, to: Format, out: Path, shape: Shape) -> None:
    if out.suffix.lower() != SUFFIXES[to]:
        raise ExportError(f"out is {out}; expected a name that ends in {SUFFIXES[to]}")
    if not out.parent.is_dir():
        raise ExportError(f"out is {out}, but there is no folder {out.parent}")
    if out.exists():
        raise ExportError(f"out is {out}, which exists already; choose another name or remove it")
    if shape.batch is not None and shape.batch < 1:
        raise ExportError(f"batch is {shape.batch}; expected at least 1")
    multiple = network.multiple
    if shape.size and not all(
        0 < side <= LARGEST and side % multiple == 0 and side >= 32 for side in shape.size
    ):
        raise ExportError(
            f"size is {shape.size[0]}x{shape.size[1]}; this network takes multiples of {multiple} "
            f"from 32 to {LARGEST}"
        )


@torch.no_grad()
def _exported(network: BeliefNetwork, trained: tuple[int, int], shape: Shape) -> ExportedProgram:
    """The network as PyTorch's export sees it, with the dimensions that stay free."""
    # Files hold plain tensors; the layout that is fastest here is the reader's to choose.
    network = copy.deepcopy(network)
    for weights in network.parameters():
        weights.data = weights.data.contiguous()
    width, height = shape.size or trained
    multiple = network.multiple
    images = torch.zeros(shape.batch or 2, height, width, 3, dtype=torch.uint8)
    free: dict[int, Any] = {} if shape.batch else {0: Dim("batch", max=LARGEST)}
    if shape.size is None:
        most = LARGEST // multiple
        free |= {1: multiple * Dim("rows", max=most), 2: multiple * Dim("columns", max=most)}
    return torch.export.export(Whole(network), (images,), dynamic_shapes=(free,))


def _onnx(program: ExportedProgram, info: WeightsInfo) -> bytes:
    import onnx

    exported = torch.onnx.export(
        program, dynamo=True, input_names=[INPUT], output_names=list(OUTPUTS), verbose=False
    )
    assert exported is not None
    model = exported.model_proto
    onnx.helper.set_model_props(model, {METADATA: info.to_json()})
    return model.SerializeToString()


def _pt2(program: ExportedProgram, info: WeightsInfo) -> bytes:
    file = io.BytesIO()
    torch.export.save(program, file, extra_files={METADATA: info.to_json()})
    return file.getvalue()


def _onnx_outputs(path: Path) -> Callable[[NDArray[np.uint8]], Outputs]:
    return OnnxRuntime.open(path, "cpu").outputs


def _pt2_outputs(path: Path) -> Callable[[NDArray[np.uint8]], Outputs]:
    with _plain_values():
        module = torch.export.load(io.BytesIO(path.read_bytes())).module()

    @torch.no_grad()
    def run(images: NDArray[np.uint8]) -> Outputs:
        return tuple(output.numpy() for output in module(torch.from_numpy(images)))

    return run


@contextlib.contextmanager
def _plain_values() -> Iterator[None]:
    """While PyTorch's reader of plain values is the only one that it takes: it would unpickle."""
    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


@torch.no_grad()
def _compared(
    network: BeliefNetwork,
    info: WeightsInfo,
    run: Callable[[NDArray[np.uint8]], Outputs],
    shape: Shape,
) -> Parity:
    """The file beside the original, on images of a robot drawn as sticks."""
    width, height = shape.size or (info.width, info.height)
    sizes = {(width, height)}
    if shape.size is None:
        sizes.add((width + network.multiple, height + 2 * network.multiple))
    whole, keypoints, apart, off = Whole(network), 0, 0.0, 0.0
    for size in sizes:
        images = _images(info, *size, count=IMAGES)
        # A batch of one, too, where batches are free.
        for part in np.split(images, [1]) if shape.batch is None else _batches(images, shape.batch):
            theirs = run(part)
            ours = [output.numpy() for output in whole(torch.from_numpy(part))]
            found = ours[1] >= FOUND
            distance = np.linalg.norm(ours[0] - theirs[0], axis=-1)[found]
            keypoints += int(found.sum())
            apart = max(apart, float(distance.max(initial=0.0)))
            off = max(off, float(np.abs(ours[2] - theirs[2]).max()))
    return Parity(IMAGES * len(sizes), keypoints, apart, off)


def _batches(images: NDArray[np.uint8], batch: int) -> Iterator[NDArray[np.uint8]]:
    """Batches of exactly that many, images coming again as needed."""
    for start in range(0, len(images), batch):
        yield images[np.arange(start, start + batch) % len(images)]


def _images(info: WeightsInfo, width: int, height: int, count: int) -> NDArray[np.uint8]:
    """(count, H, W, 3) samples of the stick scene, of the robot itself where it is known here."""
    try:
        name = Robot.named(info.robot).name
    except RobotError:
        name = "ur10"
    settings = SampleSettings(
        robot=name, width=width, height=height, stride=info.stride, variety=FULL
    )
    with SampleMaker(settings, "stick", 1) as maker:
        robot = maker.robot
        prior = JointPrior.uniform(robot.lower, robot.upper, settings.bins)
        return np.stack([maker.sample(0, i, Assignment.of(prior)).image for i in range(count)])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what PyTorch says of its own insides while it exports."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)  # that torchvision's operators are not there
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`isinstance.treespec, LeafSpec", FutureWarning)
            yield
    finally:
        logger.setLevel(level)
