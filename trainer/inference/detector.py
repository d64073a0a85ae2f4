"""Keypoints in photos of any size, from a file of weights alone.

photos --framing--> canvases --runtime--> beliefs --decode--> keypoints --framing--> in the photos
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jointloop.common.errors import JointloopError
from trainer.beliefs.decode import Peaks
from trainer.inference.letterbox import Framing
from trainer.inference.runtime import OnnxRuntime, Runtime, TorchRuntime
from trainer.weights.file import WeightsError, WeightsInfo

CHUNK = 8
"""Images that pass the network at once."""
SCALES = (0.1, 4.0)
"""Range of a scale."""
OPENERS = {".safetensors": TorchRuntime.open, ".onnx": OnnxRuntime.open}
"""What opens a file, by its suffix."""


class DetectorError(JointloopError):
    """Something that a detector cannot look at."""


class Detector:
    """Finds a robot's keypoints in images."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        mean = runtime.info.normalisation.mean
        # What the network's own padding is to its first layer.
        self._fill = (round(255 * mean[0]), round(255 * mean[1]), round(255 * mean[2]))

    @staticmethod
    def open(path: Path | str, device: str = "cpu") -> "Detector":
        """From a .safetensors file of a run, or an .onnx file that `jointloop export` wrote.

        Args:
            path: the file, which says all that is needed.
            device: cpu, cuda, cuda:N, or auto: a GPU where there is one.

        Raises:
            WeightsError: there is no such file, it cannot be read, or has another suffix.
            RuntimeMissing: an .onnx file, and onnxruntime is not installed or lacks the device.
            ConfigError: there is no such device here.
        """
        path = Path(path)
        opener = OPENERS.get(path.suffix.lower())
        if opener is None:
            raise WeightsError(f"weights {path}: expected a file named {' or '.join(OPENERS)}")
        if not path.is_file():
            raise WeightsError(f"weights {path}: there is no such file")
        return Detector(opener(path, device))

    @property
    def info(self) -> WeightsInfo:
        """What the weights are for."""
        return self._runtime.info

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of the only size that the network takes [px]; None: it takes any."""
        return self._runtime.size

    def detect(
        self, images: Sequence[NDArray[np.uint8]], scales: Sequence[float] = (1.0,)
    ) -> Peaks:
        """The best peak of every keypoint in every image; see `detect_with_beliefs`."""
        return self.detect_with_beliefs(images, scales)[0]

    def detect_with_beliefs(
        self, images: Sequence[NDArray[np.uint8]], scales: Sequence[float] = (1.0,)
    ) -> tuple[Peaks, list[NDArray[np.float32]]]:
        """The best peak of every keypoint in every image, and the beliefs it was found in.

        Each image is resized to the area that the network was trained at, times each scale; the
        belief maps of several scales are averaged where the largest one has its cells.

        Args:
            images: each (H, W, 3) RGB, of any size.
            scales: at least one; above 1 only where the network takes any size.

        Returns:
            Peaks with (N, J, 2) pixels in each image as it was given, and per image the beliefs
            (J, h, w) of the cells that show it.

        Raises:
            DetectorError: an image of another kind, no pixels, or a scale that is out of range.
        """
        _check_images(images)
        self.check_scales(scales)
        framings = [[self._framing(image, scale) for image in images] for scale in scales]
        passes = [self._run(images, framed) for framed in framings]
        finest = int(np.argmax(scales))
        found = [
            self._decode([f[i] for f in framings], [p[i] for p in passes], finest)
            for i in range(len(images))
        ]
        shape = (len(images), len(self.info.keypoints))
        peaks = Peaks(
            np.array([one.pixels[0] for one, _ in found]).reshape(*shape, 2),
            np.array([one.scores[0] for one, _ in found]).reshape(shape),
        )
        return peaks, [beliefs for _, beliefs in found]

    def _decode(
        self, framings: Sequence[Framing], beliefs: Sequence[Tensor], finest: int
    ) -> tuple[Peaks, NDArray[np.float32]]:
        """One image's keypoints from its beliefs at every scale, padding left out."""
        network, frame = self._runtime.network, framings[finest]
        alike = [f.resample(b, frame) for f, b in zip(framings, beliefs, strict=True)]
        maps = frame.shown(torch.stack(alike).mean(dim=0), network.stride)
        peaks = network.peaks(maps[None])
        shown = maps[: network.joints].cpu().numpy()
        return Peaks(frame.back(peaks.pixels), peaks.scores), shown

    def _framing(self, image: NDArray[np.uint8], scale: float) -> Framing:
        photo, runtime = (image.shape[1], image.shape[0]), self._runtime
        if runtime.size:
            return Framing.fixed(photo, runtime.size, scale)
        trained = (self.info.width, self.info.height)
        return Framing.free(photo, trained, runtime.network.multiple, scale)

    def _run(
        self, images: Sequence[NDArray[np.uint8]], framings: Sequence[Framing]
    ) -> list[Tensor]:
        """The beliefs of each image; those with canvases of one size go together."""
        groups: dict[tuple[int, int], list[int]] = {}
        for i, framing in enumerate(framings):
            groups.setdefault(framing.canvas, []).append(i)
        beliefs: dict[int, Tensor] = {}
        for group in groups.values():
            for start in range(0, len(group), CHUNK):
                chunk = group[start : start + CHUNK]
                canvases = [framings[i].apply(images[i], self._fill) for i in chunk]
                beliefs.update(zip(chunk, self._runtime.run(np.stack(canvases)), strict=True))
        return [beliefs[i] for i in range(len(images))]

    def check_scales(self, scales: Sequence[float]) -> None:
        """Refuse scales that `look` cannot take.

        Raises:
            DetectorError: there is none, or one is out of range.
        """
        least, most = SCALES
        for scale in scales:
            if not least <= scale <= most:
                raise DetectorError(f"scale {scale} is out of range, expected {least} to {most}")
        if not scales:
            raise DetectorError("no scale is given, expected at least one, such as 1.0")
        if self._runtime.size and max(scales) > 1.0:
            width, height = self._runtime.size
            raise DetectorError(
                f"scale {max(scales)} does not fit: this network takes {width}x{height} alone; "
                "scales up to 1 do"
            )


def _check_images(images: Sequence[NDArray[np.uint8]]) -> None:
    for i, image in enumerate(images):
        shape = image.shape
        good = len(shape) == 3 and shape[2] == 3 and min(shape) > 0
        if not good or image.dtype != np.uint8:
            raise DetectorError(
                f"image {i} is {image.dtype} of shape {shape}, expected uint8 (H, W, 3) with "
                "at least one pixel"
            )
