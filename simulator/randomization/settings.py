"""What a run asks of all its simulators, told to each when it says hello."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from jointloop.common.settings import Checked, ConfigError
from simulator.randomization.variety import CALM, Variety

Stride = Literal[1, 2, 4, 8, 16]
Side = Annotated[int, Meta(ge=32, le=4096)]


@dataclass(frozen=True)
class SampleSettings(Checked):
    """Shape of the samples and the seed of their draws."""

    robot: str = "ur10"
    """Name of a robot, or path of its TOML description."""
    width: Side = 160
    """Image width [px]; a multiple of the stride."""
    height: Side = 120
    """Image height [px]; a multiple of the stride."""
    stride: Stride = 4
    """Image pixels per belief map cell."""
    sigma: Annotated[float, Meta(ge=0.5, le=20)] = 1.5
    """Standard deviation of a belief map's peak [cells]; the paper's l is sqrt(2) of it."""
    bins: Annotated[int, Meta(ge=2, le=256)] = 16
    """K, equal intervals of each joint's range."""
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    """Of all draws."""
    one_draw_per_prior: bool = False
    """Draw the Dirichlet's D once per prior version rather than anew for each sample."""
    variety: Variety = CALM
    """How varied everything beside the pose is."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("width", "height"):
            value = getattr(self, name)
            if value % self.stride:
                raise ConfigError(
                    f"{name} is {value}; expected a multiple of the stride, {self.stride}"
                )

    @property
    def size(self) -> str:
        """As WIDTHxHEIGHT."""
        return f"{self.width}x{self.height}"


def parse_size(text: str) -> tuple[int, int]:
    """Width and height [px] from WIDTHxHEIGHT.

    Raises:
        ConfigError: the text has another form.
    """
    width, cross, height = text.lower().partition("x")
    if not (cross and all(re.fullmatch("[0-9]{1,5}", part) for part in (width, height))):
        raise ConfigError(f"size {text[:40]!r} is not WIDTHxHEIGHT, such as 160x120")
    return int(width), int(height)
