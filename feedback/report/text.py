"""Numbers and names as a reader likes them."""

import math
from html import escape
from typing import Any


def number(value: float | None, digits: int = 3, places: int = 2) -> str:
    """A number for reading, a dash for None.

    Args:
        value: a float gets `digits` significant digits and at most `places` after the point, an int
            is written out.
        digits: significant digits of a float.
        places: most digits after the point.
    """
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0 or isinstance(value, int):
        return f"{value:,.0f}"
    needed = digits - 1 - math.floor(math.log10(abs(value)))
    return f"{value:,.{max(min(needed, places), 0)}f}"


def plain(v: Any) -> str:
    """A value of unknown kind for a table."""
    if isinstance(v, bool):
        return "yes" if v else "no"
    if isinstance(v, float):
        return f"{v:g}"
    if isinstance(v, list | tuple):
        return ", ".join(plain(item) for item in v)
    return "–" if v is None else escape(str(v))


def scaled(v: float | None, scale: float) -> float | None:
    """A value in another unit, None left as it is."""
    return None if v is None else float(v) * scale


def percent(v: float | None) -> str:
    """A share for reading, as a percentage."""
    return "–" if v is None else f"{number(100 * v, 2)} %"


def spaced(name: str) -> str:
    """A name with blanks for underscores."""
    return name.replace("_", " ")


def duration(seconds: float | None) -> str:
    """Seconds for reading, such as 3 min 20 s."""
    if seconds is None:
        return "an unknown time"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
