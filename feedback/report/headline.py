"""The report's head: what the run is, one sentence about it, and the headline figures."""

from html import escape

from feedback.history import movement, prior_of
from feedback.report.run_data import RunData, value
from feedback.report.text import duration, number, scaled


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
    ("Best peak", "held_out.best_peak.median_percent", 1.0, "median of all, % of the diagonal"),
    ("Median error", "held_out.median_percent", 1.0, "of found, % of the diagonal"),
    ("Mean error", "held_out.mean_percent", 1.0, "of found, % of the diagonal"),
    ("Miss rate", "held_out.miss_rate", 100.0, "of keypoints in the frame"),
)


def _change(run: RunData, title: str, path: str, scale: float, note: str) -> str:
    before, after = (scaled(value(row, path), scale) for row in (run.first, run.last))
    was = f"<s>{number(before)}</s> → " if len(run.epochs) > 1 else ""
    return _tile(title, f"{was}<b>{number(after)}</b><i>%</i>", note)


def _counts(run: RunData) -> list[str]:
    rendered, consumed, new = (
        value(run.last, f"samples_{k}") for k in ("rendered", "consumed", "new")
    )
    uses = f"each used {number(consumed / new, 2)} times" if consumed and new else "for training"
    source = _tile("Rendered", f"<b>{number(rendered)}</b>", "samples, held-out set included")
    if worth := value(run.last, "pool.effective"):
        note = f"training samples, worth {number(worth)} at the last prior"
        source = _tile("Recorded", f"<b>{number(value(run.last, 'pool.samples'))}</b>", note)
    tiles = [source, _tile("Consumed", f"<b>{number(consumed)}</b>", uses)]
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
    count = run.last["epoch"]
    text = f"{count} epoch{'s' if count != 1 else ''} in {duration(run.last.get('seconds'))}"
    if before and after:
        turn = "fell" if after < before else "rose"
        text += (
            f": the median error on the held-out images {turn} from {number(before)}\u00a0% to "
            f"<strong>{number(after)}\u00a0%</strong> of the image diagonal"
        )
    moved = _moved(run) if run.history else 0.0
    if moved:
        text += (
            f". The prior moved {number(100 * moved, 2)}\u00a0% of the poses to bins that were hard"
        )
    return text + "."


def _missing(run: RunData) -> str:
    """What the run folder does not hold yet."""
    absent = [
        name
        for name, there in (
            ("metrics.jsonl", bool(run.epochs)),
            ("prior_history.jsonl", bool(run.history)),
            ("robot.json", run.robot is not None),
            ("gallery", run.gallery is not None),
            ("summary.json", run.summary is not None),
        )
        if not there
    ]
    if not absent:
        return ""
    return f'<p class="missing">Not in the run folder yet: {", ".join(absent)}.</p>'
