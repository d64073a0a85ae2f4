"""Laws of videos: every frame at its time, upright; what is written plays in browsers."""

import itertools
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
from disk_parts import files_up_to
from hypothesis import given, settings
from hypothesis import strategies as st

from jointloop.common.files import FileError
from trainer.inference import video
from trainer.inference.media import MediaError
from trainer.inference.video import Video, VideoFile

NTSC = Fraction(30000, 1001)


def image(width=64, height=48, value=90):
    return np.full((height, width, 3), value, np.uint8)


def written(path, frames=5, rate=Fraction(10), size=(64, 48), times=None):
    with VideoFile(path, rate) as file:
        for i in range(frames):
            file.add(image(*size, value=40 * i % 256), times[i] if times else None)
    return path


def remuxed(source, path, degrees=0, title="", **options):
    """The same frames in the container that a name asks for."""
    with av.open(str(source)) as old, av.open(str(path), "w", **options) as new:
        new.metadata.update({"title": title})
        stream = new.add_stream_from_template(old.streams.video[0])
        if degrees:
            stream.set_display_rotation(degrees)
        for packet in old.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    return path


def frames_of(path):
    with Video(path) as opened:
        return list(itertools.chain(*opened.batches(4)))


def described(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        return context.name, context.pix_fmt, stream.average_rate, stream.frames


def test_a_video_gives_all_its_frames_in_order_in_batches(tmp_path):
    with Video(written(tmp_path / "v.mp4")) as opened:
        assert (opened.rate, opened.frames) == (10, 5)
        batches = list(opened.batches(2))
        assert not opened.damaged
    assert [len(batch) for batch in batches] == [2, 2, 1]
    frames = list(itertools.chain(*batches))
    assert np.allclose([f.image.mean() for f in frames], [0, 40, 80, 120, 160], atol=6)
    assert [f.time for f in frames] == [Fraction(i, 10) for i in range(5)]


@pytest.mark.parametrize("rate", [Fraction(24), NTSC, Fraction(60), Fraction(15, 2)])
@pytest.mark.parametrize("frames", [1, 7])
def test_what_is_written_is_h264_in_mp4_at_its_rate_with_its_index_in_front(tmp_path, rate, frames):
    path = written(tmp_path / "v.mp4", frames, rate)
    assert described(path) == ("h264", "yuv420p", rate, frames)
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    assert len(frames_of(path)) == frames


def test_without_an_encoder_of_h264_it_is_vp9(tmp_path, monkeypatch):
    vp9 = {"no-such-encoder": {}, "libvpx-vp9": video.ENCODERS["libvpx-vp9"]}
    monkeypatch.setattr(video, "ENCODERS", vp9)
    path = written(tmp_path / "v.mp4", 5, NTSC)
    assert described(path) == ("vp9", "yuv420p", NTSC, 5)
    monkeypatch.setattr(video, "ENCODERS", {"no-such-encoder": {}})
    with pytest.raises(MediaError, match="none of the encoders no-such-encoder"):
        written(tmp_path / "w.mp4")
    assert not list(tmp_path.glob("*w.mp4"))


@given(st.integers(1, 70), st.integers(1, 70))
@settings(max_examples=15, deadline=None)
def test_odd_sides_get_a_pixel_more_and_nothing_moves(tmp_path_factory, width, height):
    path = tmp_path_factory.mktemp("odd") / "v.mp4"
    picture = image(width, height, 20)
    picture[: (height + 1) // 2, : (width + 1) // 2] = 220
    with VideoFile(path) as file:
        file.add(picture)
    (frame,) = frames_of(path)
    assert frame.image.shape == (height + height % 2, width + width % 2, 3)
    assert frame.image[0, 0].min() > 190
    if min(width, height) > 16:
        assert np.abs(frame.image[:height, :width].astype(int) - picture).mean() < 8


def test_colours_come_back(tmp_path):
    colour = np.array([200, 40, 90], np.uint8)
    with VideoFile(tmp_path / "v.mp4") as file:
        file.add(image() * 0 + colour)
    (frame,) = frames_of(tmp_path / "v.mp4")
    assert np.abs(frame.image.astype(int) - colour).max() < 6


def test_frames_of_a_variable_rate_keep_their_times(tmp_path):
    times = [Fraction(n, 1000) for n in (0, 33, 100, 101, 900)]
    first = written(tmp_path / "v.mp4", 5, Fraction(30), times=times)
    second = tmp_path / "again.mp4"
    with Video(first) as opened, VideoFile(second, opened.rate) as file:
        for frame in itertools.chain(*opened.batches(2)):
            file.add(frame.image, frame.time)
    found = [frame.time for frame in frames_of(second)]
    assert np.abs(np.array(found, float) - np.array(times, float)).max() <= 0.0011


@pytest.mark.parametrize("ending", ["mkv", "mov", "ts", "mts"])
def test_other_containers_are_read_and_their_rate_is_kept(tmp_path, ending):
    form = {"format": "mpegts"} if ending == "mts" else {}
    source = written(tmp_path / "v.mp4", 9, NTSC)
    frames = frames_of(remuxed(source, tmp_path / f"v.{ending}", **form))
    assert len(frames) == 9
    steps = np.diff([float(frame.time) for frame in frames])
    assert np.allclose(steps, 1001 / 30000, atol=2e-3)


def test_an_avi_of_older_cameras_is_read(tmp_path):
    with av.open(str(tmp_path / "v.avi"), "w") as container:
        stream = container.add_stream("mjpeg", rate=15)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for i in range(6):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image(value=30 * i), "rgb24")))
        container.mux(stream.encode(None))
    assert [frame.time for frame in frames_of(tmp_path / "v.avi")] == [
        Fraction(i, 15) for i in range(6)
    ]


