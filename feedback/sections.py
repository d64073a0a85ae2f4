"""The report's sections, each a function from a run to HTML."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from feedback.charts import (
    HEAT_STEPS,
    Series,
    dumbbell,
    heat_limit,
    line_chart,
    number,
    prior_panel,
)
from feedback.history import marginals, movement, prior_of
from feedback.run_data import RunData, value

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
    "held-out set": "fixed validation images, drawn from the uniform prior, never trained on",
    "prior": "Dirichlet over the bins of each joint angle from which poses to render are drawn; "
    "×2 means rendered twice as often as under the uniform prior",
    "selection": "the held-out images with the highest loss; their bins are counted into the prior",
    "prior moved": "total variation between first and last prior, half the L1 distance of their bin "
    "probabilities, averaged over joints: the share of poses that changed bins",
    "entropy": "of a joint's bin probabilities over that of uniform ones: 1 is uniform, 0 is certain",
    "uses per sample": "samples handed to the network over different samples among them",
    "stale": "received, but drawn from an older prior than the newest one sent to its simulator",
    "lost": "sequence numbers that never arrived; lost with a simulator: in flight when it ended, "
    "rendered again by its successor",
    "waiting for data": "share of the wall time in which the trainer had no batch to train on",
}

Row = Mapping[str, Any]


def header(run: RunData) -> str:
    """Name, state, one sentence, and the headline figures."""
    finished = run.summary is not None
    state = (
        '<span class="state done">finished</span>'
        if finished
        else ('<span class="state open">unfinished</span>')
    )
    settings = run.config.get("settings", {})
    robot = run.robot["name"] if run.robot else settings.get("robot")
    facts = [
        str(run.config.get("preset", "")),
        str(robot or ""),
        f"{settings.get('width')}×{settings.get('height')} px",
        f"seed {run.config.get('seed')}",
        "feedback on" if value(run.config, "feedback.enabled") else "feedback off",
    ]
    chips = "".join(f"<li>{escape(f)}</li>" for f in facts if f)
    tiles = [_change(run, *t) for t in _CHANGES] + _counts(run)
    return (
        f'<p class="kicker">Jointloop run</p><h1>{escape(run.name)}{state}</h1>'
        f'<ul class="chips">{chips}</ul><p class="lead">{_story(run)}</p>'
        f'{_missing(run)}<div class="tiles">{"".join(tiles)}</div>'
    )


_CHANGES = (
    ("Median error", "held_out.median_percent", 1.0, "of found, % of the diagonal"),
    ("Mean error", "held_out.mean_percent", 1.0, "of found, % of the diagonal"),
    ("Miss rate", "held_out.miss_rate", 100.0, "of keypoints in the frame"),
)


def _change(run: RunData, title: str, path: str, scale: float, note: str) -> str:
    before, after = (_scaled(value(row, path), scale) for row in (run.first, run.last))
    was = f"<s>{number(before)}</s> → " if len(run.epochs) > 1 else ""
    return _tile(title, f"{was}<b>{number(after)}</b><i>%</i>", note)


def _counts(run: RunData) -> list[str]:
    rendered, consumed, new = (
        value(run.last, f"samples_{k}") for k in ("rendered", "consumed", "new")
    )
    uses = f"each used {number(consumed / new, 2)} times" if consumed and new else "for training"
    tiles = [
        _tile("Rendered", f"<b>{number(rendered, 7)}</b>", "samples, held-out set included"),
        _tile("Consumed", f"<b>{number(consumed, 7)}</b>", uses),
    ]
    if run.history:
        moved = _moved(run)
        note = f"of the poses changed bins; version {run.history[-1]['version']}"
        tiles.append(_tile("Prior moved", f"<b>{number(100 * moved, 2)}</b><i>%</i>", note))
    return tiles


def _tile(title: str, figure: str, note: str) -> str:
    return f'<div class="tile"><h3>{title}</h3><p class="figure">{figure}</p><p>{note}</p></div>'


def _moved(run: RunData) -> float:
    first, last = prior_of(run.history[0]), prior_of(run.history[-1])
    return float(movement(first, last)["total_variation_mean"])


def _story(run: RunData) -> str:
    """The run in one or two sentences."""
    if len(run.epochs) < 2:
        return (
            "No epoch has ended yet." if not run.epochs else "Training has not ended an epoch yet."
        )
    before, after = (value(row, "held_out.median_percent") for row in (run.first, run.last))
    text = f"{run.last['epoch']} epochs in {duration(run.last.get('seconds'))}"
    if before and after:
        turn = "fell" if after < before else "rose"
        text += (
            f": the median error on the held-out images {turn} from {number(before)} % to "
            f"<strong>{number(after)} %</strong> of the image diagonal"
        )
    moved = _moved(run) if run.history else 0.0
    if moved:
        text += f". The prior moved {number(100 * moved, 2)} % of the poses to bins that were hard"
    return text + "."


def _missing(run: RunData) -> str:
    """What the run folder does not hold yet."""
    absent = [
        name
        for name, there in (
            ("metrics.jsonl", run.epochs),
            ("prior_history.jsonl", run.history),
            ("robot.json", run.robot),
            ("gallery", run.gallery),
            ("summary.json", run.summary),
        )
        if not there
    ]
    if not absent:
        return ""
    return f'<p class="missing">Not in the run folder yet: {", ".join(absent)}.</p>'


def learning(run: RunData) -> str:
    """Error, misses and training loss over epochs and over wall time."""
    if not run.epochs:
        return '<p class="missing">No epoch has ended yet.</p>'
    by_epoch = [float(row["epoch"]) for row in run.epochs]
    by_time = [float(row.get("seconds") or 0.0) / 60 for row in run.epochs]
    views = [("epoch", by_epoch), ("wall time [min]", by_time)]
    shown = "".join(
        f'<div class="grid3 view" data-view="{i}"{" hidden" if i else ""}>{_curves(run, x, label)}</div>'
        for i, (label, x) in enumerate(views)
    )
    buttons = "".join(
        f'<button data-show="{i}"{"" if i else " class=on"}>over {escape(label.split(" [")[0])}</button>'
        for i, (label, _) in enumerate(views)
    )
    return f'<div class="switch">{buttons}</div>{shown}'


def _curves(run: RunData, x: Sequence[float], label: str) -> str:
    def column(path: str, scale: float = 1.0) -> list[float | None]:
        return [_scaled(value(row, path), scale) for row in run.epochs]

    error = [
        Series("median", column("held_out.median_percent"), "s1"),
        Series("mean", column("held_out.mean_percent"), "s2"),
        Series("p95", column("held_out.p95_percent"), "s3"),
    ]
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
        note = (
            f"entropy {moved['entropy'][d]:.3f} · moved {100 * moved['total_variation'][d]:.1f} %"
        )
        panel = prior_panel(p[keep, d], labels, run.ends(d), limit)
        cards.append(
            f'<figure class="card"><figcaption>{escape(spaced(name))}<small>{note}</small>'
            f"</figcaption>{panel}</figure>"
        )
    thinned = f" {len(keep)} of {T} versions are shown." if len(keep) < T else ""
    return (
        '<p class="intro">Colour: how often a bin of a joint angle is rendered, against the uniform '
        f"prior, from the start of the run to now. Bars: now.{thinned}</p>{_heat_legend(limit)}"
        f'<div class="grid3">{"".join(cards)}</div>'
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
    total = _joint_row("all", value(run.last, "held_out"), "total")
    chart = (
        '<figure class="card"><figcaption>Median error, before and after</figcaption>'
        '<ul class="legend"><li class="before">untrained</li><li class="after">now</li></ul>'
        f"{dumbbell(pairs, ' %')}</figure>"
    )
    table = f"<table><tr><th></th>{heads}</tr>{''.join(rows)}{total}</table>"
    return f'<div class="split">{chart}<div class="card wide">{table}</div></div>'


def _joint_row(name: str, row: Row, style: str = "") -> str:
    cells = []
    for _, path, scale, unit in _COLUMNS:
        v = _scaled(value(row, path), scale)
        if not unit:
            cells.append(f"<td>{number(v, 6)}</td>")
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
        "waiting for data": _percent(run.last.get("data_wait")),
    }
    if isinstance(rejected, Mapping):
        figures["rejected"] = sum(rejected.values())
    cells = "".join(
        f"<div><dt>{escape(spaced(k))}</dt><dd>{v if isinstance(v, str) else number(v, 7 if isinstance(v, int) else 3)}</dd></div>"
        for k, v in figures.items()
    )
    reasons = ""
    if rejected:
        items = "".join(f"<li>{escape(str(k))}: {number(v, 7)}</li>" for k, v in rejected.items())
        reasons = f'<p class="intro">Rejected, by reason:</p><ul class="reasons">{items}</ul>'
    return f'<dl class="figures">{cells}</dl>{reasons}{_pace(run)}{_workers(run)}'


def _pace(run: RunData) -> str:
    """Samples over wall time, and the wait for them."""
    if len(run.epochs) < 2:
        return ""
    x = [float(row.get("seconds") or 0.0) / 60 for row in run.epochs]
    made = [
        Series("rendered", [row.get("samples_rendered") for row in run.epochs], "s1"),
        Series("consumed", [row.get("samples_consumed") for row in run.epochs], "s2"),
    ]
    wait = [
        Series("waiting", [_scaled(row.get("data_wait"), 100) for row in run.epochs], "s3"),
    ]
    return (
        f'<div class="grid2">{_figure("Samples", line_chart(x, made, "wall time [min]", ""), made)}'
        f"{_figure('Waiting for data, % of the wall time', line_chart(x, wait, 'wall time [min]', ' %'), wait)}"
        "</div>"
    )


def _workers(run: RunData) -> str:
    workers = run.last.get("workers")
    if not isinstance(workers, Mapping) or not workers:
        return ""
    rows = {k: v if isinstance(v, Mapping) else {"": v} for k, v in workers.items()}
    columns = list(dict.fromkeys(key for row in rows.values() for key in row))
    heads = "".join(f"<th>{escape(spaced(str(c)))}</th>" for c in columns)
    body = "".join(
        f"<tr><th>{escape(str(k))}</th>{''.join(f'<td>{_plain(row.get(c))}</td>' for c in columns)}</tr>"
        for k, row in rows.items()
    )
    return f'<div class="card wide"><table><tr><th>simulator</th>{heads}</tr>{body}</table></div>'


def configuration(run: RunData) -> str:
    """Every setting."""
    loose = {k: v for k, v in run.config.items() if not isinstance(v, Mapping)}
    groups = {"run": loose} | {k: v for k, v in run.config.items() if isinstance(v, Mapping)}
    blocks = []
    for name, values in groups.items():
        items = "".join(
            f"<div><dt>{escape(str(k))}</dt><dd>{_plain(v)}</dd></div>" for k, v in values.items()
        )
        blocks.append(
            f'<div class="card"><h3>{escape(str(name))}</h3><dl class="pairs">{items}</dl></div>'
        )
    return f'<div class="columns">{"".join(blocks)}</div>'


def words(_run: RunData) -> str:
    """One line for each number on the page."""
    items = "".join(f"<div><dt>{k}</dt><dd>{v}.</dd></div>" for k, v in DEFINITIONS.items())
    return f'<dl class="words">{items}</dl>'


def _plain(v: Any) -> str:
    """A value of unknown kind for a table."""
    if isinstance(v, bool):
        return "yes" if v else "no"
    if isinstance(v, float):
        return f"{v:g}"
    if isinstance(v, list | tuple):
        return ", ".join(_plain(item) for item in v)
    return "–" if v is None else escape(str(v))


def _scaled(v: float | None, scale: float) -> float | None:
    return None if v is None else float(v) * scale


def _percent(v: float | None) -> str:
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
