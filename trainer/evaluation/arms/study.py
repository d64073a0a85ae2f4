"""What is compared, and the folder that keeps it.

study.json            the settings; what is there of others is refused
rows/ARM-PAIR.jsonl   one training, a line per epoch; written when it is whole
trainings.csv         all of them
outcome.json, outcome.md, curves.svg
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from msgspec import Meta

from jointloop.common.difference import difference
from jointloop.common.errors import JointloopError
from jointloop.common.files import write_json, write_text
from jointloop.common.folders import make_folder
from jointloop.common.lines import LinesError, read_lines
from jointloop.common.nearest import nearest
from jointloop.common.settings import Checked, ConfigError, Positive, read
from simulator.randomization.settings import SampleSettings, parse_size
from trainer.config.config import Config
from trainer.config.presets import preset

Arm = Literal[
    "uniform", "aa", "random", "high-loss", "expected", "poses", "stratified", "adversarial"
]
ARMS: tuple[Arm, ...] = get_args(Arm)
"""aa is uniform once more, by other random numbers; the others are rules, and poses is what is
expected, drawn itself."""
CONTROLS: tuple[Arm, ...] = ("uniform", "aa")
"""What every arm is compared with."""
FILE, ROWS, TABLE = "study.json", "rows", "trainings.csv"


class StudyError(JointloopError):
    """Arms cannot be compared, or a folder holds another comparison."""


@dataclass(frozen=True)
class Study(Checked, where="study"):
    """What all trainings of a comparison have in common."""

    target: str = "uniform"
    """What the detector is judged on: uniform, workcell, or the name of a log."""
    digest: str = ""
    """Of the log's poses."""
    engine: Literal["stick", "recorded"] = "stick"
    """Where images come from."""
    recording: str = ""
    """Digest of its description."""
    robot: str = "ur10"
    """Name of the robot, or path of its TOML description."""
    size: str = "64x48"
    """Of the images."""
    bins: Annotated[int, Meta(ge=2, le=256)] = 16
    """K."""
    samples: Positive = 9600
    """Of one training."""
    epochs: Positive = 12
    """Looks at the held-out set."""
    held_out: Positive = 200
    """Samples that rules look at, others for each pair."""
    test: Positive = 400
    """Samples that arms are judged on, the same for all."""
    select: Annotated[float, Meta(ge=0, le=1)] = 0.1
    """Share of the held-out set that high-loss and random select."""
    jitter: Annotated[float, Meta(ge=0, le=10)] = 0.5
    """Of arm poses: the share of a bin by which an angle moves at most, either way."""
    seed: Annotated[int, Meta(ge=0, le=2**31)] = 0
    """Of everything."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.epoch_samples < self.config.batch_size:
            raise ConfigError(
                f"samples is {self.samples} in {self.epochs} epochs; expected at least a batch of "
                f"{self.config.batch_size} in each"
            )

    @property
    def epoch_samples(self) -> int:
        """Samples of one epoch, whole batches."""
        batch = self.config.batch_size
        return self.samples // self.epochs // batch * batch

    @property
    def config(self) -> Config:
        """Of every training: preset tiny with a narrower network, which minutes of one core fit."""
        width, height = parse_size(self.size)
        tiny = preset("tiny")
        network = replace(tiny.network, widths=(8, 32, 32), stages=1, width=32, head=64)
        settings = SampleSettings(
            robot=self.robot, width=width, height=height, sigma=1.0, bins=self.bins
        )
        return replace(tiny, settings=settings, network=network)


@dataclass(frozen=True)
class StudyFolder:
    """The folder of a study."""

    folder: Path

    def begin(self, study: Study) -> None:
        """Keep the study's settings, or see that they are those that are kept.

        Raises:
            StudyError: the folder holds other files, or a study of other settings.
        """
        path = self.folder / FILE
        if path.is_file():
            if other := difference(self.study(), study):
                name, own, wanted = other
                raise StudyError(
                    f"{self.folder} holds a study with {name} {own!r}, not {wanted!r}; choose "
                    "another folder, or leave that out"
                )
            return
        if self.folder.exists() and any(self.folder.iterdir()):
            raise StudyError(f"{self.folder} holds other files; choose another folder")
        make_folder(self.folder / ROWS)
        write_json(path, asdict(study))

    def study(self) -> Study:
        """The study that is kept.

        Raises:
            StudyError: there is none, or it cannot be read.
        """
        path = self.folder / FILE
        try:
            return read(Study, json.loads(path.read_bytes()), "study")
        except (OSError, ValueError, ConfigError) as error:
            raise StudyError(f"{path} is no study: {error}") from None

    def path(self, arm: str, pair: int) -> Path:
        """Of one training."""
        return self.folder / ROWS / f"{arm}-{pair:04d}.jsonl"

    def keep(self, arm: str, pair: int, rows: list[dict[str, Any]]) -> None:
        """Keep one training, whole."""
        make_folder(self.folder / ROWS)
        write_text(self.path(arm, pair), "".join(json.dumps(row) + "\n" for row in rows))

    def rows(self, arms: tuple[Arm, ...], pairs: int) -> Iterator[dict[str, Any]]:
        """All rows of these arms in so many pairs.

        Raises:
            StudyError: one cannot be read.
        """
        epochs = self.study().epochs
        for arm in arms:
            for pair in range(pairs):
                path = self.path(arm, pair)
                try:
                    rows = read_lines(path, "epoch")
                except LinesError as error:
                    raise StudyError(str(error)) from error
                if rows and [row.get("epoch") for row in rows] != list(range(1, epochs + 1)):
                    raise StudyError(f"{path} does not have epochs 1 to {epochs}; remove it")
                yield from rows


def arms_in(text: str) -> tuple[Arm, ...]:
    """Arms from names between commas; uniform is always among them.

    Raises:
        StudyError: there is no such arm.
    """
    found = [name.strip() for name in text.split(",") if name.strip()]
    for name in found:
        if name not in ARMS:
            raise StudyError(f"arm {name!r}: there is none; {nearest(name, ARMS)}")
    return tuple(arm for arm in ARMS if arm in found or arm == "uniform")
