"""Rows of workers as a table for people."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from simulator.fleet.rows import Row, State

STYLES = {
    State.WORKING: "green",
    State.PAUSED: "yellow",
    State.WAITING: "yellow",
    State.LOST: "red",
    State.GIVEN_UP: "bold red",
}
"""Of states; others are plain."""
NOTHING = "–"


def table(rows: Sequence[Row]) -> Table:
    """A line for each worker, and one for all of them."""
    rates = [row.rate for row in rows if row.rate is not None]
    rss = [row.rss for row in rows if row.rss is not None]
    shown = Table(box=None, show_footer=len(rows) > 1, header_style="bold", footer_style="bold")
    for name, foot in (
        ("worker", "all"),
        ("state", f"{sum(row.state is State.WORKING for row in rows)} working"),
        ("samples", str(sum(row.samples for row in rows))),
        ("samples/s", f"{sum(rates):.1f}" if rates else NOTHING),
        ("prior", ""),
        ("its age", ""),
        ("memory", _megabytes(sum(rss) if rss else None)),
        ("restarts", str(sum(row.restarts for row in rows))),
        ("last error", ""),
    ):
        text = name in ("state", "last error")
        shown.add_column(
            name,
            foot,
            justify="left" if text else "right",
            no_wrap=True,
            overflow="ellipsis",
            ratio=1 if name == "last error" else None,
        )
    for row in rows:
        shown.add_row(
            str(row.worker),
            Text(row.state, STYLES.get(row.state, "")),
            str(row.samples),
            NOTHING if row.rate is None else f"{row.rate:.1f}",
            NOTHING if row.prior_version is None else f"v{row.prior_version}",
            NOTHING if row.prior_age is None else _age(row.prior_age),
            _megabytes(row.rss),
            str(row.restarts),
            Text(row.last_error),
        )
    return shown


def _megabytes(rss: int | None) -> str:
    return NOTHING if rss is None else f"{rss / 2**20:.0f} MiB"


def _age(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
