"""One recorded sample as three files, KEY.png, KEY.mask.png and KEY.json.

    (recipe, sample) -> PNGs, JSON -> Entry -> labels, belief map, hidden variables, recipe

The PNGs are image and mask, lossless. The JSON says everything else, the recipe that makes the
sample again included; the belief map follows from it exactly. Nothing in them depends on when, how
fast or by which process a sample was made.
"""

from collections.abc import Iterator
from typing import Literal

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from jointloop.common.errors import JointloopError
from simulator.labels import LEVELS, OUTSIDE, VISIBLE, belief_map
from simulator.randomization.assignment import Split
from simulator.randomization.hidden import Bins, Hidden, camera
from simulator.randomization.settings import SampleSettings
from simulator.recordings.recipe import Recipe
from simulator.recordings.skeleton import Skeleton
from simulator.robot import Robot
from simulator.sample import Labels, Sample

SCHEMA = 1
"""Version of the JSON; grows with every change that an older reader could not read."""
COMPRESSION = 3
"""Of PNGs, 0 to 9: beyond this they hardly shrink, and take longer than the rendering's labels."""
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
"""How one begins; width and height follow."""

MASK = ".mask.png"
"""What follows the key in the name of a mask's file."""


class RecordingError(JointloopError):
    """A recording, or a file of one, cannot be made or read."""


Three = tuple[float, float, float]
Four = tuple[float, float, float, float]


class Belief(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What, with pixels and visibility, rebuilds the belief map exactly: `labels.belief_map`."""

    stride: int
    """Image pixels per cell."""
    sigma: float
    """Of a peak [cells]."""
    levels: int = LEVELS
    """Values are whole multiples of 1 / levels."""


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is known of one recorded image."""

    schema: int
    key: str
    split: Split
    robot: str
    keypoints: tuple[str, ...]
    """J names."""
    pixels: tuple[tuple[float | None, float | None], ...]
    """(J, 2) [px], pixel centres at integers; null behind the camera."""
    visibility: tuple[int, ...]
    """(J,) 0 outside the frame, 1 inside but hidden, 2 visible."""
    points: tuple[Three, ...]
    """(J, 3) in the world [m]."""
    box: Four
    """x, y, width, height of the robot [px], from the image's corner; zeros where it is unseen."""
    area: float
    """Of the robot [px^2]."""
    width: int
    """Of the image [px]."""
    height: int
    K: tuple[Three, Three, Three]
    """Intrinsics [px], pixel centres at integers."""
    distortion: tuple[float, float, float, float, float]
    """Of the lens: k1, k2, p1, p2, k3 (OpenCV)."""
    T_world_camera: tuple[Four, Four, Four, Four]
    """OpenCV axes: +x right, +y down, +z forward."""
    color_space: Literal["sRGB"]
    belief: Belief
    bins: Bins
    """(D,) of the joint angles."""
    hidden: Hidden
    recipe: Recipe

    @classmethod
    def of(cls, recipe: Recipe, robot: Robot, sample: Sample) -> "Entry":
        """The entry of a sample that was made by that recipe."""
        settings, labels, hidden = recipe.settings, sample.labels, sample.hidden
        seen_by = camera(hidden.view, settings.width, settings.height)
        return cls(
            schema=SCHEMA,
            key=key_of(recipe.worker, recipe.index),
            split=hidden.provenance.split,
            robot=robot.name,
            keypoints=robot.keypoint_names,
            pixels=labels.pixels.tolist(),
            visibility=labels.visibility.tolist(),
            points=labels.points.tolist(),
            box=labels.box,
            area=labels.area,
            width=settings.width,
            height=settings.height,
            K=seen_by.K.tolist(),
            distortion=seen_by.distortion,
            T_world_camera=seen_by.T_world_camera.tolist(),
            color_space="sRGB",
            belief=Belief(settings.stride, settings.sigma),
            bins=hidden.bins,
            hidden=hidden,
            recipe=recipe.only(hidden.provenance.row),
        )

    @property
    def labels(self) -> Labels:
        """As they were when the sample was made."""
        return Labels(
            np.array(self.pixels, dtype=np.float64),  # None becomes NaN
            np.array(self.visibility, np.uint8),
            np.array(self.points),
            self.box,
            self.area,
        )

    def claims(
        self, key: str, robot: Skeleton, settings: SampleSettings
    ) -> Iterator[tuple[str, object, object]]:
        """What it says that its recording says too: a name, and both."""
        joints, size = len(robot.angles), (settings.width, settings.height)
        lengths = {len(self.pixels), len(self.visibility), len(self.points)}
        yield "key", self.key, key
        yield "robot", self.robot, robot.name
        yield "keypoints", self.keypoints, robot.keypoints
        yield "size", (self.width, self.height), size
        yield "labels of lengths", lengths, {len(robot.keypoints)}
        yield "visibility beyond 0 to 2", {*self.visibility} - {*range(VISIBLE + 1)}, set()
        yield "angles", (len(self.hidden.q), len(self.bins)), (joints, joints)
        yield "belief", self.belief, Belief(settings.stride, settings.sigma)

    def belief_map(self) -> NDArray[np.uint8]:
        """(J, height / stride, width / stride) levels, as they were when the sample was made."""
        labels, belief = self.labels, self.belief
        present = labels.visibility > OUTSIDE
        return belief_map(
            labels.pixels, present, self.width, self.height, belief.stride, belief.sigma
        )


def key_of(worker: int, index: int) -> str:
    """Name of a sample among those of one seed; sorts by index."""
    return f"{worker:04d}-{index:08d}"


def encode(entry: Entry, image: NDArray[np.uint8], mask: NDArray[np.uint8]) -> dict[str, bytes]:
    """The files of a sample, by what follows its key in their names.

    Args:
        entry: what its JSON says.
        image: (H, W, 3) RGB.
        mask: (H, W) coverage.
    """
    return {
        ".png": _png(image[..., ::-1], entry.key),
        MASK: _png(mask, entry.key),
        ".json": msgspec.json.encode(entry),
    }


def tells_the_same(end: str, data: bytes, other: bytes) -> bool:
    """Whether two files with that end of their names tell the same of a sample.

    Pictures do byte by byte. JSON written before a field was there lacks what has its default now.

    Raises:
        RecordingError: one is not as it should be.
    """
    if data == other or end != ".json":
        return data == other
    return decode(data, "the one sample") == decode(other, "the other sample")


def _png(picture: NDArray[np.uint8], key: str) -> bytes:
    done, png = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, COMPRESSION])
    if not done:
        raise RecordingError(f"sample {key}: its picture cannot be encoded as PNG")
    return png.tobytes()


