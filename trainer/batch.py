"""Samples stacked into tensors, as the learner and the validation take them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simulator.labels import LEVELS
from simulator.sample import Sample

ON_DEVICE = ("images", "masks", "beliefs")
"""What of a batch is tensors; the rest is arrays."""


@dataclass(frozen=True, eq=False)
class Batch:
    """N samples side by side: what the network sees, what it should say, what is true."""

    images: Tensor
    """(N, 3, H, W) uint8 RGB."""
    masks: Tensor
    """(N, H, W) uint8 coverage by all that is no background; see `Sample.mask`."""
    beliefs: Tensor
    """(N, J, h, w) uint8 levels, 255 at a keypoint; see `targets`."""
    pixels: NDArray[np.float64]
    """(N, J, 2) keypoints [px]."""
    visibility: NDArray[np.uint8]
    """(N, J) 0 outside the frame, 1 inside but hidden, 2 visible."""
    bins: NDArray[np.int64]
    """(N, D) bin of every joint angle."""
    uniform: NDArray[np.float64]
    """(N,) weights that make the samples stand for uniform poses: 1, or 0 for other ones, or the
    ratio of densities."""

    def __len__(self) -> int:
        return len(self.images)

    @property
    def size(self) -> tuple[int, int]:
        """Image width and height [px]."""
        return self.images.shape[3], self.images.shape[2]

    @property
    def in_frame(self) -> NDArray[np.bool_]:
        """(N, J) whether a keypoint lies in the image, hidden ones included."""
        return self.visibility > 0

    def targets(self) -> Tensor:
        """(N, J, h, w) belief maps in [0, 1], float32, where the batch lies."""
        # By a tensor: CUDA divides by a plain number as a product with its rounded reciprocal.
        levels = self.beliefs.float()
        return levels / levels.new_full((), LEVELS)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The batch as arrays by name, for `of`; it lies on the CPU."""
        return {f.name: np.asarray(getattr(self, f.name)) for f in fields(self)}

    @staticmethod
    def of(arrays: Mapping[str, NDArray[Any]]) -> "Batch":
        """The batch of such arrays, laid out in memory as `stack` does.

        Another layout would take other kernels, and give other last digits.

        Raises:
            KeyError: an array is missing.
            ValueError: one that counts in bytes does not.
        """
        for name in ON_DEVICE:
            if arrays[name].dtype != np.uint8:
                raise ValueError(f"{name} is of {arrays[name].dtype}; expected uint8")
        earlier = {"uniform": np.ones(len(arrays["images"]))}  # batches kept before it was there
        values: dict[str, Any] = {f.name: (earlier | dict(arrays))[f.name] for f in fields(Batch)}
        values |= {name: torch.from_numpy(values[name]) for name in ON_DEVICE}
        values["images"] = values["images"].contiguous(memory_format=torch.channels_last)
        return Batch(**values)

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch with its tensors on a device."""
        tensors = {name: getattr(self, name).to(device) for name in ON_DEVICE}
        return replace(self, **tensors)

    def chunks(self, size: int) -> Iterator["Batch"]:
        """The batch in parts of at most `size` samples."""
        for start in range(0, len(self), size):
            part = slice(start, start + size)
            yield Batch(*(getattr(self, f.name)[part] for f in fields(self)))


def stack(samples: Sequence[Sample]) -> Batch:
    """One batch from samples of equal shape, at least one."""
    images = np.stack([s.image for s in samples])
    return Batch(
        images=torch.from_numpy(images).permute(0, 3, 1, 2),
        masks=torch.from_numpy(np.stack([s.mask for s in samples])),
        beliefs=torch.from_numpy(np.stack([s.belief for s in samples])),
        pixels=np.stack([s.labels.pixels for s in samples]),
        visibility=np.stack([s.labels.visibility for s in samples]),
        bins=np.array([s.hidden.bins for s in samples], dtype=np.int64),
        uniform=np.array([_is_uniform(s) for s in samples], np.float64),
    )


def _is_uniform(sample: Sample) -> bool:
    """Whether its pose came from the prior that a run begins with."""
    source = sample.hidden.provenance
    return source.prior_version == 0 and source.row is None


def join(batches: Sequence[Batch]) -> Batch:
    """One batch of several, at least one, all of one shape and on one device."""

    def joined(name: str) -> Any:
        parts = [getattr(batch, name) for batch in batches]
        return torch.cat(parts) if isinstance(parts[0], Tensor) else np.concatenate(parts)

    return Batch(*(joined(field.name) for field in fields(Batch)))
