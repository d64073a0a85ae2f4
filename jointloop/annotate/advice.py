"""The detector's first guess, and what the robot's kinematics make of a person's marks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from jointloop.annotate.book import Page, places
from jointloop.annotate.photos import Photo
from simulator.robot import Robot
from trainer.pose.marks.explain import Explained, explain
from trainer.pose.marks.faults import Fault, faults_of, people_err, proposed
from trainer.pose.marks.many import Eye, Guesses
from trainer.pose.problem import Lens
from trainer.pose.shots import Shot

if TYPE_CHECKING:
    from trainer.inference.closer import Closer


@dataclass(frozen=True)
class Guess:
    """What a detector finds in one picture."""

    pixels: list[tuple[float, float] | None]
    """J places [px]; None where it finds none."""
    scores: list[float]
    """(J,)."""

    @property
    def sure(self) -> float:
        """Mean score: 0 where nothing is found."""
        return float(np.mean(self.scores))


def guessed(closer: "Closer", photo: Photo, threshold: float) -> Guess:
    """What a detector finds.

    Raises:
        JointloopError: the picture cannot be read.
    """
    look = closer.look(photo.load())
    found = (look.scores >= threshold) & np.isfinite(look.pixels).all(axis=1)
    rows = zip(look.pixels.tolist(), found.tolist(), strict=True)
    places = [(float(at[0]), float(at[1])) if seen else None for at, seen in rows]
    return Guess(places, np.where(found, look.scores, 0.0).round(3).tolist())


def order(guesses: Sequence[Guess | None]) -> list[int]:
    """Pictures by how unsure the detector is, those it did not look at in their order."""
    sure = [0.0 if one is None else one.sure for one in guesses]
    return sorted(range(len(guesses)), key=lambda i: sure[i])


@dataclass
class Kinematics:
    """Fits the robot to marks, beginning where it stood the last time."""

    robot: Robot
    photos: Sequence[Photo]
    lens: Lens | None = None
    """Of all photos, where it is known."""
    _last: dict[tuple[str, int], Guesses] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def advise(self, by: str, number: int, page: Page, quick: bool) -> dict[str, Any]:
        """What the marks of one picture come to, ready for the page.

        Args:
            by: whose marks they are.
            number: of the picture.
            page: the marks.
            quick: while a mark is dragged: which one is wrong is not searched for.
        """
        photo = self.photos[number]
        pixels = places(page.pixels)
        shot = Shot(photo.name, photo.load, pixels, np.isfinite(pixels[:, 0]).astype(float))
        size = (photo.width, photo.height)
        eye = Eye.unknown(*size) if self.lens is None else Eye(self.lens)
        with self._lock:
            warm = self._last.get((by, number))
        std = people_err(self.robot, shot) if shot.weights.any() else np.ones(len(pixels))
        found = explain(self.robot, eye, pixels, std, warm=warm, quick=quick)
        if np.isfinite(found.guess.squares[0]) and found.guess.squares[0] > 0:
            with self._lock:
                self._last[by, number] = found.guess
        told = self._told(found, shot, size)
        return told | {"faults": []} if quick else told

    def _told(self, found: Explained, shot: Shot, size: tuple[int, int]) -> dict[str, Any]:
        faults: list[Fault] = faults_of(self.robot, found)
        red = {name for fault in faults for name in fault.keypoints}
        spots = proposed(self.robot, found, shot, size)
        checked = found.spare > 0
        return {
            "checked": checked,
            "faults": [fault.text for fault in faults],
            "red": [name in red for name in self.robot.keypoint_names],
            "residuals": [_plain(r) for r in found.residuals.tolist()],
            "proposed": [_at(spots.get(name, ())[:2]) for name in self.robot.keypoint_names],
            "pose": [_at(at) for at in found.pixels.tolist()] if checked else [],
        }


def _plain(number: float) -> float | None:
    return round(number, 2) if np.isfinite(number) else None


def _at(place: Sequence[float]) -> list[float] | None:
    if not len(place) or not np.isfinite(place).all():
        return None
    return [round(float(v), 2) for v in place]
