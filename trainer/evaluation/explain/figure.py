"""Shares as bars with their intervals."""

from collections.abc import Sequence
from html import escape

from feedback.report.charts import Axis
from trainer.evaluation.explain.shares import Share
from trainer.evaluation.svg import FONT, opened

WIDTH, LEFT, RIGHT, TOP, ROW = 720.0, 200.0, 60.0, 40.0, 22.0
GROUP, SINGLE = "#2563eb", "#94a3b8"
"""Colours of the bars."""


def figure(groups: Sequence[Share], single: Sequence[Share], title: str) -> str:
    """Groups and variables as horizontal bars, as SVG; whiskers are the 95 % intervals.

    Args:
        groups: at least one.
        single: variables, the largest share first.
        title: stands above.
    """
    rows = [*groups, *single]
    most = max(max(share.share, share.interval[1] or 0.0) for share in rows)
    x = Axis(0.0, max(most, 0.05), LEFT, WIDTH - RIGHT)
    height = TOP + ROW * (len(rows) + 1) + 34
    parts = [opened(WIDTH, height, title, 12, 22)]
    for tick in x.ticks():
        parts.append(
            f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{TOP}" y2="{height - 34:.0f}" '
            f'stroke="#e5e7eb"/><text x="{x(tick):.1f}" y="{height - 20:.0f}" '
            f'text-anchor="middle" {FONT}>{100 * tick:g} %</text>'
        )
    for i, share in enumerate(rows):
        place = TOP + ROW * (i + (i >= len(groups)))
        parts.append(_bar(x, share, place, GROUP if share.group is None else SINGLE))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text x="{middle}" y="{height - 4:.0f}" text-anchor="middle" {FONT}>'
        "share of the loss' variance that is foretold</text></svg>\n"
    )
    return "".join(parts)


def _bar(x: Axis, share: Share, place: float, colour: str) -> str:
    low, high = (x(max(end or 0.0, 0.0)) for end in share.interval)
    end, middle = x(max(share.share, 0.0)), place + ROW / 2
    return (
        f'<text x="{LEFT - 8}" y="{middle + 4:.1f}" text-anchor="end" {FONT}>'
        f'{escape(share.name)}</text><rect x="{LEFT}" y="{place + 3:.1f}" '
        f'width="{end - LEFT:.1f}" height="{ROW - 6}" fill="{colour}"/>'
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{middle:.1f}" y2="{middle:.1f}" '
        f'stroke="#374151"/><text x="{high + 6:.1f}" y="{middle + 4:.1f}" {FONT}>'
        f"{100 * share.share:.0f}</text>"
    )