def test_a_rate_that_a_container_rounds_to_milliseconds_is_exact_again(tmp_path):
    source = written(tmp_path / "v.mp4", 9, Fraction(30))
    frames = frames_of(remuxed(source, tmp_path / "v.mkv"))
    assert [frame.time for frame in frames] == [Fraction(i, 30) for i in range(9)]


@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_a_video_is_turned_as_its_container_says(tmp_path, degrees):
    picture = image(value=20)
    picture[:24, :32] = 220
    with VideoFile(tmp_path / "v.mp4") as file:
        file.add(picture)
    remuxed(tmp_path / "v.mp4", tmp_path / "turned.mp4", degrees)
    (frame,) = frames_of(tmp_path / "turned.mp4")
    with av.open(str(tmp_path / "turned.mp4")) as container:
        (said,) = {frame.rotation for frame in container.decode(video=0)}
    assert abs(said) == abs(degrees)
    upright = np.rot90(picture, said // 90)  # both count against the clock
    assert np.abs(frame.image.astype(int) - upright).mean() < 8


def test_of_a_video_that_was_cut_off_what_is_there_is_read_and_that_is_said(tmp_path):
    rng = np.random.default_rng(0)
    with VideoFile(tmp_path / "v.mp4") as file:
        for _ in range(30):
            file.add(rng.integers(0, 256, (48, 64, 3)).astype(np.uint8))
    content = (tmp_path / "v.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) * 2 // 3])
    with Video(tmp_path / "cut.mp4") as opened:
        frames = list(itertools.chain(*opened.batches(4)))
        assert opened.damaged
    assert 10 < len(frames) < 30
    times = [frame.time for frame in frames]
    assert times == sorted(set(times))


def test_a_frame_of_another_size_is_brought_to_that_of_the_first(tmp_path):
    with VideoFile(tmp_path / "v.mp4") as file:
        file.add(image(64, 48))
        file.add(image(32, 96))
    assert {frame.image.shape for frame in frames_of(tmp_path / "v.mp4")} == {(48, 64, 3)}


@pytest.mark.parametrize("name", ["12:30.mp4", "file:x.mp4", "%03d.mp4", "ä ö.mp4", "v\udce4.mp4"])
def test_any_name_will_do(tmp_path, name):
    assert len(frames_of(written(tmp_path / name))) == 5
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_words_about_a_video_that_are_no_utf8_do_no_harm(tmp_path):
    source = written(tmp_path / "v.mp4")
    remuxed(source, tmp_path / "t.mkv", title="caf@")
    content = (tmp_path / "t.mkv").read_bytes()
    (tmp_path / "t.mkv").write_bytes(content.replace(b"caf@", b"caf\xe9"))
    assert len(frames_of(tmp_path / "t.mkv")) == 5


def test_what_is_no_video_is_named(tmp_path):
    import cv2

    (tmp_path / "v.mp4").write_bytes(b"no video")
    (tmp_path / "empty.mp4").touch()
    for name in ("v.mp4", "empty.mp4"):
        with pytest.raises(MediaError, match=f"{name} is no video that can be read"):
            Video(tmp_path / name)
    cv2.imwrite(str(tmp_path / "a.png"), image())
    (tmp_path / "a.png").rename(tmp_path / "a.mts")
    with pytest.raises(MediaError, match=r"a\.mts holds a picture; wanted a video"):
        Video(tmp_path / "a.mts")
    with av.open(str(tmp_path / "s.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    with pytest.raises(MediaError, match=r"s\.mp4 holds no pictures; wanted a video"):
        Video(tmp_path / "s.mp4")
    with pytest.raises(MediaError, match=r"gone\.mp4: No such file"):
        Video(tmp_path / "gone.mp4")


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError])
def test_a_video_that_is_interrupted_leaves_no_half_of_it(tmp_path, stop):
    def interrupted():
        with VideoFile(tmp_path / "v.mp4") as file:
            file.add(image())
            raise stop

    with pytest.raises(stop):
        interrupted()
    assert not list(tmp_path.iterdir())


def test_a_video_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(MediaError, match=r"gone/v\.mp4 cannot be written as a video of 64x48: No"):
        written(tmp_path / "gone" / "v.mp4")


def test_ffmpeg_says_nothing_of_its_own(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + b"x" * 400)
    code = "import sys; from pathlib import Path; from trainer.inference.video import Video\n"
    code += "try: Video(Path(sys.argv[1]))\nexcept Exception as error: print(error)"
    command = [sys.executable, "-c", code, str(tmp_path / "a.mp4")]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "a.mp4 is no video that can be read" in told.stdout
    assert told.stderr == ""


def test_a_video_that_the_disk_has_no_room_for_is_one_line(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (20, 96, 128, 3), dtype=np.uint8)

    def write() -> None:
        with VideoFile(tmp_path / "v.mp4") as file:
            for image in noise:
                file.add(image)

    with files_up_to(4096), pytest.raises(FileError, match=r"^cannot write .*/v\.mp4: .*[Ff]ile"):
        write()
    assert list(tmp_path.iterdir()) == []
