"""How long a run may train."""

import time
from dataclasses import dataclass, field


@dataclass
class Budget:
    """A number of epochs, or minutes where they are given."""

    epochs: int
    minutes: float | None = None
    spent: float = 0.0
    """Seconds of training behind us, earlier starts of the run included."""
    progress: float = 0.0
    """Share of the run behind us, 0 to 1; sets the learning rate."""
    _started: float = field(default=0.0, repr=False)

    def start(self) -> None:
        """Training begins or goes on now."""
        self._started = time.monotonic() - self.spent

    def note(self, epochs: float) -> None:
        """Note where the run stands, having done so many epochs, parts included."""
        self.spent = time.monotonic() - self._started
        done = epochs / self.epochs if self.minutes is None else self.spent / (60 * self.minutes)
        self.progress = min(done, 1.0)

    def remains(self, epochs: float) -> bool:
        """Whether anything is left after so many epochs."""
        self.note(epochs)
        return self.progress < 1.0
