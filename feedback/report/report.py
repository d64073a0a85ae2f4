"""All of a run on one page: `report.html`, one file that opens without a network.

Reads the run folder and nothing else, so it can be made at any time: during a run, after a crash,
or years later.
"""

import importlib.resources
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feedback.history import HistoryError, read_history
from feedback.report import gallery, headline, sections
from feedback.report.prior_picture import prior_captions, prior_png
from feedback.report.run_data import RunData
from feedback.selection import FeedbackError
from jointloop.common.files import write_text
from jointloop.common.lines import LinesError, read_lines
from simulator.drawing.drawing import gallery_picture, write_png

GALLERY_ARRAYS = (
    *("images", "pixels", "visibility"),
    *("predicted", "found", "scores", "beliefs", "losses"),
)
"""What gallery.npz holds: images, their keypoints, and what the network made of them."""


class ReportError(FeedbackError):
    """A folder of which no report can be made."""


def write_report(folder: Path) -> Path:
    """Write `report.html` into a run folder, beside first and then renamed.

    Returns:
        The page's path.

    Raises:
        ReportError: the folder holds no run, or a file of it is damaged.
    """
    path = folder / "report.html"
    write_text(path, render(read_run(folder)))
    return path


def write_pictures(folder: Path) -> list[Path]:
    """Write what a run has to show as PNG: gallery.png and prior.png; gives the paths.

    Raises:
        ReportError: the folder holds no run, or a file of it is damaged.
    """
    run = read_run(folder)
    written = []
    if run.gallery is not None and run.robot:
        picture = gallery_picture(run.gallery, run.robot["skeleton"])
        written.append(write_png(picture, folder / "gallery.png"))
    if run.history and run.robot:
        captions = prior_captions(run.robot)
        written.append(prior_png(run.history, captions, folder / "prior.png"))
    return written


def read_run(folder: Path) -> RunData:
    """What the report needs of a run folder; what is not there yet is empty or None.

    Raises:
        ReportError: there is no run, or a file of it is damaged.
    """
    config = _read_json(folder / "config.json")
    if config is None:
        raise ReportError(f"{folder} holds no run: it has no config.json")
    try:
        history = read_history(folder)
        epochs = read_lines(folder / "metrics.jsonl", "epoch", _epoch)
    except (HistoryError, LinesError) as error:
        raise ReportError(str(error)) from error
    return RunData(
        name=folder.resolve().name,
        config=config,
        robot=_read_json(folder / "robot.json"),
        epochs=_latest(epochs),
        history=history,
        gallery=_read_gallery(folder / "gallery" / "gallery.npz"),
        summary=_read_json(folder / "summary.json"),
    )


def render(run: RunData) -> str:
    """The page as HTML."""
    parts = [_Part(*p) for p in _PARTS]
    nav = "".join(f'<a href="#{p.key}">{escape(p.short)}</a>' for p in parts)
    body = "".join(
        f'<section id="{p.key}"><h2>{escape(p.title)}</h2>{p.write(run)}</section>' for p in parts
    )
    files = importlib.resources.files("feedback.report") / "page"
    page = {
        name: (files / name).read_text("utf-8") for name in ("page.html", "page.css", "page.js")
    }
    return Template(page["page.html"]).substitute(
        title=escape(run.name),
        css=page["page.css"],
        js=page["page.js"],
        header=headline.header(run),
        nav=nav,
        body=body,
    )


@dataclass(frozen=True)
class _Part:
    key: str
    short: str
    title: str
    write: Callable[[RunData], str]


_PARTS = (
    ("learning", "Learning", "Learning curve", sections.learning),
    ("prior", "Prior", "What was rendered: the prior, joint by joint", sections.prior),
    ("joints", "Keypoints", "Error by keypoint", sections.joints),
    ("gallery", "Gallery", "Held-out images", gallery.gallery),
    ("samples", "Samples", "Samples on their way", sections.samples),
    ("config", "Config", "Resolved configuration", sections.configuration),
    ("words", "Words", "What the numbers mean", sections.words),
)


def _read_json(path: Path) -> Any:
    """The file's JSON, None if there is no file."""
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise ReportError(f"{path} is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise ReportError(f"{path} is no JSON object")
    return value


def _epoch(row: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(row.get("epoch"), int):
        raise ValueError("it has no whole number 'epoch'")
    return row


def _latest(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last row of every epoch: a resumed run writes the epoch it was stopped in again."""
    return [row for _, row in sorted({row["epoch"]: row for row in rows}.items())]


def _read_gallery(path: Path) -> dict[str, NDArray[Any]] | None:
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in GALLERY_ARRAYS}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ReportError(f"{path} is no gallery: {error}") from None
