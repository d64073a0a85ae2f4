"""What makes a sample again, byte for byte: settings, prior, place in the draws, engine, versions.

Recipe -> SampleMaker(settings, engine) -> sample(worker, index, assignment) -> same PNGs and JSON
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec.structs import asdict

from blender_scenes.spec import Device, Engine
from jointloop.common.versions import installed
from simulator.randomization.assignment import Assignment
from simulator.randomization.settings import SampleSettings

PACKAGES = ("jointloop", "numpy", "opencv-python-headless", "example-robot-data")
"""Whose versions may change what a sample is; Blender's beside them where it makes the images."""


@dataclass(frozen=True)
class Listing:
    """A folder of pictures, told from others without keeping its path."""

    count: int
    sha256: str
    """Of the names and sizes of its pictures, hexadecimal."""

    def __str__(self) -> str:
        return f"{self.count} pictures with digest {self.sha256[:8]}"

    @classmethod
    def of(cls, folder: Path, names: Iterable[str]) -> "Listing":
        """The listing of those pictures of a folder."""
        lines = [f"{name}\0{(folder / name).stat().st_size}\n" for name in sorted(names)]
        return cls(len(lines), hashlib.sha256("".join(lines).encode()).hexdigest())


class Rendering(msgspec.Struct, frozen=True):
    """How images are made, beside what they show."""

    engine: Engine
    spp: int = msgspec.field(name="samples")
    """Cycles' samples per pixel; files call them samples."""
    detail: float | None
    """Share of the robot's triangles that are kept; None with an engine that has none."""
    backgrounds: Listing | None
    """The user's pictures."""
    versions: dict[str, str]
    """Of the packages that take part."""
    device: Device = "cpu"
    """That Cycles computes on; the same bytes are made on the CPU alone."""
    shading: int | msgspec.UnsetType = msgspec.UNSET
    """See `blender_scenes.spec.SHADING`; sticks have none, and the first wrote none."""

    def differences(self, other: "Rendering") -> list[str]:
        """What differs, in words; `self` is what is wanted, `other` what is here."""
        then, now = (
            {name: value for name, value in asdict(r).items() if name != "versions"}
            | {"shading": 1 if r.shading is msgspec.UNSET else r.shading}
            | r.versions
            for r in (self, other)
        )
        names = {**then, **now}
        return [
            f"{name} {then.get(name)}, here {now.get(name)}"
            for name in names
            if then.get(name) != now.get(name)
        ]


class Recipe(msgspec.Struct, frozen=True):
    """All that a sample follows from."""

    worker: int
    index: int
    assignment: Assignment = msgspec.field(name="terms")
    """What it was drawn from."""
    settings: SampleSettings
    rendering: Rendering

    def only(self, row: int | None) -> "Recipe":
        """This recipe with that row of a bank alone; see `Assignment.only`."""
        return msgspec.structs.replace(self, assignment=self.assignment.only(row))


def versions(engine: Engine) -> dict[str, str]:
    """Versions of the packages that take part in making a sample here."""
    names = PACKAGES if engine == "stick" else (*PACKAGES, "bpy")
    return {name: installed(name) for name in names}
