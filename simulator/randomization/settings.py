"""What a run asks of all its simulators, told to each when it says hello."""

import re
from dataclasses import dataclass

from jointloop.common.errors import JointloopError
from simulator.randomization.variety import CALM, Variety


class SettingsError(JointloopError):
    """A setting is out of its range."""


@dataclass(frozen=True)
class SampleSettings:
    """Shape of the samples and the seed of their draws."""

    robot: str = "ur10"
    """Name of a robot, or path of its TOML description."""
    width: int = 160
    """Image width [px]."""
    height: int = 120
    """Image height [px]."""
    stride: int = 4
    """Image pixels per belief map cell."""
    sigma: float = 1.5
    """Standard deviation of a belief map's peak [cells]; the paper's l is sqrt(2) of it."""
    bins: int = 16
    """K, equal intervals of each joint's range."""
    seed: int = 0
    """Of all draws."""
    one_draw_per_prior: bool = False
    """Draw the Dirichlet's D once per prior version rather than anew for each sample."""
    variety: Variety = CALM
    """How varied everything beside the pose is."""

    def __post_init__(self) -> None:
        checks = (
            ("width", self.width, 32 <= self.width <= 4096, "32 to 4096"),
            ("height", self.height, 32 <= self.height <= 4096, "32 to 4096"),
            ("stride", self.stride, self.stride in (1, 2, 4, 8, 16), "1, 2, 4, 8 or 16"),
            ("sigma", self.sigma, 0.5 <= self.sigma <= 20, "0.5 to 20 cells"),
            ("bins", self.bins, 2 <= self.bins <= 256, "2 to 256"),
            ("seed", self.seed, 0 <= self.seed < 2**63, "0 to 2**63 - 1"),
        )
        for name, value, good, expected in checks:
            if not good:
                raise SettingsError(f"setting {name} is {value!r}; expected {expected}")
        for name, value in (("width", self.width), ("height", self.height)):
            if value % self.stride:
                raise SettingsError(
                    f"setting {name} is {value}; expected a multiple of the stride, {self.stride}"
                )

    @property
    def size(self) -> str:
        """As WIDTHxHEIGHT."""
        return f"{self.width}x{self.height}"


def parse_size(text: str) -> tuple[int, int]:
    """Width and height [px] from WIDTHxHEIGHT.

    Raises:
        SettingsError: the text has another form.
    """
    width, cross, height = text.lower().partition("x")
    if not (cross and all(re.fullmatch("[0-9]{1,5}", part) for part in (width, height))):
        raise SettingsError(f"size {text[:40]!r} is not WIDTHxHEIGHT, such as 160x120")
    return int(width), int(height)
