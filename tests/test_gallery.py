"""`jointloop gallery`: a sheet of samples with their labels, and one line about it."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from simulator.drawing.drawing import PlotError, contact_sheet, draw_box


def _gallery(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "jointloop", "gallery", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)


def test_a_gallery_holds_as_many_samples_as_asked_for(tmp_path: Path):
    out = tmp_path / "gallery.png"
    words = ("--engine", "stick", "--size", "96x64", "--samples", "6", "--out", str(out))
    done = _gallery(*words, "--variety", "calm")
    assert done.returncode == 0
    assert done.stderr == ""
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"{out}: 6 samples at ")
    assert "% visible" in line
    assert cv2.imread(str(out)).shape == (2 * 64 + 2, 3 * 96 + 4, 3)
    plain = tmp_path / "plain.png"
    _gallery(*words[:-1], str(plain), "--variety", "calm", "--plain")
    drawn = (cv2.imread(str(out)) != cv2.imread(str(plain))).any(axis=2)
    assert 0.005 < drawn.mean() < 0.3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--samples", "0"), "samples is 0; expected at least 1"),
        (("--variety", "wild"), "variety 'wild' is none of calm, full, real, and no file"),
        (("--backgrounds", "nowhere"), "backgrounds nowhere: there is no such folder"),
        (("--out", "nowhere/gallery.png"), "there is no folder nowhere"),
        (("--size", "big"), "size 'big' is not WIDTHxHEIGHT"),
    ],
)
def test_a_mistake_is_one_line(words: tuple[str, ...], said: str):
    done = _gallery("--engine", "stick", *words)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert said in line


@pytest.mark.blender
def test_blender_draws_a_gallery_and_keeps_quiet(tmp_path: Path):
    pytest.importorskip("bpy")
    out = tmp_path / "gallery.png"
    done = _gallery("--size", "96x64", "--samples", "2", "--spp", "1", "--out", str(out))
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1
    assert cv2.imread(str(out)).std() > 10


def test_a_contact_sheet_shows_every_image_once_on_white():
    images = [np.full((20, 30, 3), i, np.uint8) for i in range(7)]
    sheet = contact_sheet(images, gap=3)
    counts = np.bincount(sheet[..., 0].ravel(), minlength=256)
    assert (counts[:7] == 20 * 30).all()
    assert counts[:7].sum() + counts[255] == sheet[..., 0].size
    with pytest.raises(PlotError, match="no images"):
        contact_sheet([])


def test_a_box_is_drawn_around_its_pixels_and_none_where_it_is_empty():
    image = np.zeros((20, 30, 3), np.uint8)
    drawn = draw_box(image, (4.0, 5.0, 6.0, 7.0), (255, 0, 0))[..., 0] > 0
    rows, columns = np.nonzero(drawn)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (5, 11, 4, 9)
    assert not image.any()
    assert not draw_box(image, (0.0, 0.0, 0.0, 0.0), (255, 0, 0)).any()
