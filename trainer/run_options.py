"""What the config of a run leaves to the moment."""

import math
from dataclasses import dataclass, field
from pathlib import Path

from feedback.rules import Rule
from simulator.fleet.worker import WorkerOptions
from simulator.randomization.expected import Expected
from simulator.transport import Security
from trainer.config.config import ConfigError
from trainer.weights.initial import InitialWeights


@dataclass(frozen=True)
class RunOptions:
    """What a run's config leaves to the moment: where, for how long, with whom."""

    folder: Path
    """Of the run."""
    workers: int | None = None
    """Simulators to start here; None waits for others at `bind`."""
    bind: str = "tcp://127.0.0.1:*"
    """Where simulators connect."""
    recording: Path | None = None
    """Folder of a recording to train from, in place of simulators."""
    mixed: tuple[Path, ...] = ()
    """Folders of further recordings, whose training samples are mixed in."""
    start: InitialWeights = field(default_factory=InitialWeights)
    """Files of weights that a new run begins with."""
    worker: WorkerOptions | None = None
    """How to start simulators; the address is filled in."""
    resume: bool = False
    """Go on with the run in the folder."""
    timeout: float = 300.0
    """Longest wait for a sample [s]."""
    silence: float = 180.0
    """A simulator that shows no life for so long is replaced [s]."""
    device: str = "auto"
    """cpu, cuda, cuda:N, or auto: a GPU where there is one."""
    tensorboard: bool = True
    """Write event files for TensorBoard, where it is installed."""
    rule: Rule | None = None
    """Selects held-out samples; None takes the config's."""
    expected: Expected | None = None
    """Poses that the robot is expected to take, of a new run; one that is resumed has its own."""
    security: Security = field(default_factory=Security)

    def __post_init__(self) -> None:
        if not 0 <= self.timeout < math.inf:
            raise ConfigError(f"timeout is {self.timeout}; expected seconds, at least 0")
        if self.mixed and self.recording is None:
            raise ConfigError(
                f"mix is {', '.join(map(str, self.mixed))}; it goes with a recording (--from), "
                "whose robot, size and held-out set are the run's"
            )
        if not self.silence > 0:
            raise ConfigError(f"silence is {self.silence}; expected seconds, more than 0")
