"""Samples as messages: five frames, topic | header | image | belief map | mask, and a seal.

The header is MessagePack and says all that is known of the image; image, belief map and mask
follow as bytes. Decoding checks every field and has limits; nothing but a `WireError` comes out of
it.
"""

import math
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from blender_scenes import spec
from simulator.labels import HIDDEN, OUTSIDE, VISIBLE, in_frame
from simulator.randomization.assignment import Count
from simulator.randomization.hidden import Hidden
from simulator.randomization.mesh_tools import stands_for
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings
from simulator.randomization.views import rows
from simulator.robot import MAX_JOINTS, MAX_KEYPOINTS, MAX_NAME, Robot
from simulator.sample import Labels, Sample
from simulator.transport.messages import SCHEMA, Identity, WireError, checked
from simulator.transport.orders import Order

HEADER_LIMIT = 128 * 1024
"""Largest header [bytes]."""
COLOR_SPACE = "sRGB"

Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
Three = tuple[spec.Finite, spec.Finite, spec.Finite]
Four = tuple[spec.Finite, spec.Finite, spec.Finite, spec.Finite]
Names = Annotated[tuple[Name, ...], Meta(max_length=MAX_KEYPOINTS)]
Pixels = Annotated[tuple[tuple[float, float], ...], Meta(max_length=MAX_KEYPOINTS)]
Points = Annotated[tuple[Three, ...], Meta(max_length=MAX_KEYPOINTS)]
Flags = Annotated[tuple[int, ...], Meta(max_length=MAX_KEYPOINTS)]


class _Version(msgspec.Struct, frozen=True):
    schema: int


