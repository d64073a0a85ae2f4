"""export: writes a detector as one file for other programs."""

from pathlib import Path
from typing import Literal

from jointloop.cli.app import say


def export(
    *,
    to: Literal["onnx", "torch-export"],
    out: Path,
    weights: Path | None = None,
    size: str | None = None,
    batch: int | None = None,
) -> int:
    """Write a detector as one file for other programs; it is compared with its weights first.

    The file takes uint8 RGB images (batch, height, width, 3) and gives keypoints [px], scores and
    belief maps: normalisation and decoding are inside.

    Args:
        to: onnx or torch-export.
        out: The file: .onnx or .pt2.
        weights: A .safetensors file of a run; by default the one that comes with Jointloop.
        size: Fix the image size, WIDTHxHEIGHT; by default it is free.
        batch: Fix the number of images at once; by default it is free.
    """
    from simulator.randomization.settings import parse_size
    from trainer.inference.export import Shape
    from trainer.inference.export import export as write
    from trainer.weights.file import open_network
    from trainer.weights.shipped import shipped_weights

    shape = Shape(None if size is None else parse_size(size), batch)
    network, info = open_network(weights or shipped_weights())
    parity = write(network, info, to, out, shape)
    say(f"compared with its weights on {parity.line}")
    say(f"{out}: {info.robot}, {len(info.keypoints)} keypoints, preset {info.preset}")
    return 0
