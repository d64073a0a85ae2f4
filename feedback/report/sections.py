"""The report's sections below its head, each a function from a run to HTML."""

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np

from feedback.history import marginals, movement, prior_of
from feedback.report.beside_chance import beside_chance
from feedback.report.charts import HEAT_STEPS, Series, dumbbell, heat_limit, line_chart, prior_panel
from feedback.report.run_data import RunData, value
from feedback.report.text import number, percent, plain, scaled, spaced

MOST_CELLS = 12_000
"""Heat map cells on a page; a longer history is thinned to keep the page small."""

DEFINITIONS = {
    "localization error": "distance between a true keypoint and its prediction, in percent of the "
    "diagonal of the image; a keypoint outside the frame does not count",
    "found, missed": "a keypoint in the frame is found if the peak of its belief map reaches the "
    "threshold, otherwise it is missed",
    "mean, median, p95": "of the localization error over found keypoints, so they stand beside the "
    "miss rate",
    "median of all": "of the localization error over all keypoints in the frame; a miss is "
    "infinitely far",
    "miss rate": "missed keypoints over keypoints in the frame",
    "PCK@t": "share of the keypoints in the frame that are found within t of the diagonal",
    "AUC": "mean of PCK over thresholds from 0 to 5 % of the diagonal",
    "held-out set": "fixed validation images, drawn from the uniform prior, or from held-out rows "
    "of the log where poses are expected; never trained on",
    "uniform poses": "fixed images from the uniform prior, where others are expected: their error "
    "is what the expectation costs elsewhere",
    "prior": "Dirichlet over the bins of each joint angle from which poses to render are drawn; "
    "×2 means rendered twice as often as under the uniform prior",
    "selection": "the held-out images that a rule chooses; their bins are counted into the prior",
    "moved": "total variation between two priors, half the L1 distance of their bin probabilities, "
    "averaged over joints: the share of poses that changed bins",
    "by chance": "how far the prior moves where held-out images change places, each with all looks "
    "at which it was selected: the middle 95 % of 1000 permutations, and p, their share that moves "
    "as far",
    "uses per sample": "samples handed to the network over different samples among them",
    "stale": "received, but drawn from an older prior than the newest one sent to its simulator",
    "behind the newest prior": "how old the priors were that samples came from when these were "
    "used first, in versions and in seconds since a newer one was sent; of those that follow it",
    "lost": "sent and not arrived whole; lost with a simulator: in flight when it ended; again: "
    "rendered again, from the same prior; dropped: newer ones came before they were used",
    "waiting for data": "share of the wall time in which the trainer had no batch to train on",
}

Row = Mapping[str, Any]


def learning(run: RunData) -> str:
    """Error, misses and training loss over epochs and over wall time."""
    if not run.epochs:
        return '<p class="missing">No epoch has ended yet.</p>'
    by_epoch = [float(row["epoch"]) for row in run.epochs]
    by_time = [float(row.get("seconds") or 0.0) / 60 for row in run.epochs]
    views = [("epoch", by_epoch), ("wall time [min]", by_time)]
    shown = "".join(
        f'<div class="grid3" data-view="{i}"{" hidden" if i else ""}>{_curves(run, x, label)}</div>'
        for i, (label, x) in enumerate(views)
    )
    buttons = "".join(
        f'<button data-show="{i}"{"" if i else " class=on"}>over {title}</button>'
        for i, title in enumerate(("epochs", "wall time"))
    )
    return f'<div class="switch">{buttons}</div>{shown}'


def _curves(run: RunData, x: Sequence[float], label: str) -> str:
    def column(path: str, scale: float = 1.0) -> list[float | None]:
        return [scaled(value(row, path), scale) for row in run.epochs]

    error = [
        Series("median", column("held_out.median_percent"), "s1"),
        Series("mean", column("held_out.mean_percent"), "s2"),
        Series("p95", column("held_out.p95_percent"), "s3"),
    ]
    if value(run.last, "elsewhere"):
        error.append(Series("median, uniform poses", column("elsewhere.median_percent"), "s4"))
    found = [
        Series("miss rate", column("held_out.miss_rate", 100), "s2"),
        Series("PCK@5%", column("held_out.pck.5%", 100), "s1"),
        Series("PCK@2%", column("held_out.pck.2%", 100), "s4"),
    ]
    loss = [Series("training loss", column("train_loss"), "s1")]
    return (
        _figure(
            "Localization error, % of the diagonal", line_chart(x, error, label, " %", True), error
        )
        + _figure("Keypoints in the frame", line_chart(x, found, label, " %"), found)
        + _figure("Training loss", line_chart(x, loss, label, "", True), loss)
    )


def _figure(title: str, chart: str, series: Sequence[Series] = ()) -> str:
    keys = "".join(f'<li class="{s.style}">{escape(s.name)}</li>' for s in series)
    legend = f'<ul class="legend">{keys}</ul>' if series else ""
    return f'<figure class="card"><figcaption>{escape(title)}</figcaption>{legend}{chart}</figure>'