class Block(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to read one frame of bytes."""

    dtype: Literal["uint8"]
    shape: Annotated[tuple[int, ...], Meta(min_length=2, max_length=3)]


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that a message says of its image."""

    schema: Annotated[int, Meta(ge=SCHEMA, le=SCHEMA)]
    robot: Name
    instance: Identity
    """Of the process that made it."""
    sequence: Count
    """Counts the messages of one instance from 0."""
    keypoints: Names
    pixels: Pixels
    """(J, 2) [px]; NaN behind the camera."""
    visibility: Flags
    points: Points
    """(J, 3) in the world [m]."""
    box: Four
    area: spec.Finite
    hidden: Hidden
    K: tuple[Three, Three, Three]
    """Intrinsics [px]."""
    T_world_camera: tuple[Four, Four, Four, Four]
    """OpenCV axes."""
    color_space: Literal["sRGB"]
    image: Block
    belief: Block
    """In levels of 1/255."""
    mask: Block
    seconds: Annotated[dict[Name, spec.Finite], Meta(max_length=32)]
    """Wall time by stage."""


_is_close = partial(math.isclose, rel_tol=1e-9, abs_tol=1e-9)
_not_finite = re.compile(
    rf"Expected `float` .= -?{re.escape(str(sys.float_info.max))} - at (`\$\.(\w+).*)"
)
_parts = {"hidden": "hidden", "K": "camera", "T_world_camera": "camera"}
_encoder = msgspec.msgpack.Encoder()
_version = msgspec.msgpack.Decoder(_Version)
_header = msgspec.msgpack.Decoder(Header)


class Frames(NamedTuple):
    """One message; image, belief map and mask share memory with their arrays."""

    topic: bytes
    header: bytes
    image: memoryview
    belief: memoryview
    mask: memoryview


@dataclass(frozen=True, eq=False)
class Received:
    """A sample as it came over the wire."""

    sample: Sample
    instance: bytes
    """Of the process that made it."""
    sequence: int
    """Counts the messages of one instance from 0."""
    maker: int | None = None
    """Id of the worker that made it, once it was entered."""
    order: Order | None = None
    """That it was made for, likewise."""

    @property
    def worker(self) -> int:
        """Id of the worker that made it: of itself, or in another's place."""
        return self.sample.hidden.provenance.worker if self.maker is None else self.maker


def topic(run: str) -> bytes:
    """What a run's messages begin with; no run's topic begins with another's."""
    return run.encode() + b"\0"


class Codec:
    """Turns the samples of one run into frames and back.

    Args:
        run: id of the run.
        settings: shape of its samples.
        robot: whose keypoints and joints they show.
        prior: any of the run's priors; its ranges bound the joint angles.
    """

    def __init__(self, run: str, settings: SampleSettings, robot: Robot, prior: JointPrior) -> None:
        self._keypoints, stride = robot.keypoint_names, settings.stride
        self.topic = topic(run)
        self._settings = settings
        self._robot = robot
        distractors = settings.variety.distractors
        self._others = () if distractors is None else distractors.robots
        dress = settings.variety.dress
        self._tools = () if dress is None else dress.tool_mesh
        self._lower: list[float] = prior.lower.tolist()
        self._width: list[float] = ((prior.upper - prior.lower) / settings.bins).tolist()
        self._image = Block("uint8", (settings.height, settings.width, 3))
        self._belief = Block(
            "uint8", (len(self._keypoints), settings.height // stride, settings.width // stride)
        )
        self._mask = Block("uint8", (settings.height, settings.width))

    @property
    def largest_frame(self) -> int:
        """Size of the largest frame of a message [bytes]."""
        return max(math.prod(self._image.shape), math.prod(self._belief.shape), HEADER_LIMIT)

    def encode(self, sample: Sample, instance: bytes, sequence: int) -> Frames:
        """The frames of a sample. Its arrays must not be written to afterwards."""
        labels, hidden, settings = sample.labels, sample.hidden, self._settings
        K, T_world_camera = rows(hidden.view, settings.width, settings.height)
        header = Header(
            schema=SCHEMA,
            robot=self._robot.name,
            instance=instance,
            sequence=sequence,
            keypoints=self._keypoints,
            pixels=labels.pixels.tolist(),
            visibility=labels.visibility.tolist(),
            points=labels.points.tolist(),
            box=labels.box,
            area=labels.area,
            hidden=hidden,
            K=K,
            T_world_camera=T_world_camera,
            color_space=COLOR_SPACE,
            image=self._image,
            belief=self._belief,
            mask=self._mask,
            seconds=dict(sample.seconds),
        )
        arrays = map(np.ascontiguousarray, (sample.image, sample.belief, sample.mask))
        return Frames(self.topic, _encoder.encode(header), *(array.data for array in arrays))

    def decode(self, frames: Sequence[Any]) -> Received:
        """The sample of a message; its arrays are read-only and share the frames' memory.

        Args:
            frames: bytes, or whatever shows them as a buffer.

        Raises:
            WireError: it is no message of this run, with a short reason to count by.
        """
        if len(frames) != len(Frames._fields):
            raise WireError("frames", f"{len(frames)} frames; expected {len(Frames._fields)}")
        if bytes(frames[0][:256]) != self.topic:
            raise WireError("run", f"topic {bytes(frames[0][:64])!r}; expected {self.topic!r}")
        header = _read(frames[1])
        self._check_shapes(header)
        labels = self._labels(header)
        self._check_hidden(header.hidden)
        self._check_camera(header)
        sample = Sample(
            image=_array(frames[2], header.image),
            belief=_array(frames[3], header.belief),
            mask=_array(frames[4], header.mask),
            labels=labels,
            hidden=header.hidden,
            seconds=header.seconds,
        )
        return Received(sample, header.instance, header.sequence)

    def _check_shapes(self, header: Header) -> None:
        names, joints = self._keypoints, len(self._lower)
        lengths = {len(header.pixels), len(header.visibility), len(header.points)}
        checks = (
            ("robot", header.robot, self._robot.name),
            ("keypoints", header.keypoints, names),
            ("labels", lengths, {len(names)}),
            ("hidden", (len(header.hidden.q), len(header.hidden.bins)), (joints, joints)),
            ("image", header.image, self._image),
            ("belief", header.belief, self._belief),
            ("mask", header.mask, self._mask),
        )
        for reason, value, expected in checks:
            if value != expected:
                raise WireError(reason, f"{value}; expected {expected}")

    def _labels(self, header: Header) -> Labels:
        """The labels of a header, which can be."""
        width, height = self._settings.width, self._settings.height
        if not {*header.visibility} <= {OUTSIDE, HIDDEN, VISIBLE}:
            raise WireError("labels", f"visibility {header.visibility}; expected 0, 1 or 2")
        visibility, pixels = np.array(header.visibility, np.uint8), np.array(header.pixels)
        if ((visibility > OUTSIDE) & ~in_frame(pixels, width, height)).any():
            raise WireError("labels", "a keypoint counts as in the frame but is not")
        x, y, w, h = header.box
        if not (min(header.box) >= 0 and x + w <= width and y + h <= height):
            raise WireError("labels", f"box {header.box} leaves the {self._settings.size} image")
        if not 0 <= header.area <= width * height:
            raise WireError("labels", f"area {header.area} of a {self._settings.size} image")
        return Labels(pixels, visibility, np.array(header.points), header.box, header.area)

    def _check_hidden(self, hidden: Hidden) -> None:
        settings = self._settings
        source = hidden.provenance
        if not all(0 <= n < 2**63 for n in vars(source).values() if isinstance(n, int)):
            raise WireError("hidden", f"provenance {source} counts out of range")
        if not all(0 <= k < settings.bins for k in hidden.bins):
            raise WireError("hidden", f"bins {hidden.bins} are not all in 0 to {settings.bins - 1}")
        placed = zip(hidden.q, self._lower, self._width, hidden.bins, strict=True)
        if not all(-1e-9 < (q - low) / wide - k < 1 + 1e-9 for q, low, wide, k in placed):
            raise WireError("hidden", f"q {hidden.q} does not lie in bins {hidden.bins}")
        self._check_surroundings(hidden)

    def _check_surroundings(self, hidden: Hidden) -> None:
        if hidden.environment.hdri not in spec.HDRIS:
            raise WireError("hidden", f"environment {hidden.environment.hdri!r} is no known HDRI")
        theme, image = hidden.background.theme, hidden.background.image
        if not (_is_below(image) if theme == "photos" else image in spec.THEMES[theme]):
            raise WireError("hidden", f"background {image[:64]!r} is no picture of theme {theme}")
        if not 0 <= hidden.background.clutter < spec.CLUTTERS:
            raise WireError("hidden", f"clutter {hidden.background.clutter} is no seed")
        if hidden.tool is not None and not stands_for(self._tools, hidden.tool.name):
            raise WireError("hidden", f"tool {hidden.tool.name[:64]!r} is none of {self._tools}")
        for other in hidden.others:
            if len(other.q) > MAX_JOINTS:
                raise WireError("hidden", f"another robot has {len(other.q)} joints")
            if other.name not in self._others:
                raise WireError("hidden", f"robot {other.name[:64]!r} is none of {self._others}")

    def _check_camera(self, header: Header) -> None:
        K, T_world_camera = rows(header.hidden.view, self._settings.width, self._settings.height)
        given = chain(*header.K, *header.T_world_camera)
        own = chain(*K, *T_world_camera)
        if not all(map(_is_close, given, own)):
            raise WireError("camera", "K and T_world_camera are not those of the view")


def _read(frame: Any) -> Header:
    try:
        return checked(_header.decode, frame, HEADER_LIMIT, "header")
    except WireError as error:
        if (schema := checked(_version.decode, frame, HEADER_LIMIT, "header").schema) != SCHEMA:
            raise WireError("schema", f"schema {schema}; expected {SCHEMA}") from None
        if (found := _not_finite.fullmatch(error.detail)) is None:
            raise
        where, part = found.groups()
        raise WireError(_parts.get(part, "labels"), f"{where} is not finite") from None


def _array(frame: Any, block: Block) -> NDArray[np.uint8]:
    data = np.frombuffer(frame, np.uint8)
    if data.size != math.prod(block.shape):
        raise WireError("size", f"block of {data.size} bytes; its shape is {block.shape}")
    return data.reshape(block.shape)


def _is_below(path: str) -> bool:
    """Whether it names a file in a folder or in one below, and nothing outside of it."""
    plain = "\0" not in path and not {"", ".", ".."} & set(path.split("/"))
    return plain and len(path.encode(errors="replace")) <= spec.MAX_PATH
