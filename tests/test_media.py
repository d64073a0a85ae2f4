"""Laws of the pictures and videos that a user points at."""

import os
import sys

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from blender_scenes.pictures import PhotoError
from trainer.inference.media import MediaError, find, picture


def image(width=64, height=48, value=90):
    return np.full((height, width, 3), value, np.uint8)


def write(path, width=64, height=48):
    cv2.imwrite(str(path), image(width, height))
    return path


def test_files_and_folders_are_found_in_their_order_under_keys_of_their_own(tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("b/2.png", "b/1.jpg", "1.PNG"):
        write(tmp_path / name)
    (tmp_path / "b" / "notes.txt").write_text("no picture")
    found = find([tmp_path / "b", tmp_path / "1.PNG"])
    assert [m.path.name for m in found] == ["1.jpg", "2.png", "1.PNG"]
    assert [m.key for m in found] == ["1", "2", "1-2"]


def test_no_picture_takes_the_name_of_anothers_belief_maps(tmp_path):
    for name in ("x.png", "x.beliefs.png"):
        write(tmp_path / name)
    for order in (("x.png", "x.beliefs.png"), ("x.beliefs.png", "x.png")):
        keys = [m.key for m in find([tmp_path / name for name in order])]
        names = [name for key in keys for name in (key, f"{key}.beliefs")]
        assert len(set(names)) == 4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.png", "nowhere.png: there is no such file or folder"),
        ("notes.txt", r"notes.txt is no picture or video; wanted \.jpg"),
        ("empty", "empty holds no picture or video; wanted"),
    ],
)
def test_what_is_no_picture_or_video_is_named(tmp_path, name, message):
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MediaError, match=message):
        find([tmp_path / name])


def corner(path, kind, orientation, **options):
    """A picture whose upper left quarter is red as it lies in the file."""
    wide = np.zeros((40, 80, 3), np.uint8)
    wide[:20, :40] = (250, 0, 0)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(wide).save(path, kind, exif=exif, **options)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_a_picture_is_rgb_and_turned_as_its_exif_orientation_says(tmp_path, kind, orientation):
    path = corner(tmp_path / f"a.{kind}", kind, orientation)
    with Image.open(path) as file:
        expected = np.asarray(ImageOps.exif_transpose(file).convert("RGB"))
    read = picture(path)
    assert read.shape == expected.shape == ((40, 80, 3) if orientation < 5 else (80, 40, 3))
    assert np.abs(read.astype(int) - expected).mean() < 2
    turned = read.mean(axis=2)
    assert turned.max() > 70
    assert turned.min() < 20


def test_a_picture_of_a_telephone_is_read_where_that_is_installed(tmp_path, monkeypatch):
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    for name in ("IMG_1.HEIC", "renamed.jpg"):  # what it holds counts
        corner(tmp_path / name, "HEIF", 1, quality=90)
        read = picture(tmp_path / name)
        assert read.shape == (40, 80, 3)
        assert read[10, 20, 0] > 200
        assert read[30, 60].max() < 50
    (medium, _) = find([tmp_path])
    assert (medium.path.name, medium.is_video) == ("IMG_1.HEIC", False)
    pillow_heif.register_heif_opener()
    monkeypatch.setattr(Image, "OPEN", {k: v for k, v in Image.OPEN.items() if k != "HEIF"})
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name != "HEIF"])
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(
        PhotoError, match=r"IMG_1\.HEIC .* needs pillow-heif: pip install pillow-heif"
    ):
        picture(tmp_path / "IMG_1.HEIC")


def test_a_heif_picture_that_is_none_is_named(tmp_path):
    corner(tmp_path / "a.HEIC", "JPEG", 1)
    with pytest.raises(PhotoError, match=r"a\.HEIC is no HEIF picture.*pip install pillow-heif"):
        picture(tmp_path / "a.HEIC")
    (tmp_path / "b.heic").write_bytes(b"\0\0\0\x18ftypheic" + b"x" * 40)
    with pytest.raises(PhotoError, match=r"b\.heic is no picture that can be read"):
        picture(tmp_path / "b.heic")


