"""Keypoints of a user's pictures and videos, written into a folder.

keypoints.csv          one line per keypoint, for people and spreadsheets
coco_keypoints.json    COCO's results format, one entry per image or frame
KEY.png, KEY.mp4       the picture or video with what was found drawn into it; frames keep their
                       times
KEY.beliefs.png        every keypoint's belief map before the part of the picture that was looked at
                       last, on request

Pixel centres lie at integers. Every file gets its name when it is whole; what was found before an
interruption is written all the same.
"""

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from blender_scenes.pictures import PhotoError
from jointloop.common.files import shown, write_text
from jointloop.common.folders import new_folder
from simulator.drawing.captions import PAPER, belief_panels, draw_names
from simulator.drawing.drawing import PREDICTED_COLOUR, draw_skeleton, write_png
from simulator.labels import OUTSIDE, VISIBLE
from trainer.beliefs.decode import FOUND
from trainer.inference.closer import Closer, Look
from trainer.inference.detector import CHUNK, Detector
from trainer.inference.media import BELIEFS, Image, MediaError, Medium, picture
from trainer.inference.video import Video, VideoFile

COLUMNS = ("image_id", "file", "frame", "keypoint", "x", "y", "score", "found")


@dataclass(frozen=True)
class Options:
    """How to look, and what to keep."""

    scales: tuple[float, ...] = (1.0,)
    """Sizes at which an image is looked at; beliefs are averaged."""
    threshold: float = FOUND
    """Score from which a keypoint counts as found."""
    beliefs: bool = False
    """Keep the belief maps of pictures."""
    zoom: bool = True
    """Look again at the part of an image that shows the robot, where that is small."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.threshold <= 1.0:
            raise MediaError(f"threshold is {self.threshold}; expected 0 to 1")


class Predictions:
    """What was found, growing image by image, and the folder it goes to."""

    def __init__(self, detector: Detector, folder: Path, options: Options) -> None:
        """Take a folder.

        Raises:
            FileError: it holds something already, or cannot be written.
        """
        self.folder = new_folder(folder)
        self._closer, self._options = Closer(detector, options.zoom), options
        self._rows: list[list[Any]] = []
        self._results: list[dict[str, Any]] = []

    @property
    def count(self) -> int:
        """Images and frames so far."""
        return len(self._results)

    def add(self, medium: Medium, update: Callable[[str], None]) -> str:
        """Find the keypoints of one picture or video; returns a line for the user.

        Raises:
            MediaError: a video cannot be read, or not be written.
            PhotoError: a picture cannot be read.
        """
        return self._video(medium, update) if medium.is_video else self._picture(medium)

    def write(self) -> list[Path]:
        """Write keypoints.csv and coco_keypoints.json; returns their paths."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows(self._rows)
        paths = [self.folder / "keypoints.csv", self.folder / "coco_keypoints.json"]
        write_text(paths[0], text.getvalue())
        write_text(paths[1], json.dumps(self._results, indent=1, allow_nan=False) + "\n")
        return paths

    def _picture(self, medium: Medium) -> str:
        image = picture(medium.path)
        look = self._closer.look(image, self._options.scales)
        drawn = self._keep(medium, None, image, look)
        write_png(drawn, self.folder / f"{medium.key}.png")
        if self._options.beliefs:
            names, (left, top, right, bottom) = self._closer.info.keypoints, look.window
            captions = [f"{n} {s:.2f}" for n, s in zip(names, look.scores, strict=True)]
            part, pixels = image[top:bottom, left:right], look.pixels - (left, top)
            panels = belief_panels(part, look.beliefs, pixels, captions)
            write_png(panels, self.folder / f"{medium.key}{BELIEFS}.png")
        found = int((look.scores >= self._options.threshold).sum())
        line = f"{medium.name}: {found} of {look.scores.size} keypoints found"
        return line if look.shows_robot else f"{line}, too few of them sure enough for a robot"

    def _video(self, medium: Medium, update: Callable[[str], None]) -> str:
        done, found, look = 0, 0, None
        path = self.folder / f"{medium.key}.mp4"
        with Video(medium.path) as video, VideoFile(path, video.rate) as overlay:
            for frames in video.batches(CHUNK):
                for frame in frames:
                    look = self._closer.look(frame.image, self._options.scales, look)
                    overlay.add(self._keep(medium, done, frame.image, look), frame.time)
                    found += int((look.scores >= self._options.threshold).sum())
                    done += 1
                update(f"{medium.name}: frame {done} of {max(video.frames, done)}")
        if not done:
            raise MediaError(f"{medium.name} is a video without a frame that can be read")
        joints = len(self._closer.info.keypoints)
        line = f"{medium.name}: {done} frames, {found} of {done * joints} keypoints found"
        return line + ("; it is damaged, these are the frames that can be read" * video.damaged)

    def _keep(self, medium: Medium, frame: int | None, image: Image, look: Look) -> Image:
        """Note one image's keypoints; returns it with them drawn in."""
        info, number = self._closer.info, len(self._results) + 1
        pixels, scores = look.pixels.round(3).tolist(), look.scores.round(5).tolist()
        found = look.scores >= self._options.threshold
        where = {} if frame is None else {"frame": frame}
        self._results.append(
            {
                "image_id": number,
                "file_name": medium.name,
                **where,
                "category_id": 1,
                "keypoints": [
                    value
                    for (x, y), there in zip(pixels, found, strict=True)
                    for value in (x, y, VISIBLE if there else OUTSIDE)
                ],
                "keypoint_scores": scores,
                "score": look.sure,
            }
        )
        self._rows += [
            [number, medium.name, "" if frame is None else frame, name, *pixel, score, int(there)]
            for name, pixel, score, there in zip(info.keypoints, pixels, scores, found, strict=True)
        ]
        seen = np.where(found, VISIBLE, OUTSIDE)
        drawn = draw_skeleton(image, look.pixels, seen, info.skeleton, PREDICTED_COLOUR)
        return draw_names(drawn, look.pixels, found, info.keypoints, PAPER)


def predict(
    detector: Detector,
    media: Sequence[Medium],
    folder: Path,
    options: Options,
    say: Callable[[str], None],
    update: Callable[[str], None] = lambda line: None,
) -> Predictions:
    """Find the keypoints of pictures and videos and write them into a folder.

    What cannot be read is named and skipped.

    Args:
        detector: that looks.
        media: what it looks at.
        folder: new or empty.
        options: how to look, and what to keep.
        say: takes lines that stay.
        update: takes lines that the next one replaces.

    Raises:
        MediaError: none of a folder's or of all pictures and videos can be read.
        RecordingError: the folder holds something already, or cannot be written.
    """
    fresh = not folder.exists()
    predictions = Predictions(detector, folder, options)
    readable = dict.fromkeys((medium.given for medium in media), 0)
    try:
        for medium in media:
            try:
                say(predictions.add(medium, update))
                readable[medium.given] += 1
            except (PhotoError, MediaError) as error:
                say(f"{error}; it is skipped")
    finally:
        if predictions.count:
            predictions.write()
    if fresh and not predictions.count:
        folder.rmdir()
    for given, count in readable.items():
        if not count and (given.is_dir() or not predictions.count):
            inside = "nothing in it can be read" if given.is_dir() else "it cannot be read"
            raise MediaError(f"{shown(given)}: {inside}")
    return predictions
