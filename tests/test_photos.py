"""Laws of photo backgrounds: which files count, which part of one is shown, who sees which."""

import os
import tempfile
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from blender_scenes.photos import Photos, crop
from blender_scenes.pictures import PhotoError, read_picture
from blender_scenes.spec import THEMES, Background
from simulator.randomization import draw_parts
from simulator.randomization.assignment import Assignment
from simulator.randomization.hidden import draw
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings
from simulator.randomization.variety import REAL, BackgroundVariety, ConfigError, Variety
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
    lines: list[str] = []
    photos = Photos(tmp_path, lines.append)
    assert photos.names == ("a.JPG", "b.png")
    assert len(lines) == 3
    for line, name in zip(lines, ("cut.png", "empty.png", "noise.jpeg"), strict=True):
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


def _grid(width: int, height: int) -> np.ndarray:
    """Black and white squares of 64 px with one-pixel grains."""
    y, x = np.mgrid[:height, :width]
    squares = 255 * ((x // 64 + y // 64) % 2).astype(np.uint8)
    grains = np.random.default_rng(0).integers(0, 2, (height, width), np.uint8)
    return np.stack([np.where(grains, squares, 255 - squares)] * 3, axis=-1)


@pytest.mark.parametrize("name", ["large.jpg", "large.png"])
@pytest.mark.parametrize("zoom", [1.0, 1.7, 9.0])
def test_a_part_is_shrunk_from_the_whole_picture(tmp_path: Path, name: str, zoom: float):
    picture = _grid(1600, 1200)
    cv2.imwrite(str(tmp_path / name), picture, [cv2.IMWRITE_JPEG_QUALITY, 100])
    part = Photos(tmp_path).part(_shown(name, zoom=zoom), 64, 48).astype(float)
    whole = crop(picture, zoom, (0.5, 0.5), 4 / 3)
    ideal = cv2.resize(whole, (64, 48), interpolation=cv2.INTER_AREA).astype(float)
    assert np.abs(part - ideal).mean() < 6
    assert part.std() > 0.8 * ideal.std()


@given(st.floats(1, 100), st.integers(20, 90), st.integers(20, 90))
def test_no_zoom_magnifies_a_picture_that_is_large_enough(zoom: float, width: int, height: int):
    """A picture whose neighbours all differ shows no pixel twice."""
    with tempfile.TemporaryDirectory() as folder:
        ramp = np.arange(96 * 100).reshape(96, 100)
        picture = np.stack([ramp % 251, ramp // 251, ramp % 7], axis=-1).astype(np.uint8)
        cv2.imwrite(f"{folder}/a.png", picture)
        part = Photos(Path(folder)).part(_shown("a.png", zoom=zoom), width, height)
        across = len(np.unique(part[:, :, 2].astype(int) * 256 + part[:, :, 1], axis=1)[0])
    assert across == width


def test_a_small_photo_fills_the_frame_whatever_the_zoom(tmp_path: Path):
    _photo(tmp_path, "a.png", size=(40, 30))
    photos = Photos(tmp_path)
    shown = [photos.part(_shown("a.png", zoom=zoom), 64, 48) for zoom in (1.0, 3.0)]
    assert (shown[0] == shown[1]).all()


def test_folders_within_are_looked_into_and_paths_tell_their_pictures_apart(tmp_path: Path):
    for folder in (".hidden", "a", "a/deep", "b", "odd.png"):
        (tmp_path / folder).mkdir()
    for i, place in enumerate(("a/1.png", "a/deep/1.png", "b/1.png", "1.png", "odd.png/1.png")):
        _photo(tmp_path, place, color=(20 * i + 20, 0, 0))
    for place in (".hidden/1.png", "a/._1.png", ".1.png"):
        _photo(tmp_path, place)
    photos = Photos(tmp_path, pytest.fail)
    assert photos.names == ("1.png", "a/1.png", "a/deep/1.png", "b/1.png", "odd.png/1.png")
    reds = [int(photos.part(_shown(name), 8, 6)[0, -1, 0]) for name in photos.names]
    assert reds == [80, 20, 40, 60, 100]


def test_links_are_followed_and_those_that_lead_in_circles_once(tmp_path: Path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    (inside / "a").mkdir(parents=True)
    outside.mkdir()
    _photo(inside, "a/1.png")
    _photo(outside, "2.png")
    (inside / "a/back").symlink_to(inside)
    (inside / "a/self").symlink_to(inside / "a")
    (inside / "other").symlink_to(outside)
    (inside / "gone").symlink_to(tmp_path / "nowhere")
    assert Photos(inside, pytest.fail).names == ("a/1.png", "other/2.png")


def test_a_name_that_no_sample_can_carry_is_left_out_and_said(tmp_path: Path):
    deep = tmp_path
    for _ in range(6):
        deep /= "d" * 200
    deep.mkdir(parents=True)
    _photo(tmp_path, "a.png").rename(deep / "a.png")
    os.rename(_photo(tmp_path, "b.png"), os.fsencode(tmp_path) + b"/\xe4.png")
    _photo(tmp_path, "c.png")
    lines: list[str] = []
    assert Photos(tmp_path, lines.append).names == ("c.png",)
    assert len(lines) == 2
    assert any("%E4.png: its path is no UTF-8; it is left out" in line for line in lines)
    assert any("more than 1024" in line for line in lines)


def test_pictures_that_are_all_smaller_than_the_images_are_said_once(tmp_path: Path):
    for i in range(3):
        _photo(tmp_path, f"{i}.png", size=(40 + i, 30))
    lines: list[str] = []
    settings = SampleSettings(width=96, height=64, variety=PHOTOS_ONLY)
    SampleMaker(settings, "stick", backgrounds=tmp_path, say=lines.append).close()
    assert len(lines) == 1
    assert "its largest picture is 42x30" in lines[0]
    assert "wanted some of at least 96x64" in lines[0]
    _photo(tmp_path, "large.png", size=(96, 64))
    assert Photos(tmp_path).too_small(96, 64) is None


def test_decoded_pictures_take_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("blender_scenes.photos.KEPT", 10_000)
    for i in range(5):
        _photo(tmp_path, f"{i}.png", size=(50, 40))
    photos = Photos(tmp_path)
    for name in photos.names * 2:
        photos.part(_shown(name), 40, 30)
        assert sum(one.nbytes for one in photos._kept.values()) <= 10_000


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
    settings = SampleSettings(variety=REAL)
    names = tuple(f"{i}.jpg" for i in range(12))
    seen = {
        split: {
            draw(ur10, settings, Assignment.of(uniform, split), 0, i, names).background.image
            for i in range(600)
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


def test_a_picture_beyond_what_cameras_take_is_refused_by_its_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = _photo(tmp_path, "bomb.png")
    data = bytearray(path.read_bytes())
    data[16:24] = (20_000).to_bytes(4) * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4)
    path.write_bytes(data)
    monkeypatch.setattr("blender_scenes.pictures.cv2.imdecode", None)
    with pytest.raises(PhotoError, match=r"bomb\.png is 20000x20000; expected at most 250 mega"):
        read_picture(path)
