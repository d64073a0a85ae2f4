"""Laws of the comparison of photos with renderings: same is alike, blurred is found out."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from cli_parts import jointloop
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from simulator.randomization.assignment import Assignment
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings
from simulator.robot import Robot
from simulator.sample_maker import SampleMaker
from trainer.beliefs.decode import Peaks
from trainer.config.presets import preset
from trainer.gap.comparison import Row, Spread, as_json, compare
from trainer.gap.page import lines, page
from trainer.gap.sources import GapError, of_unlabelled
from trainer.gap.statistics import STATISTICS, at_width, statistics
from trainer.weights.file import WeightsInfo

BONES = ((0, 1), (1, 2))
POINTS = np.array([[40.0, 150.0], [60.0, 60.0], [150.0, 50.0]])
STICKS = ("--engine", "stick", "--size", "96x64", "--variety", "calm")


def noise(deviation: float, size: tuple[int, int] = (256, 192), seed: int = 0) -> np.ndarray:
    """A grey picture with noise."""
    rng = np.random.default_rng(seed)
    grey = 128 + deviation * rng.standard_normal((size[1], size[0], 1))
    return np.repeat(grey.round().clip(0, 255), 3, axis=2).astype(np.uint8)


@given(st.floats(2, 25))
def test_noise_is_measured_as_it_is(deviation: float) -> None:
    assert statistics(noise(deviation), 256)["noise"] == pytest.approx(deviation, rel=0.08)


def test_edges_are_no_noise_and_blur_is_less_sharp() -> None:
    y, x = np.mgrid[:192, :256]
    squares = np.where((x // 16 + y // 16) % 2, 200, 60).astype(np.uint8)
    sharp = np.repeat(squares[..., None], 3, axis=2)
    blurred = cv2.GaussianBlur(sharp, (0, 0), 2.0)
    one, other = statistics(sharp, 256), statistics(blurred, 256)
    assert one["noise"] < 1
    assert one["sharpness"] > 3 * other["sharpness"]
    assert one["contrast"] == pytest.approx(70, rel=0.02)


@pytest.mark.parametrize(("where", "ratio"), [("robot", 2.0), ("background", 0.5)])
def test_what_is_sharp_is_told_apart(where: str, ratio: float) -> None:
    image, band = np.full((192, 256, 3), 128, np.uint8), np.zeros((192, 256), np.uint8)
    corners = POINTS.round().astype(int)
    cv2.polylines(band, [corners], False, (1,), 34)
    chosen = band > 0 if where == "robot" else band == 0
    image[chosen] = noise(20)[chosen]
    found = statistics(image, 256, POINTS, BONES)["robot over background"]
    assert found > ratio if where == "robot" else found < ratio


def test_clipped_light_and_colour_are_shares_and_means() -> None:
    image = np.full((100, 200, 3), 128, np.uint8)
    image[:, :20], image[:, 20:60] = 255, 0
    found = statistics(image, 200)
    assert found["highlights"] == pytest.approx(10)
    assert found["blacks"] == pytest.approx(20)
    assert found["saturation"] == 0
    red = statistics(np.full((64, 64, 3), (180, 60, 60), np.uint8), 64)
    assert red["a*"] > 20
    assert red["b*"] > 5
    assert red["saturation"] > 100


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_a_picture_of_any_size_has_the_same_box(factor: int) -> None:
    image = noise(5, (256 * factor, 192 * factor))
    found = statistics(image, 256, (POINTS + 0.5) * factor - 0.5, BONES)
    diagonal = np.hypot(110, 100) / np.hypot(256, 192)
    assert found["box of the robot"] == pytest.approx(100 * diagonal)
    assert found["aspect of the box"] == pytest.approx(1.1)
    assert found["aspect of the picture"] == pytest.approx(4 / 3)
    assert at_width(image, 256).shape == (192, 256, 3)


def test_a_picture_without_a_robot_has_the_statistics_of_a_picture() -> None:
    alone = statistics(noise(5), 256)
    unknown = statistics(noise(5), 256, np.full((3, 2), np.nan), BONES)
    assert alone == unknown
    whole = statistics(noise(5), 256, POINTS, BONES)
    assert list(whole) == list(STATISTICS)
    assert {*whole} - {*alone} == {
        name
        for name in STATISTICS
        if "robot" in name or "box" in name or name.endswith("background")
    }


def test_the_same_pictures_are_alike_and_a_shift_counts_spreads() -> None:
    kept = [statistics(noise(d, seed=i), 256, POINTS, BONES) for i, d in enumerate((4, 6, 8, 10))]
    assert {row.verdict for row in compare(kept, kept)} == {"alike"}
    row = Row("noise", Spread(7, 9.0, (8.0, 9.5)), Spread(9, 5.0, (4.0, 4.0 + 1.349)))
    assert row.shift == pytest.approx(4.0)
    assert row.verdict == "far higher"
    assert Row("noise", Spread(7, 4.3, (4.0, 5.0)), row.renderings).verdict == "lower"
    assert Row("noise", None, row.renderings).verdict == "unknown"


def test_table_figures_and_page_say_the_same() -> None:
    photos = [statistics(noise(d, seed=d), 256) for d in (10, 12, 14)]
    rendered = [statistics(noise(d, seed=d), 256, POINTS, BONES) for d in (2, 3, 4)]
    rows = compare(photos, rendered)
    written = json.loads(json.dumps(as_json(rows), allow_nan=False))
    assert [one["statistic"] for one in written] == list(STATISTICS)
    html = page(rows, "3 photos")
    for row, line, one in zip(rows, lines(rows)[1:], written, strict=True):
        assert line.startswith(row.name)
        assert line.endswith(row.verdict)
        assert one["verdict"] == row.verdict
        assert f">{row.name}</td>" in html
    assert html.count("<circle") == sum(row.shift is not None for row in rows)


@pytest.fixture
def photos(tmp_path: Path, uniform: JointPrior) -> Path:
    """Sticks as photos, with labels, twice as large as those they are compared with."""
    folder = tmp_path / "photos"
    folder.mkdir()
    images, annotations = [], []
    with SampleMaker(SampleSettings(width=192, height=128), "stick") as maker:
        names = maker.robot.keypoint_names
        for i in range(6):
            sample = maker.sample(1, i, Assignment.of(uniform))
            cv2.imwrite(str(folder / f"{i}.png"), sample.image[..., ::-1])
            seen = sample.labels.visibility
            points = [
                [float(x), float(y), int(v)] if v else [0, 0, 0]
                for (x, y), v in zip(sample.labels.pixels, seen, strict=True)
            ]
            images.append({"id": i, "file_name": f"{i}.png", "width": 192, "height": 128})
            annotations.append(
                {
                    "id": i,
                    "image_id": i,
                    "category_id": 1,
                    "keypoints": [value for point in points for value in point],
                    "bbox": list(sample.labels.box),
                }
            )
    categories = [{"id": 1, "name": "ur10", "keypoints": list(names)}]
    labels = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "labels.json").write_text(json.dumps(labels))
    return folder


def test_the_verb_finds_what_is_blurred(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in photos.glob("*.png"):
        cv2.imwrite(str(file), cv2.GaussianBlur(cv2.imread(str(file)), (0, 0), 5.0))
    words = ("gap", str(photos), "--labels", str(photos / "labels.json"), *STICKS)
    for name in ("gap.json", "gap.html"):
        assert jointloop(*words, "--samples", "8", "--out", str(tmp_path / name)) == 0
    said = capsys.readouterr().out
    assert re.search(r"^sharpness of the robot .* lower$", said, re.M)
    assert "6 photos, 8 renderings, both 96 px wide" in said
    rows = {
        r["statistic"]: r for r in json.loads((tmp_path / "gap.json").read_text())["statistics"]
    }
    assert rows["sharpness"]["shift"] < -0.5
    assert rows["box of the robot"]["photos"]["pictures"] == 6
    assert (tmp_path / "gap.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nowhere",), "photos is nowhere; expected a folder of pictures"),
        (("{empty}",), "holds no picture or video"),
        (("{photos}", "--threshold", "2"), "threshold is 2.0; expected 0 to 1"),
        (("{photos}", "--samples", "1"), "samples is 1; expected at least 2"),
        (("{photos}", "--out", "gap.pdf"), "out is gap.pdf; expected a name that ends in"),
        (("{photos}", "--robot", "panda"), "the detector finds robot ur10, renderings show panda"),
        (("{flat}",), "the detector finds ur10 in none of 2 photos"),
        (("{flat}", "--size", "512x384"), "no photo can be read and is at least 512 px wide"),
    ],
)
def test_what_cannot_be_compared_is_one_line(
    words: tuple[str, ...],
    message: str,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("empty", "flat"):
        (tmp_path / name).mkdir()
    for name in "ab":
        cv2.imwrite(str(tmp_path / "flat" / f"{name}.png"), np.full((192, 256, 3), 90, np.uint8))
    places = {"empty": tmp_path / "empty", "flat": tmp_path / "flat", "photos": photos}
    given = [word.format(**places) for word in words]
    assert jointloop("gap", given[0], *STICKS, *given[1:]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_what_a_detector_finds_in_next_to_nothing_is_no_robot(photos: Path) -> None:
    class Everywhere:
        """Finds all keypoints within some pixels, in whatever it sees."""

        info = WeightsInfo.of(preset("lite"), Robot.named("ur10"))

        def __init__(self, reach: float) -> None:
            self.reach = reach

        def detect(self, images: list[NDArray[np.uint8]]) -> Peaks:
            places = np.linspace(0, self.reach, 7)[None, :, None] + np.array([40.0, 30.0])
            return Peaks(np.repeat(places, len(images), axis=0), np.ones((len(images), 7)))

    said: list[str] = []
    with pytest.raises(GapError, match="finds ur10 in none of 6 photos"):
        of_unlabelled(photos, Everywhere(3.0), Robot.named("ur10"), 64, 0.2, said.append)
    assert all("too little; it counts without one" in line for line in said)
    assert of_unlabelled(photos, Everywhere(40.0), Robot.named("ur10"), 64, 0.2, said.append)
