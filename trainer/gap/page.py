"""A comparison for reading: lines of a terminal, or a page with a figure."""

from collections.abc import Sequence
from html import escape

from trainer.gap.comparison import FAR, NEAR, Row, Spread
from trainer.gap.statistics import STATISTICS

REACH = 4.0
"""Shifts that the figure shows, either way [spreads]; what lies beyond is at an edge."""
WIDTH, LEFT, PITCH = 760.0, 220.0, 30.0
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: #1d2433; background: #fff }
table { border-collapse: collapse; width: 100%; font-size: 14px }
td, th { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid #e3e6ee }
td:first-child, th:first-child, td:last-child, th:last-child { text-align: left }
.far { font-weight: 600; color: #b3261e } .apart { color: #a05a00 } .alike { color: #2e7d32 }
svg text { font: 13px system-ui, sans-serif; fill: #1d2433 } small { color: #5b6475 }
"""


def lines(rows: Sequence[Row]) -> list[str]:
    """The table as lines of text."""
    head = f"{'':<28}{'n':>4}{'photos':>27}{'renderings':>27}{'shift':>8}  photos are"
    shown = [
        f"{row.name:<28}{_count(row.photos):>4} {_spread(row.photos):>26} "
        f"{_spread(row.renderings):>26}{_shift(row.shift):>8}  {row.verdict}"
        for row in rows
    ]
    return [head, *shown]


def page(rows: Sequence[Row], about: str) -> str:
    """The table and a figure, as an HTML page that needs nothing else.

    Args:
        rows: of the comparison.
        about: what was compared, a line.
    """
    cells = "\n".join(
        f'<tr><td title="{escape(STATISTICS[row.name])}">{escape(row.name)}</td>'
        f"<td>{_count(row.photos)}</td><td>{_spread(row.photos)}</td><td>{_spread(row.renderings)}</td>"
        f'<td>{_shift(row.shift)}</td><td class="{_class(row)}">{row.verdict}</td></tr>'
        for row in rows
    )
    what = "".join(
        f"<li><b>{escape(name)}</b>: {escape(text)}</li>" for name, text in STATISTICS.items()
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Photos and renderings · Jointloop</title>
<style>{STYLE}</style></head><body>
<h1>Photos and renderings</h1>
<p>{escape(about)}</p>
{_figure(rows)}
<p><small>Bars run from the photos' lower quartile to the upper, the dot is their median, in units
of the renderings' spread (the distance of their quartiles over 1.349) about the renderings' median.
Grey is where photos are alike, up to {NEAR}; from {FAR} on they are far.</small></p>
<table><tr><th></th><th>n</th><th>photos: median [quartiles]</th><th>renderings</th><th>shift</th>
<th>photos are</th></tr>
{cells}
</table>
<ul>{what}</ul>
</body></html>
"""


def _figure(rows: Sequence[Row]) -> str:
    height = PITCH * len(rows) + 30
    parts = []
    for tick in range(-int(REACH), int(REACH) + 1):
        x = _place(tick)
        parts.append(f'<line x1="{x}" x2="{x}" y1="0" y2="{height - 24}" stroke="#e3e6ee"/>')
        parts.append(f'<text x="{x}" y="{height - 6}" text-anchor="middle">{tick:+d}</text>')
    alike = _place(NEAR) - _place(-NEAR)
    parts.insert(
        0,
        f'<rect x="{_place(-NEAR)}" y="0" width="{alike:.1f}" height="{height - 24}" '
        'fill="#eef0f5"/>',
    )
    parts += [_bar(row, PITCH * i + PITCH / 2) for i, row in enumerate(rows)]
    inside = "\n".join(parts)
    return f'<svg viewBox="0 0 {WIDTH:.0f} {height:.0f}" role="img">{inside}</svg>'


def _bar(row: Row, y: float) -> str:
    """A statistic's name, and where the photos' quartiles and median lie."""
    name = f'<text x="{LEFT - 40}" y="{y + 4}" text-anchor="end">{escape(row.name)}</text>'
    if row.photos is None or row.renderings is None:
        return name
    low, middle, high = (
        _place((value - row.renderings.median) / row.unit)
        for value in (row.photos.quartiles[0], row.photos.median, row.photos.quartiles[1])
    )
    colour = {"far": "#b3261e", "apart": "#a05a00", "alike": "#2e7d32"}[_class(row)]
    return (
        f'{name}<line x1="{low}" x2="{high}" y1="{y}" y2="{y}" stroke="{colour}" '
        f'stroke-width="6" stroke-opacity=".35" stroke-linecap="round"/>'
        f'<circle cx="{middle}" cy="{y}" r="5" fill="{colour}"/>'
    )


def _place(shift: float) -> float:
    """Column of a shift in the figure."""
    share = (min(max(shift, -REACH), REACH) + REACH) / (2 * REACH)
    return round(LEFT + share * (WIDTH - LEFT - 20), 1)


def _class(row: Row) -> str:
    if row.verdict in ("alike", "unknown"):
        return row.verdict
    return "far" if row.verdict.startswith("far") else "apart"


def _spread(one: Spread | None) -> str:
    if one is None:
        return "–"
    low, high = one.quartiles
    return f"{one.median:.3g} [{low:.3g}, {high:.3g}]"


def _count(one: Spread | None) -> str:
    """Photos that have the statistic."""
    return "0" if one is None else str(one.count)


def _shift(value: float | None) -> str:
    return "–" if value is None else f"{value:+.1f}"