_decoder = msgspec.json.Decoder(Entry)


def decode(data: bytes | memoryview, where: str) -> Entry:
    """The entry of a sample's JSON.

    Args:
        data: the JSON.
        where: what it is called in errors.

    Raises:
        RecordingError: it is no such JSON, or of another schema.
    """
    try:
        entry = _decoder.decode(data)
    except (msgspec.MsgspecError, ValueError, JointloopError) as error:
        raise RecordingError(f"{where} is no recorded sample: {error}") from None
    if entry.schema != SCHEMA:
        raise RecordingError(f"{where} has schema {entry.schema}; expected {SCHEMA}")
    return entry


def decode_image(data: bytes, where: str, size: tuple[int, int]) -> NDArray[np.uint8]:
    """(H, W, 3) RGB of a PNG.

    Args:
        data: the PNG.
        where: what it is called in errors.
        size: width and height that it must have [px].

    Raises:
        RecordingError: it is no picture, or one of another size.
    """
    return np.ascontiguousarray(_picture(data, cv2.IMREAD_COLOR, where, size)[..., ::-1])


def decode_mask(data: bytes, where: str, size: tuple[int, int]) -> NDArray[np.uint8]:
    """(H, W) coverage of a PNG; see `decode_image`.

    Raises:
        RecordingError: it is no picture, or one of another size.
    """
    return _picture(data, cv2.IMREAD_GRAYSCALE, where, size)


def _picture(data: bytes, how: int, where: str, size: tuple[int, int]) -> NDArray[np.uint8]:
    said = _size_said(data, where)
    if said != size:  # a few bytes can ask for gigabytes
        raise RecordingError(
            f"{where} is a picture of {said[0]}x{said[1]}; expected {size[0]}x{size[1]}"
        )
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), how)
    if picture is None:
        raise RecordingError(f"{where} is no picture that can be read")
    return picture.astype(np.uint8, copy=False)


def _size_said(data: bytes, where: str) -> tuple[int, int]:
    """Width and height [px] by a PNG's header."""
    if not data.startswith(PNG) or len(data) < 24:
        raise RecordingError(f"{where} is no picture that can be read")
    return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
