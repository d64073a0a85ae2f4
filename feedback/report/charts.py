"""Charts as inline SVG: no library, no script needed to be read.

Colours come from the page's style sheet by class, so light and dark mode need no second drawing.
Texts for hovering stand in `data-tip`. Every chart is drawn about 380 units wide, so that its
letters keep their size from a telephone to three in a row.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from feedback.report.text import number

WIDTH, HEIGHT = 380.0, 230.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 12.0, 10.0, 36.0
HEAT_STEPS = 4
"""Colour steps on either side of the heat map's neutral one."""


@dataclass(frozen=True)
class Series:
    """One line of a chart."""

    name: str
    values: Sequence[float | None]
    """One per x; None where there is none, which breaks the line."""
    style: str
    """CSS class that gives the colour."""


@dataclass(frozen=True)
class Axis:
    """Maps values to positions between two ends."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Position of a value."""
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        share = ((math.log(value) if self.log else value) - low) / ((high - low) or 1.0)
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int = 6) -> list[float]:
        """At most about `most` round values within the ends."""
        return _log_ticks(self.low, self.high) if self.log else _ticks(self.low, self.high, most)


def _ticks(low: float, high: float, most: int) -> list[float]:
    rough = max((high - low) / most, 1e-12)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if high / low < 2000 else (1,)
    ticks = [s * 10.0**d for d in decades for s in steps]
    return [t for t in ticks if low * 0.999 <= t <= high * 1.001]


def line_chart(
    x: Sequence[float], series: Sequence[Series], x_label: str, unit: str, log: bool = False
) -> str:
    """Lines over x with a cross-hair that names every value.

    Args:
        x: (N,) positions, growing.
        series: the lines; values of 0 and less are left out of a logarithmic axis.
        x_label: name of x with its unit.
        unit: put behind each value, such as ' %'.
        log: draw y logarithmically.
    """
    flat = [v for s in series for v in s.values if v is not None and (v > 0 or not log)]
    if not flat:
        return '<p class="missing">No values yet.</p>'
    low, high = (min(flat) * 0.85, max(flat) * 1.15) if log else (0.0, max(flat) * 1.08 or 1.0)
    y_axis = Axis(low, high, HEIGHT - BOTTOM, TOP, log)
    x_axis = Axis(x[0], x[-1], LEFT, WIDTH - RIGHT)
    parts = [_grid(x_axis, y_axis, x_label, unit)]
    for s in series:
        points = [
            (x_axis(a), y_axis(v))
            for a, v in zip(x, s.values, strict=True)
            if v is not None and (v > 0 or not log)
        ]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        dots = points if len(points) <= 2 else points[-1:]
        parts.append(f'<polyline class="line {s.style}" points="{path}"/>')
        parts += [
            f'<circle class="dot {s.style}" cx="{a:.1f}" cy="{b:.1f}" r="3"/>' for a, b in dots
        ]
    parts += _crosshairs(x, series, x_axis, y_axis, x_label, unit)
    return _svg("".join(parts), HEIGHT)


def _grid(x_axis: Axis, y_axis: Axis, x_label: str, unit: str) -> str:
    parts = []
    for tick in y_axis.ticks():
        y = y_axis(tick)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        label = f"{tick:,.6g}{escape(unit)}"
        parts.append(
            f'<text class="tick" x="{LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{label}</text>'
        )
    for tick in x_axis.ticks():
        parts.append(
            f'<text class="tick" x="{x_axis(tick):.1f}" y="{HEIGHT - BOTTOM + 15}" '
            f'text-anchor="middle">{tick:,.6g}</text>'
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text class="label" x="{middle}" y="{HEIGHT - 4}" text-anchor="middle">'
        f"{escape(x_label)}</text>"
    )
    return "".join(parts)


def _crosshairs(
    x: Sequence[float],
    series: Sequence[Series],
    x_axis: Axis,
    y_axis: Axis,
    x_label: str,
    unit: str,
) -> list[str]:
    """One group per x: an unseen column to hover over, its line and dots."""
    places = [x_axis(a) for a in x]
    edges = [LEFT, *((a + b) / 2 for a, b in pairwise(places)), WIDTH - RIGHT]
    groups = []
    for i, place in enumerate(places):
        values = [(s, s.values[i]) for s in series]
        tip = "\n".join(
            [f"{x_label} {x[i]:.4g}"]
            + [f"{s.name}  {number(v, places=5)}{unit if v is not None else ''}" for s, v in values]
        )
        dots = "".join(
            _dot(s.style, place, y_axis(v))
            for s, v in values
            if v is not None and (v > 0 or not y_axis.log)
        )
        groups.append(
            f'<g class="hit" data-tip="{escape(tip)}"><rect x="{edges[i]:.1f}" y="{TOP}" '
            f'width="{max(edges[i + 1] - edges[i], 0):.1f}" height="{HEIGHT - TOP - BOTTOM}"/>'
            f'<g class="cross"><line x1="{place:.1f}" x2="{place:.1f}" y1="{TOP}" '
            f'y2="{HEIGHT - BOTTOM}"/>{dots}</g></g>'
        )
    return groups


def _dot(style: str, x: float, y: float) -> str:
    return f'<circle class="dot {style}" cx="{x:.1f}" cy="{y:.1f}" r="3.2"/>'


