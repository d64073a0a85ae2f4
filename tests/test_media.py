"""Laws of the pictures and videos that a user points at."""

import subprocess
import sys

import cv2
import numpy as np
import pytest

from blender_scenes.photos import PhotoError
from trainer.inference.media import MediaError, Video, VideoFile, find, picture


def image(width=64, height=48, value=90):
    return np.full((height, width, 3), value, np.uint8)


def write(path, width=64, height=48):
    cv2.imwrite(str(path), image(width, height))
    return path


def video(path, frames=5, rate=10.0):
    with VideoFile(path, rate) as file:
        for i in range(frames):
            file.add(image(value=40 * i))
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


def test_a_picture_is_rgb_and_turned_as_its_exif_orientation_says(tmp_path):
    from PIL import Image

    wide = np.zeros((40, 80, 3), np.uint8)
    wide[:, :40] = (250, 0, 0)  # the left half is red
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter, clockwise
    Image.fromarray(wide).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    read = picture(tmp_path / "turned.jpg")
    assert read.shape == (80, 40, 3)
    assert read[10, 20, 0] > 200
    assert read[70, 20].max() < 50


@pytest.mark.parametrize("content", [b"", b"no picture at all"])
def test_a_picture_that_cannot_be_read_is_named(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(PhotoError, match=r"a\.png is no picture that can be read"):
        picture(tmp_path / "a.png")


def test_a_video_gives_all_its_frames_in_order_in_batches(tmp_path):
    with Video(video(tmp_path / "v.mp4")) as opened:
        assert opened.rate == pytest.approx(10.0)
        batches = list(opened.batches(2))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    means = [frame.mean() for batch in batches for frame in batch]
    assert np.allclose(means, [0, 40, 80, 120, 160], atol=6)


def test_a_video_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "v.mp4").write_bytes(b"no video")
    with pytest.raises(MediaError, match=r"v\.mp4 is no video that can be read"):
        Video(tmp_path / "v.mp4")


def test_a_video_that_is_interrupted_leaves_no_half_of_it(tmp_path):
    def interrupted():
        with VideoFile(tmp_path / "v.mp4", 10.0) as file:
            file.add(image())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not list(tmp_path.iterdir())


def test_ffmpeg_says_nothing_of_its_own(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + b"x" * 400)
    code = "import sys; from pathlib import Path; from trainer.inference.media import Video\n"
    code += "try: Video(Path(sys.argv[1]))\nexcept Exception as error: print(error)"
    command = [sys.executable, "-c", code, str(tmp_path / "a.mp4")]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "a.mp4 is no video that can be read" in told.stdout
    assert told.stderr == ""
