import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from feedback.controller import Controller
from feedback.history import FILE, History, read_history
from feedback.report.charts import Series, heat_limit, line_chart
from feedback.report.gallery import pick
from feedback.report.prior_picture import prior_captions, prior_picture, prior_png
from feedback.report.report import ReportError, write_report
from feedback.report.sections import DEFINITIONS
from feedback.report.text import duration, number
from simulator.drawing.drawing import PREDICTED_COLOUR, PlotError, belief_strip, draw_skeleton
from simulator.labels import belief_map
from simulator.randomization.prior import JointPrior
from trainer.config.files import kept
from trainer.config.presets import preset
from trainer.metrics.keypoints import Errors, evaluate

ANGLES = ("shoulder_pan", "shoulder_lift", "elbow", "wrist_1", "wrist_2", "wrist_3")
KEYPOINTS = (*ANGLES, "tool_flange")
CHAIN = [[i, i + 1] for i in range(6)]
WIDTH, HEIGHT = 160, 120


def write_run(folder: Path, epochs: int = 4, images: int = 8, finished: bool = True) -> Path:
    """A run folder as the loop leaves it, with learning that looks like learning."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(preset("tiny").to_json())
    lower, upper = np.full(6, -np.pi), np.full(6, np.pi)
    robot = {
        "name": "ur10",
        "keypoints": KEYPOINTS,
        "angle_names": ANGLES,
        "lower": lower.tolist(),
        "upper": upper.tolist(),
        "skeleton": CHAIN,
    }
    (folder / "robot.json").write_text(json.dumps(robot))
    controller = Controller(JointPrior.uniform(lower, upper, 16, 4.0))
    history = History(folder)
    history.append(controller.observation)
    bins = rng.integers(0, 16, (200, 6))
    for epoch in range(epochs):
        scale = 70 * 0.6**epoch + 4
        distance = rng.gamma(2, scale / 2, (200, 7)) * np.linspace(0.6, 1.6, 7)
        distance[rng.random((200, 7)) < 0.4 * 0.7**epoch] = np.inf
        losses = 0.9**epoch * (0.5 + np.abs(bins[:, 1] - 8) / 8 + 0.3 * rng.random(200))
        controller.observe(epoch, losses, bins)
        history.append(controller.observation)
        seen = rng.random((200, 7)) > 0.05
        visibility = np.where(seen, rng.integers(1, 3, (200, 7)), 0).astype(np.uint8)
        percent = 100 * distance / np.hypot(WIDTH, HEIGHT)
        held_out = evaluate(Errors(distance, percent, percent), visibility, KEYPOINTS)
        row = _metrics_row(epoch, held_out)
        with (folder / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(row, allow_nan=False) + "\n")
    if images:
        _write_gallery(folder / "gallery", images, rng)
    if finished:
        (folder / "summary.json").write_text("{}")
    return folder


def _metrics_row(epoch: int, held_out: dict) -> dict:
    worker = {"adaptive": True, "prior_version": epoch, "rendered": 300 * epoch, "seconds": 0.071}
    return {
        "epoch": epoch,
        "seconds": 20.0 * epoch + 9,
        "train_loss": 0.02 * 0.7**epoch if epoch else None,
        "held_out": held_out,
        "samples_rendered": 200 + 600 * epoch,
        "samples_consumed": 3200 * epoch,
        "samples_new": 590 * epoch,
        "data_wait": 0.3 * 0.8**epoch,
        "delivery": {
            "received": 200 + 598 * epoch,
            "lost": 0,
            "lost_with_worker": 2,
            "duplicated": 0,
            "stale": 16 * epoch,
            "rejected": {"schema": 1},
        },
        "workers": {"0": worker, "1": worker | {"adaptive": False}},
        "prior_version": epoch,
    }


def _write_gallery(folder: Path, n: int, rng: np.random.Generator) -> None:
    folder.mkdir()
    pixels = np.cumsum(rng.normal(0, 18, (n, 7, 2)), axis=1) + np.array([80, 60])
    visibility = np.where((pixels > 0).all(-1) & (pixels < (WIDTH, HEIGHT)).all(-1), 2, 0)
    visibility[:, 3] = np.minimum(visibility[:, 3], 1)
    predicted = pixels + rng.normal(0, 3, pixels.shape)
    beliefs = [
        belief_map(p, v > 0, WIDTH, HEIGHT, 4, 1.5)
        for p, v in zip(predicted, visibility, strict=True)
    ]
    np.savez(
        folder / "gallery.npz",
        images=rng.integers(90, 140, (n, HEIGHT, WIDTH, 3)).astype(np.uint8),
        pixels=pixels,
        visibility=visibility.astype(np.uint8),
        predicted=predicted,
        found=rng.random((n, 7)) > 0.1,
        scores=rng.random((n, 7)),
        beliefs=np.stack(beliefs),
        losses=rng.random(n),
    )


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "robot & <run>")


class _Page(HTMLParser):
    """Notes what a page loads and whether its elements close."""

    VOID = frozenset({"meta", "br", "input", "img", "link"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loads += [v for k, v in attrs if k in ("src", "href", "xlink:href") and v]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def _parsed(path: Path) -> _Page:
    page = _Page()
    page.feed(path.read_text())
    assert page.open == []
    return page


def test_page_needs_nothing_but_itself(run):
    path = write_report(run)
    page = _parsed(path)
    assert page.loads
    assert all(target.startswith(("#", "data:image/")) for target in page.loads)
    text = path.read_text().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|@import|url\(", text)


def test_page_is_small_and_the_only_thing_written(run):
    before = {p.name for p in run.iterdir()}
    path = write_report(run)
    assert path == run / "report.html"
    assert path.stat().st_size < 6e6
    assert {p.name for p in run.iterdir()} - before == {"report.html"}


def test_headline_says_the_error_before_and_after(run):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    text = write_report(run).read_text()
    for row in (rows[0], rows[-1]):
        assert number(row["held_out"]["median_percent"]) in text
        assert number(100 * row["held_out"]["miss_rate"]) in text


def test_every_keypoint_joint_bin_and_word_is_on_the_page(run):
    text = write_report(run).read_text()
    entries = read_history(run)
    for name in (*KEYPOINTS, *ANGLES):
        assert name.replace("_", " ") in text
    assert len(re.findall(r'<rect class="h[+-]\d"', text)) == len(entries) * 6 * 16
    assert all(word in text for word in DEFINITIONS)
    assert "rejected" in text.lower()
    assert "schema: 1" in text


def test_run_names_are_escaped(run):
    text = write_report(run).read_text()
    assert "robot &amp; &lt;run&gt;" in text
    assert "<run>" not in text


@pytest.mark.parametrize(("epochs", "images"), [(0, 0), (1, 0), (1, 2), (2, 1)])
def test_an_unfinished_run_has_a_page_that_says_what_is_missing(tmp_path, epochs, images):
    folder = write_run(tmp_path / "run", epochs, images, finished=False)
    path = write_report(folder)
    _parsed(path)
    text = path.read_text()
    assert "unfinished" in text
    assert "summary.json" in text
    assert ("gallery" in text.split("Not in the run folder yet: ")[1].split("<")[0]) == (
        images == 0
    )


def test_the_configuration_says_what_differs_from_the_preset(tmp_path):
    config = preset("tiny").changed(size="96x64", **{"feedback.weight": 4})
    for text, said in (
        (kept(config), "<dt>feedback.weight</dt><dd>4"),
        (kept(preset("tiny")), "all is the preset"),
    ):
        (tmp_path / "config.json").write_text(text)
        page = write_report(tmp_path).read_text()
        assert "otherwise than preset tiny" in page
        assert said in page
    before = {k: v for k, v in json.loads(text).items() if k not in ("schema", "changed")}
    (tmp_path / "config.json").write_text(json.dumps(before))
    assert "otherwise than" not in write_report(tmp_path).read_text()


def test_a_run_of_which_only_the_config_exists_has_a_page(tmp_path):
    (tmp_path / "config.json").write_text(preset("tiny").to_json())
    text = write_report(tmp_path).read_text()
    assert "metrics.jsonl, prior_history.jsonl, robot.json, gallery, summary.json" in text


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(ReportError, match=re.escape(f"{tmp_path / 'nothing'} holds no run")):
        write_report(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("name", ["metrics.jsonl", "robot.json", "gallery/gallery.npz", FILE])
def test_a_damaged_file_is_named(run, name):
    (run / name).write_text("not what it should be\n")
    with pytest.raises(ReportError, match=re.escape(str(run / name))):
        write_report(run)


def test_a_half_written_last_epoch_is_left_out(run):
    whole = write_report(run).read_text()
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 99, "sec')
    assert write_report(run).read_text() == whole


def test_an_epoch_run_again_after_a_resume_counts_once(run):
    whole = write_report(run).read_text()
    path = run / "metrics.jsonl"
    path.write_text(path.read_text() + path.read_text().splitlines()[-1] + "\n")
    assert write_report(run).read_text() == whole


def test_gallery_shows_worst_middle_and_best_once_each():
    losses = np.array([5.0, np.nan, 1.0, 3.0, 2.0, 4.0, 0.0, 6.0])
    groups = pick(losses, 2)
    assert groups == {"Worst": [7, 0], "Median": [5, 3], "Best": [2, 6]}


@pytest.mark.parametrize("n", range(1, 14))
def test_gallery_never_shows_an_image_twice(n):
    shown = [i for group in pick(np.arange(float(n)), 4).values() for i in group]
    assert len(shown) == len(set(shown))
    assert n - 1 in shown  # the worst


def test_lines_leave_out_what_has_no_value():
    series = [Series("loss", [None, 4.0, 0.0, 1.0], "s1")]
    chart = line_chart([0, 1, 2, 3], series, "epoch", "", log=True)
    points = re.search(r'points="([^"]*)"', chart)
    assert points is not None
    assert len(points.group(1).split()) == 2
    assert chart.count("data-tip") == 4


def test_strongest_heat_colour_covers_the_largest_factor():
    marginals = np.array([[[0.5, 0.25, 0.125, 0.125]]])
    assert heat_limit(marginals) == 2.0
    assert heat_limit(np.full((3, 2, 8), 1 / 8)) == 1.25


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (float("inf"), "–"),
        (0, "0"),
        (3.14159, "3.14"),
        (41.26, "41.3"),
        (0.0375, "0.04"),
        (12345, "12,345"),
        (30.0, "30.0"),
    ],
)
def test_numbers_keep_three_digits(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(9.4, "9 s"), (200, "3 min 20 s"), (7260, "2 h 1 min")]
)
def test_durations_are_read_at_a_glance(seconds, text):
    assert duration(seconds) == text


def test_skeleton_is_drawn_at_its_keypoints_and_the_image_is_left_alone():
    image = np.zeros((60, 80, 3), np.uint8)
    pixels = np.array([[10.0, 10.0], [70.0, 50.0], [np.nan, np.nan]])
    drawn = draw_skeleton(image, pixels, [2, 2, 2], [[0, 1], [1, 2]], PREDICTED_COLOUR)
    assert not image.any()
    for x, y in ((10, 10), (70, 50), (40, 30)):
        np.testing.assert_allclose(drawn[y, x], PREDICTED_COLOUR, atol=12)  # anti-aliased
    assert not drawn[:, :5].any()


def test_keypoints_outside_the_frame_are_not_drawn():
    image = np.zeros((60, 80, 3), np.uint8)
    drawn = draw_skeleton(image, [[10.0, 10.0], [40.0, 30.0]], [0, 0], [[0, 1]], PREDICTED_COLOUR)
    assert not drawn.any()


def test_skeletons_that_do_not_fit_are_refused():
    with pytest.raises(PlotError, match=r"\(3, 2\)"):
        draw_skeleton(np.zeros((4, 4, 3), np.uint8), np.zeros((3, 2)), [2, 2], [], PREDICTED_COLOUR)


def test_belief_strip_is_brightest_at_the_peaks():
    beliefs = np.zeros((3, 6, 8), np.uint8)
    beliefs[[0, 1, 2], [1, 2, 3], [4, 5, 6]] = 255
    strip = belief_strip(beliefs)
    assert strip.shape == (6, 3 * 8 + 2, 3)
    for j, (y, x) in enumerate(((1, 4), (2, 5), (3, 6))):
        cell = strip[:, 9 * j : 9 * j + 8].sum(axis=2, dtype=int)
        assert np.unravel_index(cell.argmax(), cell.shape) == (y, x)


def test_the_prior_is_a_picture_of_captioned_panels(run, tmp_path):
    history = read_history(run)
    captions = prior_captions(json.loads((run / "robot.json").read_text()))
    path = prior_png(history, captions, tmp_path / "prior.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert captions[0] == "shoulder_pan -180..180 deg"
    with pytest.raises(PlotError, match="empty"):
        prior_picture([], captions)
    with pytest.raises(PlotError, match="panels and 1 captions"):
        prior_picture(history, captions[:1])


def test_hidden_and_visible_keypoints_have_rows_of_their_own(tmp_path: Path):
    text = write_report(write_run(tmp_path / "run")).read_text()
    assert "<th>all hidden</th>" in text
    assert "<th>all visible</th>" in text