def heat_limit(marginals: NDArray[np.float64]) -> float:
    """The factor over uniform that the strongest heat colour stands for, at least 1.25.

    Args:
        marginals: (T, D, K).
    """
    factors = np.abs(np.log2(marginals * marginals.shape[-1])).max()
    return max(2.0 ** (math.ceil(float(factors) * 4) / 4), 1.25)


def prior_panel(
    marginals: NDArray[np.float64], labels: Sequence[str], ends: tuple[float, float], limit: float
) -> str:
    """How one joint's prior moved: bins x time as colours, and the last marginal as bars.

    Args:
        marginals: (T, K) probability of each bin.
        labels: (T,) name of each time.
        ends: lower and upper end of the joint's range [deg].
        limit: factor over uniform that the strongest colour stands for (`heat_limit`).
    """
    T, K = marginals.shape
    top, bottom, left, split, right = 6.0, 168.0, 40.0, 268.0, 372.0
    width, height = (split - left) / T, (bottom - top) / K
    edges = np.linspace(*ends, K + 1)
    factor = marginals * K
    steps = np.rint(np.clip(np.log2(factor) / math.log2(limit), -1, 1) * HEAT_STEPS).astype(int)
    reach = max(float(factor[-1].max()), 1.0) * 1.05
    parts = []
    for k in range(K):
        y = bottom - (k + 1) * height
        angles = f"{edges[k]:.0f}° to {edges[k + 1]:.0f}°"
        for t in range(T):
            tip = f"{labels[t]}\n{angles}\np = {marginals[t, k]:.3f} (×{factor[t, k]:.2f} uniform)"
            parts.append(
                f'<rect class="h{steps[t, k]:+d}" x="{left + t * width:.1f}" y="{y:.1f}" '
                f'width="{width:.1f}" height="{height:.1f}" data-tip="{tip}"/>'
            )
        bar = (right - split - 10) * factor[-1, k] / reach
        tip = f"now\n{angles}\np = {marginals[-1, k]:.3f} (×{factor[-1, k]:.2f} uniform)"
        parts.append(
            f'<rect class="bar" x="{split + 10}" y="{y + 0.5:.1f}" width="{bar:.1f}" '
            f'height="{max(height - 1, 0.5):.1f}" data-tip="{tip}"/>'
        )
    uniform = split + 10 + (right - split - 10) / reach
    ends_y = f'y1="{top}" y2="{bottom}"'
    parts.append(f'<line class="mark" x1="{uniform:.1f}" x2="{uniform:.1f}" {ends_y}/>')
    for share, angle in ((0.0, ends[0]), (0.5, sum(ends) / 2), (1.0, ends[1])):
        y = bottom - share * (bottom - top)
        parts.append(
            f'<text class="tick" x="{left - 5}" y="{min(y + 4, bottom):.1f}" '
            f'text-anchor="end">{angle:.0f}°</text>'
        )
    row = bottom + 15
    parts.append(f'<text class="tick" x="{left}" y="{row}">{labels[0]}</text>')
    parts.append(f'<text class="tick" x="{split}" y="{row}" text-anchor="end">{labels[-1]}</text>')
    parts.append(
        f'<text class="tick" x="{uniform:.1f}" y="{row}" text-anchor="middle">uniform</text>'
    )
    return _svg("".join(parts), row + 6, "heat")


def dumbbell(rows: Sequence[tuple[str, float | None, float | None]], unit: str) -> str:
    """Before and after of each row on a logarithmic axis, joined by a line."""
    values = [v for _, *pair in rows for v in pair if v is not None and v > 0]
    if not values:
        return '<p class="missing">No values yet.</p>'
    width, pitch = 290.0, 29.0
    height = pitch * len(rows) + 36
    axis = Axis(min(values) * 0.8, max(values) * 1.25, 92, width - RIGHT, log=True)
    parts = []
    for tick in axis.ticks():
        x = axis(tick)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="6" y2="{height - 28}"/>')
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{height - 12}" text-anchor="middle">'
            f"{tick:,.6g}</text>"
        )
    for i, (name, *pair) in enumerate(rows):
        parts.append(_dumbbell_row(name, pair, axis, 6 + pitch * (i + 0.5), unit))
    return _svg("".join(parts), height, width=width)


def _dumbbell_row(name: str, pair: Sequence[float | None], axis: Axis, y: float, unit: str) -> str:
    ends = [(axis(v), v, s) for v, s in zip(pair, ("before", "after"), strict=True) if v and v > 0]
    label = f'<text class="name" x="84" y="{y + 4}" text-anchor="end">{escape(name)}</text>'
    link = ""
    if len(ends) == 2:
        xs = f'x1="{ends[0][0]:.1f}" x2="{ends[1][0]:.1f}"'
        link = f'<line class="link" {xs} y1="{y}" y2="{y}"/>'
    dots = ""
    for x, value, style in ends:
        tip = escape(f"{name}\n{style} training  {number(value)}{unit}")
        dots += f'<circle class="{style}" cx="{x:.1f}" cy="{y}" r="5.5" data-tip="{tip}"/>'
    return label + link + dots


def _svg(inside: str, height: float, style: str = "", width: float = WIDTH) -> str:
    return (
        f'<svg class="chart {style}" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'xmlns="http://www.w3.org/2000/svg">{inside}</svg>'
    )
