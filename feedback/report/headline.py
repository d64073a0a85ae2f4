"""The report's head: what the run is, one sentence about it, and the headline figures."""

from html import escape

from feedback.history import movement, prior_of
from feedback.report.beside_chance import verdict
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
    changes = _CHANGES + (_ELSEWHERE if value(run.last, "elsewhere") else ())
    tiles = [_change(run, *t) for t in changes] + _counts(run)
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
_ELSEWHERE = (
    (
        "Uniform poses",
        "elsewhere.best_peak.median_percent",
        1.0,
        "best peak there, the price of what is expected",
    ),
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
        tiles.append(_prior_tile(run))
    return tiles


def _prior_tile(run: RunData) -> str:
    """How far losses moved the prior beside chance; or how far it moved where they did not."""
    if chance := value(run.last, "movement"):
        ends = f"{number(100 * chance['low'])} to {number(100 * chance['high'])}\u00a0%"
        note = f"of the poses; by chance {ends}, p {number(chance['p'])}"
        return _tile("Moved by losses", f"<b>{number(100 * chance['moved'])}</b><i>%</i>", note)
    note = f"of the poses, none by losses; version {run.history[-1]['version']}"
    return _tile("Prior moved", f"<b>{number(100 * _moved(run), 2)}</b><i>%</i>", note)


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
    if moved := verdict(run):
        text += f". {moved}"
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
