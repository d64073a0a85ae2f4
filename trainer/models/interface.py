"""What every belief network offers, and what one costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from jointloop.common.errors import JointloopError
from trainer.beliefs.decode import Peaks, locate

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Mean of ImageNet's RGB in [0, 1]: what VGG weights expect to be subtracted."""
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Standard deviation of the same."""


class ModelError(JointloopError):
    """A network cannot be built, or cannot take an image."""


class BeliefNetwork(nn.Module):
    """Images in, belief maps of every stage out.

    `forward` takes (B, 3, H, W) RGB, uint8 or float in 0 to 255, H and W multiples of `multiple`,
    and returns stages of (B, maps, H/stride, W/stride) beliefs in [0, 1], the last the best. The
    first `joints` maps are the keypoints'; one more, if there is one, believes in none of them.
    """

    features: nn.Sequential
    """The backbone; its layers have torchvision's names where torchvision has such a network."""
    backbone: str | None = None
    """Whose weights the backbone begins with; None: random ones."""
    pixel_mean: ClassVar[tuple[float, float, float]] = IMAGENET_MEAN
    """What `normalise` subtracts from RGB in [0, 1]."""
    pixel_std: ClassVar[tuple[float, float, float]] = IMAGENET_STD
    """What it then divides by."""
    mean: Tensor
    std: Tensor

    def __init__(
        self, joints: int, stride: int, multiple: int | None = None, maps: int | None = None
    ) -> None:
        super().__init__()
        self.joints = joints
        self.maps = maps or joints
        self.stride = stride
        self.multiple = multiple or stride
        self.still = 0
        # Constants of the normalisation are no weights: kept out of the state dict.
        for name, values in (("mean", self.pixel_mean), ("std", self.pixel_std)):
            pixel = 255.0 * torch.tensor(values).view(1, 3, 1, 1)
            self.register_buffer(name, pixel, persistent=False)

    def forward(self, images: Tensor) -> Sequence[Tensor]:
        """Beliefs of every stage; see the class."""
        raise NotImplementedError

    def locate(self, belief: Tensor) -> tuple[Tensor, Tensor]:
        """Keypoints from the last stage's beliefs (N, maps, h, w), by this network's own rule.

        Returns:
            (N, J, 2) pixels and (N, J) scores, as in `decode.locate`; made of tensor operations
            that do not branch on values, so that an exported network can carry them along.
        """
        return locate(belief[:, : self.joints], self.stride)

    def peaks(self, belief: Tensor) -> Peaks:
        """The keypoints that `locate` finds, as arrays."""
        return Peaks.of(*self.locate(belief))

    def backbone_note(self) -> str:
        """One line for the log: what the backbone starts from."""
        raise NotImplementedError

    def published(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """What the backbone takes from a file of published weights.

        Returns:
            The name that a tensor has there and its shape, by the name that `take` knows it by.
        """
        return {
            name: (f"features.{name}", tuple(tensor.shape))
            for name, tensor in self.features.state_dict().items()
        }

    def take(self, weights: Mapping[str, Tensor]) -> None:
        """Set the backbone to published weights, by the names of `published`; counters may lack."""
        self.features.load_state_dict(self.features.state_dict() | dict(weights))

    def freeze(self, layers: int) -> None:
        """Let the first layers of the backbone keep the weights that they began with.

        They do not count towards gradients, and batch norm in them keeps its statistics. Layers
        that began with random weights are left to move.

        Args:
            layers: of `features`, from the image on.

        Raises:
            ModelError: it has fewer.
        """
        if not 0 <= layers <= len(self.features):
            raise ModelError(
                f"optimiser.frozen is {layers}; this backbone has {len(self.features)} layers"
            )
        self.still = layers if self.backbone else 0
        self.features[: self.still].requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Switch to training or evaluation; frozen layers stay in evaluation."""
        super().train(mode)
        if self.still:
            self.features[: self.still].eval()
        return self

    def normalise(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) in 0 to 255 as the layers expect them.

        Raises:
            ModelError: another shape, or a size that is no multiple of `multiple`.
        """
        if images.ndim != 4 or images.shape[1] != 3:
            raise ModelError(f"images have shape {tuple(images.shape)}, expected (B, 3, H, W)")
        height, width = images.shape[2:]
        if height % self.multiple or width % self.multiple:
            raise ModelError(f"image size {width}x{height} is no multiple of {self.multiple}")
        pixels = images.to(self.mean.dtype)
        return ((pixels - self.mean) / self.std).contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Cost:
    """What a network costs to hold and to run once."""

    parameters: int
    """Trained numbers."""
    macs: int
    """Multiply-accumulates of one image's forward pass."""
    stride: int
    """Image pixels per belief map cell."""
    receptive_field: int
    """Side of the square of input pixels that one output cell can see [px]."""


def cost(network: BeliefNetwork, width: int, height: int) -> Cost:
    """Parameters, multiply-accumulates and receptive field at an image size [px]."""
    was_training = network.training
    network.eval()
    device = next(network.parameters()).device
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(torch.zeros(1, 3, height, width, dtype=torch.uint8, device=device))
    network.train(was_training)
    return Cost(
        parameters=sum(p.numel() for p in network.parameters()),
        macs=counter.get_total_flops() // 2,
        stride=network.stride,
        receptive_field=receptive_field(network),
    )


def receptive_field(network: nn.Module) -> int:
    """Side of what an output cell can see [px], for layers registered in the order they run.

    Traces the cells that one output cell sees back through every layer (Araujo, Norris, Sim,
    "Computing Receptive Fields of Convolutional Neural Networks", 2019). Behind a transposed
    convolution some cells see more than their neighbours; the one that sees most counts.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, TRACED)]
    return max(_seen(layers, cell) for cell in range(64))


TRACED = nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d | nn.ConvTranspose2d | nn.Upsample
"""Layers through which a cell sees more than the cell below it; upsampling is bilinear, by 2."""


def _seen(layers: Sequence[nn.Module], cell: int) -> int:
    """Pixels along one side that an output cell sees, were the image endless."""
    first = last = cell
    for layer in reversed(layers):
        kernel, step, pad = _geometry(layer)
        if isinstance(layer, nn.ConvTranspose2d | nn.Upsample):
            first = -((kernel - 1 - pad - first) // step)
            last = (last + pad) // step
        else:
            first = first * step - pad
            last = last * step - pad + kernel - 1
    return last - first + 1


def _geometry(layer: Any) -> tuple[int, int, int]:
    """Kernel size, stride and padding of a layer."""
    if isinstance(layer, nn.Upsample):  # a transposed convolution with fixed weights
        return 4, 2, 1
    return _side(layer.kernel_size), _side(layer.stride), _side(layer.padding)


def _side(size: int | str | tuple[int, ...]) -> int:
    assert not isinstance(size, str)
    return size if isinstance(size, int) else size[0]
