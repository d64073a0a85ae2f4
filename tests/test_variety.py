"""Varieties: ranges that make sense, names and files."""

import dataclasses
import math
from pathlib import Path

import pytest

from simulator.randomization.pictures import HeldVariety
from simulator.randomization.variety import (
    CALM,
    FULL,
    REAL,
    BackgroundVariety,
    CameraVariety,
    ConfigError,
    SensorVariety,
    Variety,
    read_variety,
    variety,
)


def _file(folder: Path, text: str) -> Path:
    path = folder / "variety.toml"
    path.write_text(text)
    return path


def test_an_empty_file_is_the_default(tmp_path: Path):
    assert read_variety(_file(tmp_path, "")) == Variety()


def test_a_file_changes_what_it_names_and_nothing_else(tmp_path: Path):
    text = """
        sensor = false
        [camera]
        lens = true
        focal = [1, 3.5]
        [distractors]
        stand = 1
        most = 2
        robots = ["ur10"]
    """
    read = read_variety(_file(tmp_path, text))
    default = Variety()
    assert default.distractors is not None
    assert read.camera == CameraVariety(lens=True, focal=(1.0, 3.5))
    assert read.sensor is None
    assert read.distractors == dataclasses.replace(
        default.distractors, stand=1.0, most=2, robots=("ur10",)
    )
    assert read.light == default.light


def test_names_and_paths_are_found_alike(tmp_path: Path):
    assert variety("calm") == CALM
    assert variety("full") == FULL
    assert variety("real") == REAL
    assert variety(str(_file(tmp_path, "distractors = false\nsensor = false"))) == CALM
    with pytest.raises(ConfigError, match="'mild' is none of calm, full, real, and no file"):
        variety("mild")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[camreas]", "camreas: no such setting; nearest: camera"),
        ("[camera]\nfocla = 1", "camera.focla: no such setting; nearest: camera.focal"),
        ("camera = false", "camera is False; expected a table$"),
        ("sensor = 3", "sensor is 3; expected a table, or false"),
        (
            "[camera]\nfocal = 2",
            "camera.focal is 2; expected 2 numbers, the lower first, of 0.1",
        ),
        ("[camera]\nfocal = [2, 1]", r"camera.focal is \[2, 1\]; expected 2 numbers"),
        ("[camera]\nfocal = [nan, 1]", "camera.focal"),
        ("[camera]\nlens = 1", "camera.lens is 1; expected true or false"),
        ("[camera]\nelevation = [-10, 100]", r"camera.elevation is .* -90 to 90 \[deg\]"),
        ("[sensor]\njpeg = 1.5", "sensor.jpeg is 1.5; expected a number of 0 to 1"),
        ("[sensor]\nquality = [0, 50]", "sensor.quality"),
        ("[distractors]\nmost = 0", "distractors.most is 0; expected a whole number of 1 to 16"),
        ("[distractors]\nrobots = 'ur10'", "distractors.robots is 'ur10'; expected a list"),
        ("[background]\ncity=0\ninterior=0\noutdoor=0\nphotos=0", "all themes have weight 0"),
        ("[camera", r"no TOML: .*\(at end of document\)"),
        ("[camera]\nlens = = 1", r"no TOML: .*\(at line 2, column 8\)"),
    ],
)
def test_what_makes_no_sense_is_named_with_the_file(tmp_path: Path, text: str, said: str):
    with pytest.raises(ConfigError, match=said) as caught:
        read_variety(_file(tmp_path, text))
    assert "variety.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_gives_angles_in_degrees(tmp_path: Path):
    text = "[camera]\nelevation = [-10, 40]\n[camera.held]\nroll = [-2, 1]"
    camera = read_variety(_file(tmp_path, text)).camera
    assert camera.elevation == (math.radians(-10), math.radians(40))
    assert camera.held == HeldVariety(roll=(math.radians(-2), math.radians(1)))


def test_a_range_is_checked_wherever_it_comes_from():
    with pytest.raises(ConfigError, match=r"variety.sensor.blur is \(-1.0, 1.0\)"):
        Variety(sensor=SensorVariety(blur=(-1.0, 1.0)))
    with pytest.raises(ConfigError, match=r"variety.background.zoom"):
        Variety(background=BackgroundVariety(zoom=(0.5, 1.0)))
