"""One measure of a check against its bar."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One measure against its bar."""

    good: bool
    name: str
    text: str
    bar: str
