"""The pictures to be marked: of files and folders, or frames of a video."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from blender_scenes.pictures import PhotoError
from jointloop.annotate.errors import AnnotateError
from jointloop.common.files import shown
from jointloop.common.folders import make_folder
from simulator.drawing.drawing import write_png
from trainer.inference.media import Image, Medium, find, picture

QUALITY = 95
"""Of the JPEG that a browser gets."""


@dataclass(frozen=True)
class Photo:
    """One picture."""

    path: Path
    name: str
    """That the file of labels calls it by: its path from that file, where it lies below it."""
    width: int
    """[px], upright."""
    height: int

    def load(self) -> Image:
        """(H, W, 3) RGB, upright.

        Raises:
            PhotoError: it cannot be read any more.
        """
        return picture(self.path)

    def jpeg(self) -> bytes:
        """The picture as a browser shows it."""
        image = np.ascontiguousarray(self.load()[..., ::-1])
        return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def photos_of(
    inputs: Sequence[Path], out: Path, every: int, say: Callable[[str], None]
) -> list[Photo]:
    """The pictures that files, folders and videos hold; those that cannot be read are said.

    Args:
        inputs: files and folders.
        out: the file of labels: frames of a video are written into a folder beside it.
        every: one frame of so many is taken.
        say: takes lines.

    Raises:
        AnnotateError: none can be read, or two would have the same name.
    """
    photos: list[Photo] = []
    for medium in find(inputs, say):
        paths = _frames(medium, out, every, say) if medium.is_video else [medium.path]
        for path in paths:
            try:
                height, width = picture(path).shape[:2]
            except PhotoError as error:
                say(f"{error}; it is skipped")
                continue
            photos.append(Photo(path, _name(path, out), width, height))
    if not photos:
        raise AnnotateError("none of the pictures can be read")
    return photos


def _name(path: Path, out: Path) -> str:
    try:
        return shown(path.resolve().relative_to(out.parent.resolve()))
    except ValueError:
        return shown(path.resolve())


def _frames(medium: Medium, out: Path, every: int, say: Callable[[str], None]) -> list[Path]:
    """Frames of a video as PNGs beside the labels, written where they are not there yet."""
    from trainer.inference.video import Video

    folder = make_folder(out.with_name(f"{out.stem}-{medium.key}-frames"))
    paths = []
    with Video(medium.path) as video:
        frames = (frame for batch in video.batches(1) for frame in batch)
        for number, frame in enumerate(frames):
            if number % every == 0:
                paths.append(folder / f"{number:06d}.png")
                if not paths[-1].exists():
                    write_png(frame.image, paths[-1])
    say(f"{medium.name}: {len(paths)} frames in {folder}")
    return paths
