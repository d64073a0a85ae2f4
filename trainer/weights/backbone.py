"""A backbone's first weights, from a file of published ones.

Networks say which tensors they take, by the names that these have in such a file; classifiers and
deeper layers are left.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from jointloop.common.errors import JointloopError
from trainer.models import BeliefNetwork
from trainer.weights.packaged import PACKAGED, packaged

COUNTER = "num_batches_tracked"
"""Batch norm's count of its batches: older files lack it, and nothing here depends on it."""
SHOWN = 3
"""Names that a line shows, of those that do not fit or are of no use."""


class BackboneError(JointloopError):
    """A file has no weights for a network's backbone."""


@dataclass(frozen=True)
class Loaded:
    """What a backbone took from a file."""

    loaded: tuple[str, ...]
    """Names of the tensors that were taken."""
    unused: tuple[str, ...]
    """Names of those that were not."""
    numbers: int
    """Numbers in those that were."""

    def __str__(self) -> str:
        text = f"{len(self.loaded)} tensors, {self.numbers / 1e6:.2f} M numbers"
        if not self.unused:
            return text
        more = ", ..." if len(self.unused) > SHOWN else ""
        names = ", ".join(self.unused[:SHOWN])
        return f"{text}; {len(self.unused)} more in it are of no use here: {names}{more}"


def load_backbone(network: BeliefNetwork, path: Path) -> Loaded:
    """Set a network's backbone to the weights in a file: all of it, or an error.

    Args:
        network: built to begin with such weights: `NetworkConfig.backbone` is set.
        path: a state dict as published, of torchvision's vgg19 or mobilenet_v2 or of
            EfficientNet-Lite0, .pth or .safetensors; or a name in `PACKAGED`.

    Raises:
        BackboneError: the file cannot be read, lacks weights of the backbone, or has some of
            another shape or that are not finite; the network is left as it was.
        PackagedError: the package of that name is not installed, or is another version.
    """
    path = packaged(str(path)) if str(path) in PACKAGED else path
    found = _read(path)
    wanted = network.published()
    unfit = [
        f"{name} {_shape(found.get(name))} in place of {_sides(shape)}"
        for name, shape in wanted.values()
        if _shape(found.get(name)) != _sides(shape)
        and not (name.endswith(COUNTER) and name not in found)
    ]
    if unfit:
        more = f" and {len(unfit) - SHOWN} more" if len(unfit) > SHOWN else ""
        raise BackboneError(
            f"weights {path} do not fit the backbone; they have {', '.join(unfit[:SHOWN])}{more}"
        )
    taken = {own: found[name] for own, (name, _) in wanted.items() if name in found}
    for own, tensor in taken.items():
        if not tensor.isfinite().all():
            name = wanted[own][0]
            raise BackboneError(f"weights {path} have numbers in {name} that are not finite")
    network.take(taken)
    names = [wanted[own][0] for own in taken]
    return Loaded(
        loaded=tuple(names),
        unused=tuple(name for name in found if name not in names),
        numbers=sum(tensor.numel() for tensor in taken.values()),
    )


def _read(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, by name."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        named = "" if path.suffix else f"; a package brings {', '.join(PACKAGED)}"
        raise BackboneError(
            f"cannot read the weights {path}: {error.strerror or error}{named}"
        ) from None
    except Exception:  # readers fail in as many ways as there are foreign files
        kind = "safetensors" if path.suffix == ".safetensors" else "torch.save"
        raise BackboneError(
            f"cannot read the weights {path}: damaged, or no tensors written by {kind}"
        ) from None
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise BackboneError(
            f"weights {path} hold something else than named tensors; expected a state dict as "
            "torchvision publishes them"
        )
    return state


def _shape(tensor: Tensor | None) -> str:
    return "nothing" if tensor is None else _sides(tuple(tensor.shape))


def _sides(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a number"
