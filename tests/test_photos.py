"""Laws of photo backgrounds: which files count, which part of one is shown, who sees which."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from blender_scenes.photos import SIDE, PhotoError, Photos, crop, read_picture
from blender_scenes.spec import THEMES, Background
from simulator.randomization import draw_parts
from simulator.randomization.assignment import Assignment
from simulator.randomization.hidden import draw
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings
from simulator.randomization.variety import BackgroundVariety, ConfigError, Variety
from simulator.robot import Robot
from simulator.sample_maker import SampleMaker

PHOTOS_ONLY = Variety(
    background=BackgroundVariety(city=0, interior=0, outdoor=0), distractors=None, sensor=None
)


def _photo(folder: Path, name: str, color=(200, 100, 50), size=(40, 30)) -> Path:
    """A picture of one colour (RGB), with its left half darker."""
    picture = np.full((size[1], size[0], 3), color, np.uint8)
    picture[:, : size[0] // 2] //= 2
    path = folder / name
    assert cv2.imwrite(str(path), picture[..., ::-1])
    return path


def _shown(name: str, **changes) -> Background:
    return Background("photos", name, 0.0, 1.0, **changes)


def test_readable_pictures_are_kept_in_order_and_others_named(tmp_path: Path):
    _photo(tmp_path, "b.png")
    _photo(tmp_path, "a.JPG")
    (tmp_path / "notes.txt").write_text("no picture, and none claimed")
    (tmp_path / "empty.png").touch()
    (tmp_path / "noise.jpeg").write_bytes(b"this is no picture")
    whole = _photo(tmp_path, "cut.png", size=(400, 300)).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[:60])
    (tmp_path / "folder.png").mkdir()
    lines: list[str] = []
    photos = Photos(tmp_path, lines.append)
    assert photos.names == ("a.JPG", "b.png")
    assert len(lines) == 4
    for line, name in zip(lines, ("cut.png", "empty.png", "folder.png", "noise.jpeg"), strict=True):
        assert name in line
        assert line.endswith("it is left out")
        assert "\n" not in line


def test_a_folder_without_a_readable_picture_is_named(tmp_path: Path):
    with pytest.raises(PhotoError, match="there is no such folder"):
        Photos(tmp_path / "gone")
    (tmp_path / "a.png").touch()
    with pytest.raises(PhotoError, match=f"{tmp_path}: none of its 1 picture files can be read"):
        Photos(tmp_path, lambda _: None)


def test_a_photo_fills_the_frame_in_its_own_colours(tmp_path: Path):
    _photo(tmp_path, "a.png")
    part = Photos(tmp_path).part(_shown("a.png"), 64, 48)
    assert part.shape == (48, 64, 3)
    assert part.flags.c_contiguous
    assert (part[:, -10:] == (200, 100, 50)).all()
    assert (part[:, :10] == (100, 50, 25)).all()


def test_mirroring_swaps_left_and_right(tmp_path: Path):
    _photo(tmp_path, "a.png")
    photos = Photos(tmp_path)
    plain = photos.part(_shown("a.png", zoom=1.5), 64, 48)
    mirrored = photos.part(_shown("a.png", zoom=1.5, mirrored=True), 64, 48)
    assert (plain[:, ::-1] == mirrored).all()
    assert (plain != mirrored).any()


def test_a_large_photo_is_reduced_and_a_small_one_left(tmp_path: Path):
    _photo(tmp_path, "large.jpg", size=(6000, 4400))
    _photo(tmp_path, "small.png", size=(40, 30))
    photos = Photos(tmp_path)
    assert min(photos._picture("large.jpg").shape[:2]) == SIDE
    assert photos._picture("small.png").shape == (30, 40, 3)


def test_a_gif_under_another_name_is_its_first_picture(tmp_path: Path):
    red, blue = (Image.new("RGB", (30, 20), name) for name in ("red", "blue"))
    red.save(tmp_path / "a.gif", save_all=True, append_images=[blue])
    (tmp_path / "a.gif").rename(tmp_path / "a.jpg")
    picture = read_picture(tmp_path / "a.jpg")
    assert picture.shape == (20, 30, 3)
    assert (picture == (0, 0, 255)).all()


def test_what_git_left_in_a_photos_place_is_said(tmp_path: Path):
    (tmp_path / "a.jpg").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(PhotoError, match=r"a\.jpg is no picture; .*git lfs pull"):
        read_picture(tmp_path / "a.jpg")


def test_a_photo_that_went_away_is_named(tmp_path: Path):
    path = _photo(tmp_path, "a.png")
    photos = Photos(tmp_path)
    path.unlink()
    with pytest.raises(PhotoError, match=r"a\.png: No such file"):
        photos.part(_shown("a.png"), 64, 48)
    with pytest.raises(PhotoError, match=r"has no readable 'b\.png'"):
        photos.part(_shown("b.png"), 64, 48)


@given(
    st.integers(8, 200),
    st.integers(8, 200),
    st.floats(1, 4),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0.5, 2),
)
def test_a_part_lies_in_the_picture_and_has_the_asked_for_shape(w, h, zoom, x, y, aspect):
    picture = np.zeros((h, w, 3), np.uint8)
    part = crop(picture, zoom, (x, y), aspect)
    height, width = part.shape[:2]
    assert 1 <= height <= h
    assert 1 <= width <= w
    assert abs(width - height * aspect) <= 0.5 + 0.5 * aspect + 1e-9
    if zoom == 1:
        assert width == w or height == h


def test_place_runs_from_the_upper_left_to_the_lower_right():
    picture = np.arange(100 * 80).reshape(80, 100, 1)
    first, last = crop(picture, 2.0, (0.0, 0.0), 1.25), crop(picture, 2.0, (1.0, 1.0), 1.25)
    assert first[0, 0, 0] == 0
    assert last[-1, -1, 0] == 100 * 80 - 1


@given(st.sets(st.text("abcdefgh.0123", min_size=1, max_size=8), min_size=2, max_size=40))
def test_held_out_and_training_pools_are_disjoint_and_both_there(names):
    held_out, training = draw_parts.pool(sorted(names), True), draw_parts.pool(sorted(names), False)
    assert held_out
    assert training
    assert set(held_out) | set(training) == names
    assert not set(held_out) & set(training)


@given(st.sets(st.text("abcdefgh", min_size=1, max_size=8), min_size=10, max_size=40))
def test_one_more_picture_moves_at_most_one_other(names):
    held_out = set(draw_parts.pool(sorted(names), True))
    grown = set(draw_parts.pool(sorted(names | {"new.png"}), True))
    assert len(grown ^ held_out - {"new.png"}) <= 2


def test_no_training_sample_sees_a_held_out_background(ur10: Robot, uniform: JointPrior):
    settings = SampleSettings(variety=Variety())
    names = tuple(f"{i}.jpg" for i in range(12))
    seen = {
        split: {
            draw(ur10, settings, Assignment.of(uniform, split), 0, i, names).background.image
            for i in range(300)
        }
        for split in ("train", "heldout")
    }
    assert not seen["train"] & seen["heldout"]
    everything = set(names).union(*THEMES.values())
    assert seen["train"] | seen["heldout"] == everything


def test_backgrounds_may_be_shared_where_that_is_asked_for(ur10: Robot, uniform: JointPrior):
    background = BackgroundVariety(city=0, interior=0, outdoor=0, disjoint=False)
    settings = SampleSettings(variety=Variety(background=background))
    for split in ("train", "heldout"):
        hidden = draw(ur10, settings, Assignment.of(uniform, split), 0, 0, ("only.jpg",))
        assert hidden.background.image == "only.jpg"


def test_a_sample_maker_shows_the_users_photos(tmp_path: Path, uniform: JointPrior):
    for name in ("a.png", "b.png"):
        _photo(tmp_path, name, (240, 20, 20))
    settings = SampleSettings(width=96, height=64, variety=PHOTOS_ONLY)
    with SampleMaker(settings, "stick", backgrounds=tmp_path) as maker:
        sample = maker.sample(0, 0, Assignment.of(uniform))
    assert sample.hidden.background.theme == "photos"
    corner = sample.image[:3, -3:].reshape(-1, 3).mean(0)
    assert corner[0] > 3 * corner[1]


def test_a_sample_maker_says_what_photos_it_needs(tmp_path: Path):
    settings = SampleSettings(variety=PHOTOS_ONLY)
    with pytest.raises(ConfigError, match="photos only, and no folder"):
        SampleMaker(settings, "stick")
    _photo(tmp_path, "a.png")
    with pytest.raises(PhotoError, match="wanted at least 2"):
        SampleMaker(settings, "stick", backgrounds=tmp_path)
