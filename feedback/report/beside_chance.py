"""The report's part on how far losses moved the prior, beside how far chance would have."""

from collections.abc import Mapping
from html import escape
from typing import Any

from feedback.chance import selected_bins, too_few
from feedback.report.charts import Series, line_chart
from feedback.report.run_data import RunData, value
from feedback.report.text import number, percent, scaled

SURE = 0.05
"""p under which a movement counts as more than chance."""


def verdict(run: RunData) -> str:
    """Whether losses moved the prior, in a sentence; empty where they had no part in it."""
    found = value(run.last, "movement")
    if not found:
        return ""
    beyond = "farther than" if found["p"] < SURE else "no farther than"
    return (
        f"Losses moved {percent(found['moved'])} of the poses to other bins, {beyond} as many "
        f"selections by chance do: {percent(found['low'])} to {percent(found['high'])}, "
        f"p\u00a0{number(found['p'])}"
    )


def expected_words(run: RunData) -> str:
    """What was counted into the prior before the first epoch; empty where nothing was."""
    expected = next((e for e in run.history if e["epoch"] == 0 and e["rule"]), None)
    return f"Before the first epoch: {expected['rule']}" if expected else ""


def beside_chance(run: RunData) -> str:
    """Movement over epochs with its null, what became of the bins, and warnings; HTML."""
    words = [f"{text}." for text in (expected_words(run), verdict(run), _bins(run)) if text]
    warning = _warning(run)
    parts = [f'<p class="intro">{escape(text)}</p>' for text in words]
    if warning:
        parts.append(f'<p class="missing">{escape(warning)}</p>')
    rows = [row for row in run.epochs if value(row, "movement")]
    if len(rows) > 1:
        parts.append(_chart(rows))
    return "".join(parts)


def _chart(rows: list[Mapping[str, Any]]) -> str:
    def column(name: str) -> list[float | None]:
        return [scaled(value(row, f"movement.{name}"), 100) for row in rows]

    series = [
        Series("moved", column("moved"), "s1"),
        Series("chance, from", column("low"), "s3"),
        Series("chance, to", column("high"), "s3"),
    ]
    keys = "".join(f'<li class="{s.style}">{escape(s.name)}</li>' for s in series)
    chart = line_chart([float(row["epoch"]) for row in rows], series, "epoch", " %")
    return (
        '<div class="grid3"><figure class="card"><figcaption>Moved by losses, % of the poses'
        f'</figcaption><ul class="legend">{keys}</ul>{chart}</figure></div>'
    )


def _bins(run: RunData) -> str:
    if not value(run.last, "movement") or not (lossy := selected_bins(run.history)):
        return ""
    return (
        f"The bins that it renders more often had {number(lossy['before'])} times the mean loss at "
        f"the first look and {number(lossy['after'])} times at the last"
    )


def _warning(run: RunData) -> str:
    sizes = [len(entry["selected"]) for entry in run.history if entry["selected"]]
    if not sizes:
        return ""
    return (too_few(max(sizes), len(run.history[0]["alpha"][0])) or "").removeprefix("note: ")