def prior(run: RunData) -> str:
    """How often each bin of each joint is rendered, over time."""
    if not run.history:
        return '<p class="missing">No prior was written yet.</p>'
    p = marginals(run.history)
    T, D, K = p.shape
    keep = np.unique(np.linspace(0, T - 1, max(min(T, MOST_CELLS // (D * K)), 2)).astype(int))
    labels = [_moment(run.history[t]) for t in keep]
    limit = heat_limit(p)
    moved = movement(prior_of(run.history[0]), prior_of(run.history[-1]))
    cards = []
    for d, name in enumerate(run.angle_names):
        note = f"moved {100 * moved['total_variation'][d]:.1f} %"
        panel = prior_panel(p[keep, d], labels, run.ends(d), limit)
        cards.append(
            f'<figure class="card"><figcaption>{escape(spaced(name))}<small>{note}</small>'
            f"</figcaption>{panel}</figure>"
        )
    thinned = f" {len(keep)} of {T} versions are shown." if len(keep) < T else ""
    return (
        '<p class="intro">Colour: how often a bin of a joint angle is rendered, against the '
        f"uniform prior, from the start of the run to now. Bars: now.{thinned}</p>"
        + beside_chance(run)
        + _heat_legend(limit)
        + f'<div class="grid3">{"".join(cards)}</div>'
    )


def _moment(entry: Row) -> str:
    return "start" if entry["epoch"] < 0 else f"epoch {entry['epoch']}"


def _heat_legend(limit: float) -> str:
    steps = range(-HEAT_STEPS, HEAT_STEPS + 1)
    swatches = "".join(f'<i class="h{step:+d}"></i>' for step in steps)
    return (
        f'<p class="scale"><span>×{1 / limit:.2f} rarer</span>{swatches}'
        f"<span>×{limit:.2f} more often</span></p>"
    )


_COLUMNS = (
    ("in frame", "n_in_frame", 1.0, ""),
    ("found", "n_found", 1.0, ""),
    ("median", "median_percent", 1.0, " %"),
    ("mean", "mean_percent", 1.0, " %"),
    ("p95", "p95_percent", 1.0, " %"),
    ("miss rate", "miss_rate", 100.0, " %"),
    ("PCK@1%", "pck.1%", 100.0, " %"),
    ("PCK@2%", "pck.2%", 100.0, " %"),
    ("PCK@5%", "pck.5%", 100.0, " %"),
    ("AUC", "auc", 100.0, " %"),
)


def joints(run: RunData) -> str:
    """Metrics of every keypoint, before and after."""
    after = value(run.last, "held_out.joints")
    if not after:
        return '<p class="missing">No epoch has ended yet.</p>'
    before = value(run.first, "held_out.joints") if len(run.epochs) > 1 else {}
    key = "median_percent"
    pairs = [(spaced(n), value(before or {}, f"{n}.{key}"), after[n].get(key)) for n in after]
    heads = "".join(f"<th>{title}</th>" for title, *_ in _COLUMNS)
    rows = [_joint_row(spaced(name), row) for name, row in after.items()]
    sights = (value(run.last, "held_out.visibility") or {}).items()
    rows += [_joint_row(f"all {name}", row) for name, row in sights]
    total = _joint_row("all", value(run.last, "held_out"), "total")
    chart = (
        '<figure class="card"><figcaption>Median error before and after, %</figcaption>'
        '<ul class="legend"><li class="before">untrained</li><li class="after">now</li></ul>'
        f"{dumbbell(pairs, ' %')}</figure>"
    )
    table = f"<table><tr><th></th>{heads}</tr>{''.join(rows)}{total}</table>"
    return f'<div class="split">{chart}<div class="card wide">{table}</div></div>'


def _joint_row(name: str, row: Row, style: str = "") -> str:
    cells = []
    for _, path, scale, unit in _COLUMNS:
        v = scaled(value(row, path), scale)
        if not unit:
            cells.append(f"<td>{number(v)}</td>")
            continue
        share = min(max(v or 0.0, 0.0), 100.0) if path.startswith(("pck", "auc", "miss")) else None
        bar = f' class="share" style="--share:{share:.1f}%"' if share is not None else ""
        cells.append(f"<td{bar}>{number(v)}<small>{unit if v is not None else ''}</small></td>")
    return f'<tr class="{style}"><th>{escape(name)}</th>{"".join(cells)}</tr>'


def samples(run: RunData) -> str:
    """Rendered, received, consumed, lost, rejected, and by which simulators."""
    if not run.epochs:
        return '<p class="missing">No epoch has ended yet.</p>'
    delivery = dict(run.last.get("delivery") or {})
    rejected = delivery.pop("rejected", None)
    consumed, new = (run.last.get(f"samples_{k}") for k in ("consumed", "new"))
    seconds = run.last.get("seconds")
    figures: dict[str, Any] = {
        "rendered": run.last.get("samples_rendered"),
        **{k: v for k, v in delivery.items() if isinstance(v, int | float)},
        "consumed": consumed,
        "different ones": new,
        "uses per sample": consumed / new if consumed and new else None,
        "consumed per second": consumed / seconds if consumed and seconds else None,
        "waiting for data": percent(run.last.get("data_wait")),
        **_age(run.last.get("staleness")),
    }
    if isinstance(rejected, Mapping):
        figures["rejected"] = sum(rejected.values())
    cells = "".join(
        f"<div><dt>{escape(spaced(k))}</dt><dd>{v if isinstance(v, str) else number(v)}</dd></div>"
        for k, v in figures.items()
    )
    reasons = ""
    if rejected:
        items = "".join(f"<li>{escape(str(k))}: {number(v)}</li>" for k, v in rejected.items())
        reasons = f'<p class="intro">Rejected, by reason:</p><ul class="reasons">{items}</ul>'
    return f'<dl class="figures">{cells}</dl>{reasons}{_missing(run)}{_pace(run)}{_workers(run)}'


def _age(staleness: Row | None) -> dict[str, str]:
    """How old the last epoch's priors were."""
    if not staleness or not staleness.get("samples"):
        return {}
    behind = f"{number(staleness['versions_mean'])} versions, {number(staleness['seconds_mean'])} s"
    return {"behind the newest prior": behind}


def _missing(run: RunData) -> str:
    """Samples that were ordered and given up, each with the reason."""
    indices = (run.summary or run.last).get("indices") or {}
    items = "".join(
        f"<li>sample {number(m['index'])} of simulator {number(m['worker'])}: "
        f"{escape(str(m['why']))}</li>"
        for m in indices.get("missing", ())
    )
    if not items:
        return ""
    return f'<p class="intro">Missing:</p><ul class="reasons">{items}</ul>'


def _pace(run: RunData) -> str:
    """Samples over wall time, how fast they came, and the wait for them."""
    if len(run.epochs) < 2:
        return ""
    x = [float(row.get("seconds") or 0.0) / 60 for row in run.epochs]
    label = "wall time [min]"
    counts = {k: [row.get(f"samples_{k}") for row in run.epochs] for k in ("rendered", "consumed")}
    styles = {"rendered": "s1", "consumed": "s2"}
    made = [Series(k, counts[k], styles[k]) for k in counts]
    rates = [Series(k, _rates(counts[k], x), styles[k]) for k in counts]
    wait = [Series("waiting for data", [scaled(r.get("data_wait"), 100) for r in run.epochs], "s4")]
    return (
        '<div class="grid3">'
        + _figure("Samples so far", line_chart(x, made, label, ""), made)
        + _figure("Samples per second", line_chart(x, rates, label, ""), rates)
        + _figure("Waiting, % of the wall time", line_chart(x, wait, label, " %"), wait)
        + "</div>"
    )


def _rates(counts: Sequence[float | None], minutes: Sequence[float]) -> list[float | None]:
    """Samples per second since the epoch before; None for the first."""
    rates: list[float | None] = [None]
    for (a, s), (b, t) in pairwise(zip(counts, minutes, strict=True)):
        if a is None or b is None or t <= s:
            rates.append(None)
        else:
            rates.append((b - a) / (60 * (t - s)))
    return rates


def _workers(run: RunData) -> str:
    workers = run.last.get("workers")
    if not isinstance(workers, Mapping) or not workers:
        return ""
    rows = {k: v if isinstance(v, Mapping) else {"": v} for k, v in workers.items()}
    columns = list(dict.fromkeys(key for row in rows.values() for key in row))
    heads = "".join(f"<th>{escape(spaced(str(c)))}</th>" for c in columns)
    cells = {
        k: "".join(f"<td>{plain(row.get(c))}</td>" for c in columns) for k, row in rows.items()
    }
    body = "".join(f"<tr><th>{escape(str(k))}</th>{cells[k]}</tr>" for k in cells)
    return f'<div class="card wide"><table><tr><th>simulator</th>{heads}</tr>{body}</table></div>'


def configuration(run: RunData) -> str:
    """What differs from the preset, where that is known, then every setting."""
    config = {k: v for k, v in run.config.items() if k not in ("schema", "changed")}
    loose = {k: v for k, v in config.items() if not isinstance(v, Mapping)}
    groups = {"run": loose} | {k: v for k, v in config.items() if isinstance(v, Mapping)}
    if (changed := run.config.get("changed")) is not None:
        title = f"otherwise than preset {config.get('preset')}"
        groups = {title: changed or {"nothing": "all is the preset's"}} | groups
    blocks = []
    for name, values in groups.items():
        items = "".join(
            f"<div><dt>{escape(str(k))}</dt><dd>{plain(v)}</dd></div>" for k, v in values.items()
        )
        blocks.append(
            f'<div class="card"><h3>{escape(str(name))}</h3><dl class="pairs">{items}</dl></div>'
        )
    return f'<div class="columns">{"".join(blocks)}</div>'


def words(_run: RunData) -> str:
    """One line for each number on the page."""
    items = "".join(f"<div><dt>{k}</dt><dd>{v}.</dd></div>" for k, v in DEFINITIONS.items())
    return f'<dl class="words">{items}</dl>'