@pytest.mark.parametrize("content", [b"", b"no picture at all"])
def test_a_picture_that_cannot_be_read_is_named(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(PhotoError, match=r"a\.png is no picture that can be read"):
        picture(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", ["jfif", "jpe", "JIF", "JPG", "bmp", "Tiff", "webp", "ppm"])
def test_every_suffix_of_a_picture_counts_in_any_case(tmp_path, suffix):
    write(tmp_path / "a.jpg").rename(tmp_path / f"a.{suffix}")
    (medium,) = find([tmp_path])
    assert picture(medium.path).shape == (48, 64, 3)


@pytest.mark.parametrize(
    ("name", "is_video"), [("a.MTS", True), ("a.MOV", True), ("a.gif", True), ("a.JFIF", False)]
)
def test_a_suffix_tells_videos_from_pictures(tmp_path, name, is_video):
    (tmp_path / name).write_bytes(b"anything")
    (medium,) = find([tmp_path / name])
    assert medium.is_video == is_video


def test_without_a_suffix_that_says_it_the_content_does(tmp_path):
    write(tmp_path / "a.png").rename(tmp_path / "picture")
    write(tmp_path / "a.jpg").rename(tmp_path / "copy.jpg_large")
    (tmp_path / "film.ts").write_bytes((b"G" + bytes(187)) * 3)
    (tmp_path / "module.ts").write_text("Good old TypeScript" * 40)
    (tmp_path / "film").write_bytes(b"\0\0\0\x18ftypisom")
    (tmp_path / "song.m4a").write_bytes(b"\0\0\0\x18ftypM4A ")
    found = {medium.path.name: medium.is_video for medium in find([tmp_path])}
    assert found == {"picture": False, "copy.jpg_large": False, "film.ts": True, "film": True}


def test_pictures_and_videos_in_a_folder_that_are_not_read_are_named(tmp_path):
    write(tmp_path / "a.png")
    for name in ("RAW.CR2", "logo.svg", "notes.txt", "labels.json", "._a.png", ".DS_Store"):
        (tmp_path / name).write_bytes(b"something")
    for name in ("empty", "docs", "deep"):
        (tmp_path / name).mkdir()
    (tmp_path / "docs" / "readme.txt").write_text("no picture")
    (tmp_path / "deep" / "deeper").mkdir()
    write(tmp_path / "deep" / "deeper" / "b.png")
    lines: list[str] = []
    assert [medium.path.name for medium in find([tmp_path], lines.append)] == ["a.png"]
    assert [line.split(" ")[0] for line in lines] == [
        str(tmp_path / name) for name in ("RAW.CR2", "deep", "logo.svg")
    ]
    assert all("; wanted" in line for line in lines)


def test_a_link_to_nowhere_is_named_when_it_is_read(tmp_path):
    (tmp_path / "a.png").symlink_to(tmp_path / "gone.png")
    (medium,) = find([tmp_path])
    with pytest.raises(PhotoError, match=r"a\.png: No such file"):
        picture(medium.path)


def test_names_that_are_no_utf8_are_escaped_and_stay_apart(tmp_path):
    names = [
        b"foto_\xe4.png",
        b"foto_\xe5.png",
        b"foto_%E4.png",
        b"FOTO_%e4.png",
        b"two\nlines.png",
    ]
    for name in names:
        with open(os.fsencode(tmp_path) + b"/" + name, "wb") as file:
            file.write(cv2.imencode(".png", image())[1].tobytes())
    found = find([tmp_path])
    assert len(found) == len(names)
    for words in ([m.name for m in found], [m.key.casefold() for m in found]):
        assert len(set(words)) == len(names)
        for word in words:
            word.encode()
            assert "\n" not in word
    assert {"foto_%E4.png", "foto_%E4.png-2"} <= {m.name.rpartition("/")[2] for m in found}
    own = {m.name for m in found if b"%" in os.fsencode(m.path)}
    assert own == {str(m.path) for m in found if b"%" in os.fsencode(m.path)}
    assert all(picture(m.path).shape == (48, 64, 3) for m in found)


def test_a_file_given_twice_has_one_name_and_two_results(tmp_path):
    path = write(tmp_path / "a.png")
    first, second = find([path, path])
    assert first.name == second.name == str(path)
    assert first.key != second.key


@pytest.mark.parametrize("letter", ["x", "ä", "\udce4"])
def test_the_results_of_the_longest_names_can_be_written(tmp_path, letter):
    longest = letter * (251 // len(os.fsencode(letter)))
    keys = [m.key for m in find([write_as(tmp_path / f"{longest}.png")] * 2)]
    assert len(set(keys)) == 2
    for key in keys:
        (tmp_path / f"{key}.beliefs.png.part").write_bytes(b"")


def write_as(path):
    path.write_bytes(cv2.imencode(".png", image())[1].tobytes())
    return path
