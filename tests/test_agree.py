"""How well people agree: spread, consensus and sigmas are those that marks were drawn with."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from cli_parts import jointloop
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.robot import Robot
from trainer.evaluation.agree.marks import Marks
from trainer.evaluation.agree.spread import Agreement, geometric_medians
from trainer.evaluation.coco import read_coco
from trainer.evaluation.coco_out import Marked, as_coco
from trainer.evaluation.labelled import LabelledImage

UR10 = Robot.named("ur10")
SIZE = (160, 120)
SIDE = 100.0
"""Of the robot's square box [px]."""


def drawn(people: int, images: int, noise: float, seed: int = 0) -> Agreement:
    """Marks about true places, by people who err by that much along x and y [px]."""
    rng = np.random.default_rng(seed)
    true = rng.uniform(20, 100, (images, 7, 2))
    pixels = true + rng.normal(scale=noise, size=(people, images, 7, 2))
    visibility = np.full(pixels.shape[:3], 2, np.uint8)
    box = np.broadcast_to((10.0, 10.0, SIDE, SIDE), (people, images, 4))
    image = LabelledImage(
        "a", lambda: np.zeros((120, 160, 3), np.uint8), true[0], visibility[0, 0], (0, 0, 0, 0)
    )
    seen = np.ones((people, images), bool)
    names = tuple(map(str, range(people)))
    marks = Marks(UR10, names, (image,) * images, pixels, visibility, box, seen, ())
    return Agreement(marks, np.tile(np.array(SIZE), (images, 1)))


@pytest.mark.parametrize("people", [2, 3, 5, 10])
def test_spread_and_sigma_are_those_that_people_err_by(people: int) -> None:
    figures = drawn(people, 2000, 1.5).as_json()
    rayleigh_median = 1.5 * np.sqrt(2 * np.log(2))
    for one in figures["keypoints"].values():
        assert one["n"] == 2000 * people
        expected = 100 * rayleigh_median / np.hypot(*SIZE)
        assert one["median_percent"]["value"] == pytest.approx(expected, rel=0.05)
        assert one["sigma"]["value"] == pytest.approx(1.5 * np.sqrt(2) / SIDE, rel=0.05)
        low, high = one["sigma"]["interval"]
        assert low < one["sigma"]["value"] < high


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=1, max_size=9))
def test_no_place_is_nearer_to_all_than_the_geometric_median(given_points: list[Any]) -> None:
    points = np.array(given_points)
    place = geometric_medians(points)

    def total(at: np.ndarray) -> float:
        return float(np.linalg.norm(points - at, axis=1).sum())

    for step in np.random.default_rng(0).normal(scale=3, size=(40, 2)):
        assert total(place) <= total(place + step) + 1e-3


def test_one_person_far_off_hardly_moves_the_consensus() -> None:
    agreement = drawn(5, 40, 1.0)
    before = agreement.consensus
    moved = agreement.marks.pixels.copy()
    moved[4, 3, 2] += 60
    other = Agreement(_with(agreement.marks, moved), agreement.sizes)
    assert np.linalg.norm(other.consensus - before, axis=-1).max() < 4
    assert other.disputed()[0] == 3
    assert agreement.disputed() == []


def _with(marks: Marks, pixels: np.ndarray) -> Marks:
    visibility = np.where(np.isfinite(pixels[..., 0]), marks.visibility, 0).astype(np.uint8)
    return Marks(
        marks.robot, marks.people, marks.images, pixels, visibility, marks.boxes, marks.seen, ()
    )


def test_what_most_people_leave_out_is_no_consensus_and_is_disputed() -> None:
    agreement = drawn(3, 5, 1.0)
    pixels = agreement.marks.pixels.copy()
    pixels[1:, 2, 4] = np.nan
    other = Agreement(_with(agreement.marks, pixels), agreement.sizes)
    assert np.isnan(other.consensus[2, 4]).all()
    assert other.visibility[2, 4] == 0
    assert other.disputed() == [2]
    assert other.as_json()["keypoints"]["wrist_2"]["n"] == 12


def files(folder: Path, people: int = 3, robot: Robot = UR10) -> list[Path]:
    """People's files of four images."""
    rng = np.random.default_rng(1)
    true = rng.uniform(20, 100, (4, len(robot.keypoints), 2))
    for n in range(4):
        cv2.imwrite(str(folder / f"{n}.png"), rng.integers(0, 256, (120, 160, 3), np.uint8))
    paths = []
    for person in range(people):
        marked = [
            Marked(
                f"{n}.png",
                SIZE,
                true[n] + rng.normal(size=true[n].shape),
                np.full(len(robot.keypoints), 2, np.uint8),
                (10, 10, 100, 90),
            )
            for n in range(4)
        ]
        paths.append(folder / f"person-{person}.json")
        paths[-1].write_text(json.dumps(as_coco(robot, marked)))
    return paths


def test_the_verb_writes_figures_consensus_and_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths, out = files(tmp_path), tmp_path / "out"
    said = json.loads(paths[0].read_text())
    said["annotations"][2]["keypoints"][0] += 40
    paths[0].write_text(json.dumps(said))
    assert jointloop("agree", *map(str, paths), "--out", str(out)) == 0
    told = capsys.readouterr().out
    assert "wrist_1" in told
    assert "person-0" in told
    figures = json.loads((out / "agreement.json").read_text())
    assert figures["people"] == ["person-0", "person-1", "person-2"]
    assert figures["disputed"] == ["2.png"]
    assert (out / "disputed-000002.png").is_file()
    for name in ("kernels.png", "spread.png"):
        assert cv2.imread(str(out / name)).std() > 5
    agreed = read_coco(out / "consensus.json", UR10.keypoint_names, "ur10", tmp_path)
    assert [image.name for image in agreed.images] == [f"{n}.png" for n in range(4)]
    assert agreed.images[0].box == (10, 10, 100, 90)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda paths: paths[:1], "1 file of labels is given; expected at least two people's"),
        (lambda paths: [paths[0], paths[0].with_name("none.json")], "none.json"),
        (lambda paths: [paths[0], _renamed(paths[1])], "has no image of another file's"),
        (lambda paths: [paths[0], _other_robot(paths[1])], "has unknown keypoints elbow_x"),
        (lambda paths: [_without_images(paths[0]), paths[1]], "are missing, the first is"),
    ],
)
def test_a_mistake_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Any, message: str
) -> None:
    paths = change(files(tmp_path, 2))
    assert jointloop("agree", *map(str, paths), "--out", str(tmp_path / "out")) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def _changed(path: Path, old: str, new: str) -> Path:
    path.write_text(path.read_text().replace(old, new))
    return path


def _renamed(path: Path) -> Path:
    for n in range(4):
        (path.parent / f"other-{n}.png").write_bytes((path.parent / f"{n}.png").read_bytes())
        _changed(path, f'"{n}.png"', f'"other-{n}.png"')
    return path


def _other_robot(path: Path) -> Path:
    return _changed(path, '"elbow"', '"elbow_x"')


def _without_images(path: Path) -> Path:
    return _changed(path, '.png"', '.gone"')
