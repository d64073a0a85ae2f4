"""Videos, read and written by FFmpeg through PyAV, whose wheels bring FFmpeg along.

Read: every frame in RGB, turned as the container says, with the time it is shown at.
Written: H.264 in MP4, with the index in front, which browsers and other players take; frames keep
their times, so a variable rate stays what it was.

PyAV is BSD and its FFmpeg LGPL; x264, which the wheels bring too and which is used where it is
there, is GPL. Nothing of them is part of this project or linked to it: they are installed beside
it, as Blender is. Where an FFmpeg lacks x264, Cisco's OpenH264 (BSD) or VP9 (BSD) takes its place.
"""

import contextlib
import errno
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from jointloop.common.files import FileError, part_of, put_in_place, shown
from trainer.inference.media import MediaError

Image = NDArray[np.uint8]

ENCODERS: dict[str, dict[str, str]] = {
    "libx264": {"crf": "20", "preset": "veryfast"},
    "libopenh264": {"b": "6M"},
    "libvpx-vp9": {"crf": "30", "b": "0", "deadline": "realtime", "cpu-used": "6"},
}
"""Encoders and their options; the first that this FFmpeg has is taken."""
RATE = Fraction(25)
"""Frames per second where a video does not say."""
FASTEST = 1000
"""Frames per second that are believed."""
TICKS = 90_000
"""At least so many in a second of a written video: how finely frames are placed."""
MILLISECOND = Fraction(1, 1000)
BT709, LIMITED, FULL = 1, 1, 2
"""FFmpeg's numbers for colour spaces and ranges."""

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
"""What ails a disk, not a video."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a video."""

    image: Image
    """RGB (H, W, 3)."""
    time: Fraction
    """When it is shown, since the first one [s]; increases from frame to frame."""


