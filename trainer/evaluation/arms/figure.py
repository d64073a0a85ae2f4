"""The curves of a comparison as a picture: mean over pairs, and the band that pairs leave open."""

import numpy as np

from feedback.report.charts import Axis
from trainer.evaluation.arms.outcome import RESAMPLES, SEED, Curves
from trainer.evaluation.svg import FONT, opened

WIDTH, HEIGHT = 640.0, 400.0
LEFT, RIGHT, TOP, BOTTOM = 62.0, 130.0, 34.0, 46.0
COLORS = {
    "uniform": "#6b7280",
    "aa": "#a8a29e",
    "random": "#b45309",
    "high-loss": "#dc2626",
    "expected": "#2563eb",
    "poses": "#0d9488",
    "stratified": "#7c3aed",
    "adversarial": "#be185d",
}
"""Of each arm's curve."""


def figure(curves: Curves, title: str) -> str:
    """The curves as SVG: error over samples, on logarithmic errors; bands are 95 % of the mean."""
    drawn = np.random.default_rng(SEED).integers(0, curves.pairs, (RESAMPLES // 4, curves.pairs))
    bands = {
        arm: np.quantile(errors[drawn].mean(axis=1), (0.025, 0.975), axis=0)
        for arm, errors in curves.errors.items()
    }
    ends = np.stack(list(bands.values()))
    x = Axis(0.0, float(curves.samples[-1]), LEFT, WIDTH - RIGHT)
    y = Axis(float(ends.min()) * 0.95, float(ends.max()) * 1.05, HEIGHT - BOTTOM, TOP, log=True)
    parts = [
        opened(WIDTH, HEIGHT, title, LEFT, 20),
        *_grid(x, y),
    ]
    for arm in curves.errors:
        parts.append(_band(x, y, curves, bands[arm], COLORS[arm]))
    for arm, errors in curves.errors.items():
        places = [(x(s), y(e)) for s, e in zip(curves.samples, errors.mean(axis=0), strict=True)]
        parts.append(
            f'<polyline points="{_points(places)}" fill="none" stroke="{COLORS[arm]}" '
            'stroke-width="2"/>'
        )
    parts += _legend(list(curves.errors))
    return "".join(parts) + "</svg>\n"


def _grid(x: Axis, y: Axis) -> list[str]:
    parts = []
    for tick in y.ticks():
        place = y(tick)
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{place:.1f}" y2="{place:.1f}" '
            f'stroke="#e5e7eb"/><text x="{LEFT - 8}" y="{place + 4:.1f}" text-anchor="end" {FONT}>'
            f"{tick:g} %</text>"
        )
    for tick in x.ticks():
        parts.append(
            f'<text x="{x(tick):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle" {FONT}>'
            f"{tick:,.0f}</text>"
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle" {FONT}>samples trained on</text>'
        f'<text transform="translate(14 {HEIGHT / 2}) rotate(-90)" text-anchor="middle" {FONT}>'
        "mean error, % of the diagonal</text>"
    )
    return parts


def _band(x: Axis, y: Axis, curves: Curves, band: np.ndarray, color: str) -> str:
    low = [(x(s), y(e)) for s, e in zip(curves.samples, band[0], strict=True)]
    high = [(x(s), y(e)) for s, e in zip(curves.samples, band[1], strict=True)]
    outline = _points(low + high[::-1])
    return f'<polygon points="{outline}" fill="{color}" fill-opacity="0.15"/>'


def _points(places: list[tuple[float, float]]) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in places)


def _legend(arms: list[str]) -> list[str]:
    left = WIDTH - RIGHT + 14
    return [
        f'<line x1="{left}" x2="{left + 20}" y1="{TOP + 18 * i + 8}" y2="{TOP + 18 * i + 8}" '
        f'stroke="{COLORS[arm]}" stroke-width="3"/>'
        f'<text x="{left + 26}" y="{TOP + 18 * i + 12}" {FONT}>{arm}</text>'
        for i, arm in enumerate(arms)
    ]