class Video:
    """A video file that is open for reading."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            MediaError: it cannot be read, or is no video.
        """
        with contextlib.ExitStack() as opened:
            try:
                # An open file, since FFmpeg takes names with a colon for addresses.
                file = opened.enter_context(path.open("rb"))
            except OSError as error:
                raise MediaError(f"{shown(path)}: {error.strerror}") from None
            try:
                container = opened.enter_context(av.open(file, metadata_errors="replace"))
            except (FFmpegError, OSError):  # an empty file is an argument that the system refuses
                raise MediaError(f"{shown(path)} is no video that can be read") from None
            self._container = cast(InputContainer, container)
            stream = self._container.streams.best("video")
            if not isinstance(stream, VideoStream):
                raise MediaError(f"{shown(path)} holds no pictures; wanted a video")
            kind = self._container.format.name
            if kind.endswith("_pipe") or kind == "image2":
                raise MediaError(f"{shown(path)} holds a picture; wanted a video")
            self._stream = stream
            self._open = opened.pop_all()
        self.rate = _believed(stream.average_rate, stream.guessed_rate)
        """Frames per second, on average."""
        seconds = (self._container.duration or 0) / 1e6
        self.frames = stream.frames or round(seconds * self.rate)
        """How many there are, as far as the file says; 0 where it does not."""
        self.damaged = False
        """Whether something could not be decoded, as far as it was read."""

    def __enter__(self) -> "Video":
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def batches(self, size: int) -> Iterator[list[Frame]]:
        """All frames that can be decoded, that many at once."""
        batch: list[Frame] = []
        for frame in self._timed():
            batch.append(frame)
            if len(batch) == size:
                yield batch
                batch = []
        if batch:
            yield batch

    def _timed(self) -> Iterator[Frame]:
        """Frames and times that increase, also where the file's do not."""
        first, last = None, None
        for frame in self._decoded():
            said = None if frame.pts is None else Fraction(frame.pts) * (frame.time_base or 1)
            first = said if first is None else first
            time = None if said is None or first is None else _steady(said - first, self.rate)
            if last is not None and (time is None or time <= last):
                time = last + 1 / self.rate
            last = time or Fraction(0)
            yield Frame(_upright(frame), last)

    def _decoded(self) -> Iterator[VideoFrame]:
        """Frames of all packets that can be decoded, as players do."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except FFmpegError:  # cut off: what the decoder still holds ends it
                self.damaged = True
                packet = None
            try:
                yield from self._stream.decode(packet)
            except EOFError:
                return
            except FFmpegError:
                self.damaged = True
            if packet is None:
                return


class VideoFile:
    """A video that is being written, beside its place; it gets its name when all went well."""

    def __init__(self, path: Path, rate: Fraction = RATE) -> None:
        """Write nothing yet.

        Args:
            path: a name that ends in .mp4.
            rate: frames per second, for frames without a time.
        """
        self.path, self._rate = path, _believed(rate)
        self._container: OutputContainer | None = None
        self._last: Fraction | None = None

    def __enter__(self) -> "VideoFile":
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        try:
            if self._container and kind is None:
                with self._named():
                    self._container.mux(self._stream.encode(None))
                    self._container.close()
                    put_in_place(self.path, durable=False)
        finally:
            if self._container:
                with contextlib.suppress(FFmpegError, OSError):
                    self._container.close()
            part_of(self.path).unlink(missing_ok=True)

    def add(self, image: Image, time: Fraction | None = None) -> None:
        """Append a frame.

        Args:
            image: RGB (H, W, 3); it is brought to the size of the first one. An odd side gets one
                pixel more: colours are stored for two by two pixels.
            time: when it is shown [s], after the one before; by default as the rate says.

        Raises:
            MediaError: it cannot be encoded, or not be written there.
            FileError: the disk takes no more.
        """
        if time is None:
            time = Fraction(0) if self._last is None else self._last + 1 / self._rate
        self._last = time
        if self._container is None:
            self._size = image.shape[1], image.shape[0]
        with self._named():
            self._encode(image, time, self._container or self._begin())

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """FFmpeg's errors, as one line that names the file."""
        try:
            yield
        except (FFmpegError, OSError) as error:
            if error.errno in NO_ROOM:
                raise FileError(f"cannot write {shown(self.path)}: {error.strerror}") from error
            size = "x".join(map(str, self._size))
            raise MediaError(
                f"{shown(self.path)} cannot be written as a video of {size}: {error.strerror}"
            ) from error

    def _begin(self) -> OutputContainer:
        # `file:`, since FFmpeg takes names with a colon for addresses.
        options = {"movflags": "faststart"}
        opened = av.open(f"file:{part_of(self.path)}", "w", format="mp4", options=options)
        container = self._container = cast(OutputContainer, opened)
        encoder = next((name for name in ENCODERS if name in av.codecs_available), None)
        if encoder is None:
            raise MediaError(f"FFmpeg has none of the encoders {', '.join(ENCODERS)}")
        stream = container.add_stream(encoder, rate=self._rate, options=ENCODERS[encoder])
        self._stream = cast(VideoStream, stream)
        context = self._stream.codec_context
        context.width, context.height = (side + side % 2 for side in self._size)
        context.pix_fmt = "yuv420p"  # the one that every player takes
        context.time_base = Fraction(1, self._ticks)
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED
        return container

    @property
    def _ticks(self) -> int:
        """Per second; a whole number of them between frames of the rate."""
        return self._rate.numerator * -(-TICKS // self._rate.numerator)

    def _encode(self, image: Image, time: Fraction, container: OutputContainer) -> None:
        if (image.shape[1], image.shape[0]) != self._size:
            image = cv2.resize(image, self._size).astype(np.uint8, copy=False)
        even = ((0, image.shape[0] % 2), (0, image.shape[1] % 2), (0, 0))
        rgb = VideoFrame.from_ndarray(np.pad(image, even, mode="edge"), format="rgb24")
        frame = rgb.reformat(
            format="yuv420p",
            dst_colorspace=BT709,
            src_color_range=FULL,
            dst_color_range=LIMITED,
        )
        frame.pts, frame.time_base = round(time * self._ticks), Fraction(1, self._ticks)
        frame.duration = round(self._ticks / self._rate)
        container.mux(self._stream.encode(frame))


def _believed(*rates: Fraction | None) -> Fraction:
    """The first rate that a video may have, without an average's crumbs."""
    near = [Fraction(rate or 0).limit_denominator(1001) for rate in rates]  # as in 30000/1001
    return next((rate for rate in near if 0 < rate <= FASTEST), RATE)


def _steady(time: Fraction, rate: Fraction) -> Fraction:
    """A time as the rate has it, where a container that counts milliseconds rounded it."""
    exact = round(time * rate) / rate
    return exact if abs(exact - time) <= MILLISECOND else time


def _upright(frame: VideoFrame) -> Image:
    """RGB (H, W, 3), turned as its container says."""
    image = frame.to_ndarray(format="rgb24")
    turned = np.rot90(image, round(frame.rotation / 90))
    return np.ascontiguousarray(turned).astype(np.uint8, copy=False)
