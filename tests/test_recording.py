"""Laws of recordings: what is complete is whole, what is missing is made, bytes follow from the
description."""

import contextlib
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Self

import cv2
import msgspec
import numpy as np
import psutil
import pytest
from clock_parts import PATIENCE_S
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recording_parts import (
    FULL_OF_STICKS,
    SMALL,
    STICK,
    description,
    jointloop,
    recorded,
    shard_bytes,
)

from simulator.fleet.fleet import FleetError
from simulator.randomization.hidden import camera
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings
from simulator.recordings.recorder import RecorderOptions, record
from simulator.recordings.recording import FILE, Recording, describe
from simulator.recordings.replay import sample_maker_for
from simulator.recordings.sample_files import (
    MASK,
    Entry,
    RecordingError,
    decode,
    decode_image,
    decode_mask,
    encode,
)
from simulator.recordings.shards import ShardWriter, count_part, part_of, read

ROBUST = replace(SMALL, variety=FULL_OF_STICKS)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return recorded(tmp_path_factory.mktemp("recordings") / "whole", description(settings=ROBUST))


def entries(recording: Recording) -> Iterator[tuple[Entry, np.ndarray]]:
    for group, file in recording.read():
        image = decode_image(read(file, group.image), "", recording.size)
        yield recording.entry(group, file), image


def test_a_recording_holds_every_sample_once_and_in_order(whole: Recording) -> None:
    assert [entry.recipe.index for entry, _ in entries(whole)] == list(range(12))
    assert [len(whole.indices(shard)) for shard in whole.shards] == [5, 5, 2]
    assert [entry.split for entry, _ in entries(whole)] == ["heldout"] * 3 + ["train"] * 9


def test_an_entry_says_all_that_was_true_of_the_sample(whole: Recording) -> None:
    with sample_maker_for(ROBUST, STICK) as maker:
        for entry, image in entries(whole):
            sample = maker.sample(0, entry.recipe.index, entry.recipe.assignment)
            np.testing.assert_array_equal(image, sample.image)
            np.testing.assert_array_equal(entry.belief_map(), sample.belief)
            for name in ("pixels", "visibility", "points"):
                np.testing.assert_array_equal(
                    getattr(entry.labels, name), getattr(sample.labels, name)
                )
            assert (entry.box, entry.area) == (sample.labels.box, sample.labels.area)
            assert entry.hidden == sample.hidden
            view = camera(sample.hidden.view, 64, 48)
            np.testing.assert_array_equal(entry.K, view.K)
            np.testing.assert_array_equal(entry.T_world_camera, view.T_world_camera)


def test_a_keypoint_behind_the_camera_survives_the_json(whole: Recording) -> None:
    entry, image = next(entries(whole))
    behind = ((None, None), *entry.pixels[1:])
    entry = msgspec.structs.replace(entry, pixels=behind)
    entry = decode(encode(entry, image, image[..., 0])[".json"], "sample")
    assert np.isnan(entry.labels.pixels[0]).all()
    assert np.isfinite(entry.labels.pixels[1:]).all()


def test_a_mask_is_recorded_as_it_was_made(whole: Recording) -> None:
    with sample_maker_for(ROBUST, STICK) as maker:
        for group, file in whole.read():
            recipe = decode(read(file, group.entry), group.key).recipe
            sample = maker.sample(0, recipe.index, recipe.assignment)
            assert group.mask is not None
            mask = decode_mask(read(file, group.mask), "", whole.size)
            np.testing.assert_array_equal(mask, sample.mask)
            assert 0 < mask.mean() < 255


def test_a_recording_of_a_time_before_masks_is_read_and_gone_on_with_as_it_began(
    whole: Recording, tmp_path: Path
) -> None:
    old = recorded(tmp_path / "old", msgspec.structs.replace(whole.about, schema=1))
    assert not Recording.open(old.folder).masks
    assert all(group.mask is None for group, _ in old.read())
    for (one, image), (other, same) in zip(entries(old), entries(whole), strict=True):
        assert one == other
        np.testing.assert_array_equal(image, same)
    again = Recording.create(tmp_path / "again", old.about)
    part_of(again.path(0)).write_bytes(old.path(0).read_bytes()[:20_000])
    assert 0 < again.count() < 5
    record(again, 1, say=lambda line: None)
    assert shard_bytes(again) == shard_bytes(old)


def test_the_bytes_do_not_depend_on_the_number_of_processes(
    whole: Recording, tmp_path: Path
) -> None:
    several = recorded(tmp_path / "several", description(settings=ROBUST), workers=3)
    assert shard_bytes(several) == shard_bytes(whole)


def test_shards_are_tar_files_in_the_layout_of_webdataset(whole: Recording) -> None:
    """Members of a sample are adjacent and share all before the first dot of their names."""
    with tarfile.open(whole.path(0)) as shard:
        members = shard.getmembers()
        names = [member.name for member in members]
        assert names[:3] == [f"0000-00000000{end}" for end in (".png", ".mask.png", ".json")]
        keys = [name.split(".")[0] for name in names]
        assert keys[::3] == keys[1::3] == keys[2::3]
        assert {(m.mtime, m.uid, m.mode) for m in members} == {(0, 0, 0o644)}
        for member in members:
            held = shard.extractfile(member)
            assert held is not None
            assert member.uname == hashlib.sha256(held.read()).hexdigest()[:30]
        file = shard.extractfile(names[2])
        assert file is not None
        assert json.load(file)["key"] == "0000-00000000"
    assert whole.path(0).stat().st_size % tarfile.RECORDSIZE == 0


def test_of_a_part_that_was_cut_anywhere_the_whole_samples_stay(
    whole: Recording, tmp_path: Path
) -> None:
    data = whole.path(0).read_bytes()
    with tarfile.open(fileobj=io.BytesIO(data)) as shard:
        ends = [m.offset_data + -(-m.size // 512) * 512 for m in shard.getmembers()[2::3]]
    path, keys = tmp_path / "000000.tar", [whole.key(index) for index in range(5)]
    for cut in (0, 1, 511, 512, *range(1_000, len(data), 3_001), *ends, len(data)):
        part_of(path).write_bytes(data[:cut])
        with ShardWriter(path, keys) as writer:
            assert writer.done == sum(end <= cut for end in ends)
        assert part_of(path).stat().st_size == max([0, *(end for end in ends if end <= cut)])


def test_a_part_is_gone_on_with(whole: Recording, tmp_path: Path) -> None:
    recording = Recording.create(tmp_path / "cut", whole.about)
    part_of(recording.path(0)).write_bytes(whole.path(0).read_bytes()[:20_000])
    assert 0 < recording.count() < 5
    assert record(recording, 2, say=lambda line: None) > 0
    assert shard_bytes(recording) == shard_bytes(whole)


@pytest.mark.parametrize("picture", [0, 1])
def test_what_a_power_cut_left_behind_is_made_again(
    whole: Recording, tmp_path: Path, picture: int
) -> None:
    recording = Recording.create(tmp_path / "zeros", whole.about)
    data = bytearray(whole.path(0).read_bytes())
    with tarfile.open(whole.path(0)) as shard:
        second = shard.getmembers()[3 + picture]
    begin = second.offset_data + second.size // 2
    data[begin : second.offset_data + second.size] = bytes(second.size - second.size // 2)
    part_of(recording.path(0)).write_bytes(data)
    assert Recording.open(recording.folder).count() == 5
    record(recording, 1, say=lambda line: None)
    assert shard_bytes(recording) == shard_bytes(whole)


def test_a_killed_recording_is_readable_and_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    """Killed, not asked: every complete shard is whole, and --resume makes what is missing."""
    arguments = ["--samples", "150", "--shard-samples", "6", "--engine", "stick", "--size", "64x48"]
    arguments += ["--variety", "calm", "--held-out", "5"]
    folder = tmp_path / "killed"
    command = [sys.executable, "-m", "jointloop", "record", "--out", str(folder), *arguments]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while not folder.is_dir() or len(list(folder.glob("*.tar"))) < 2:
            assert process.poll() is None
            time.sleep(0.01)
        children = psutil.Process(process.pid).children()
        os.kill(process.pid, signal.SIGKILL)
    assert psutil.wait_procs(children, timeout=PATIENCE_S)[1] == []
    killed = Recording.open(folder)
    assert killed.missing
    kept = {path.name: path.stat().st_mtime_ns for path in map(killed.path, killed.complete)}
    assert [e.recipe.index for e, _ in entries(killed)] == [
        i for shard in killed.complete for i in killed.indices(shard)
    ]
    done = jointloop("record", "--out", folder, "--resume")
    assert done.returncode == 0, done.stderr
    assert {name: (folder / name).stat().st_mtime_ns for name in kept} == kept
    settings = SampleSettings(width=64, height=48, variety=SMALL.variety)
    fresh = recorded(tmp_path / "fresh", describe(settings, STICK, 150, 5, 6), workers=2)
    assert shard_bytes(killed) == shard_bytes(fresh)


def test_a_process_that_dies_is_replaced(tmp_path: Path) -> None:
    recording = Recording.create(tmp_path / "dying", description(samples=300, shard_samples=150))
    said: list[str] = []
    begun, done = recording.path(0), threading.Event()

    def kill_one() -> None:
        while not (begun.exists() or count_part(begun)) and not done.is_set():
            time.sleep(0.01)
        children = psutil.Process().children()
        next(c for c in children if RecorderOptions.module in c.cmdline()).kill()

    killer = threading.Thread(target=kill_one)
    killer.start()
    record(recording, 2, say=said.append)
    done.set()
    killer.join()
    assert any("died (killed: SIGKILL)" in line for line in said)
    assert [e.recipe.index for e, _ in entries(recording)] == list(range(300))


def test_two_processes_do_not_record_into_one_folder(tmp_path: Path) -> None:
    recording = Recording.create(tmp_path / "held", description())
    with recording.held(), pytest.raises(RecordingError, match="another process"):
        record(recording, 1)


def test_processes_that_make_some_shards_each_share_a_folder_and_no_shard(tmp_path: Path) -> None:
    recording = Recording.create(tmp_path / "shared", description())
    with recording.held(shared=True):
        record(recording, 1, say=lambda line: None, shards=recording.among("1:2"))
        assert recording.complete == [1]
        with pytest.raises(RecordingError, match="another process is recording"):
            record(recording, 1)
        with (
            ShardWriter(recording.path(0), ["a"]),
            pytest.raises(RecordingError, match=r"another process is making shard .*000000\.tar"),
        ):
            ShardWriter(recording.path(0), ["a"])
    record(recording, 1, say=lambda line: None)
    assert recording.missing == []


@pytest.mark.parametrize(
    ("text", "shards"), [("0:0", []), ("0:1", [0]), ("1:3", [1, 2]), ("2:9", [2])]
)
def test_shards_are_chosen_from_one_on_and_before_another(
    tmp_path: Path, text: str, shards: list[int]
) -> None:
    assert list(Recording(tmp_path, description()).among(text)) == shards


@pytest.mark.parametrize("text", ["", "1", "2:1", "-1:2", "a:b", "3:4"])
def test_shards_that_cannot_be_chosen_are_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(RecordingError, match=f"shards is '{text}'; "):
        Recording(tmp_path, description()).among(text)


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "000000.tar"
    with ShardWriter(path, ["a"]) as writer, open("/dev/full", "r+b", buffering=0) as full:
        writer._file.close()
        writer._file = full  # type: ignore[assignment]
        with pytest.raises(RecordingError, match=r"000000.tar.part: No space left.*--resume"):
            writer.add("a", {".png": b"png", ".json": b"json"})


def test_a_shard_that_cannot_be_written_ends_the_recording_with_one_line(tmp_path: Path) -> None:
    recording = Recording.create(tmp_path / "blocked", description())
    part_of(recording.path(0)).mkdir()  # nobody can write a file here, not even root
    with pytest.raises(FleetError, match=r"cannot write .*000000\.tar\.part: Is a directory"):
        record(recording, 1, say=lambda line: None)


class GivenUp:
    """A fleet of which one worker was given up, and that made nothing."""

    ended = True
    retired: ClassVar[dict[int, str]] = {1: "cannot work; its last words: no disk"}
    troubles: ClassVar[dict[str, int]] = {"bad scene": 1}

    def __init__(self, *_: object, **__: object) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...


def test_what_a_recording_lacks_is_told_by_index_and_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = Recording.create(tmp_path / "r", description(samples=12, shard_samples=5))
    record(recording, 1, say=lambda line: None)
    recording.path(0).unlink()
    recording.path(2).unlink()
    monkeypatch.setattr("simulator.recordings.recorder.Fleet", GivenUp)
    lacks = r"2 shards are missing still, samples 0-4, 10-11 \(worker 1 cannot work; .*no disk\)"
    with pytest.raises(RecordingError, match=lacks):
        record(recording, 2)


def test_a_damaged_shard_is_named(whole: Recording, tmp_path: Path) -> None:
    recording = Recording.create(tmp_path / "damaged", whole.about)
    recording.path(0).write_bytes(whole.path(0).read_bytes()[:30_000])
    with pytest.raises(RecordingError, match=r"000000.tar is damaged: \d whole samples; expected"):
        list(entries(recording))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_no_flipped_bit_of_a_shard_goes_unnoticed_or_it_changes_nothing(
    whole: Recording, tmp_path: Path, share: float, bit: int
) -> None:
    data = bytearray(whole.path(2).read_bytes())
    at = int(share * len(data))
    data[at] ^= 1 << bit
    copy = Recording(tmp_path, whole.about)
    for shard in whole.shards:
        copy.path(shard).write_bytes(data if shard == 2 else whole.path(shard).read_bytes())
    read_again: list[tuple[Entry, np.ndarray]] = []
    with contextlib.suppress(RecordingError):
        read_again = list(entries(copy))
    if not read_again:
        with pytest.raises(RecordingError, match=r"000002\.tar is damaged"):
            list(entries(copy))
        return
    for (entry, image), (was, shown) in zip(read_again, entries(whole), strict=True):
        assert entry == was
        assert (image == shown).all()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_description_in_which_a_bit_flipped_is_named(
    whole: Recording, tmp_path: Path, share: float, bit: int
) -> None:
    text = bytearray((whole.folder / FILE).read_bytes())
    text[int(share * len(text))] ^= 1 << bit
    (tmp_path / FILE).write_bytes(text)
    with pytest.raises(RecordingError, match=FILE):
        Recording.open(tmp_path)


def test_a_description_that_was_edited_is_named_and_one_without_a_digest_is_read(
    whole: Recording, tmp_path: Path
) -> None:
    text = (whole.folder / FILE).read_text()
    (tmp_path / FILE).write_text(text.replace('"held_out": 3', '"held_out": 4'))
    with pytest.raises(RecordingError, match=r"dataset\.json was changed since it was written"):
        Recording.open(tmp_path)
    (tmp_path / FILE).write_bytes(
        msgspec.json.encode(msgspec.structs.replace(whole.about, sha256=""))
    )
    assert Recording.open(tmp_path).about == msgspec.structs.replace(whole.about, sha256="")


def test_a_shard_without_digests_is_read(
    whole: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tarfile.open(whole.path(0)) as shard:
        members = shard.getmembers()[:3]
        held = [file.read() for file in map(shard.extractfile, members) if file]
    ends = (".png", MASK, ".json")
    with monkeypatch.context() as patched, ShardWriter(tmp_path / "000000.tar", ["any"]) as writer:
        patched.setattr("simulator.recordings.shards.digest_of", lambda data: "")
        writer.add(whole.key(0), dict(zip(ends, held, strict=True)))
        writer.finish()
    old = Recording(tmp_path, msgspec.structs.replace(whole.about, samples=1, held_out=1))
    ((entry, _),) = entries(old)
    assert entry == next(entries(whole))[0]


@pytest.mark.parametrize("end", [".png", MASK])
def test_a_picture_of_another_size_is_refused_before_it_is_decoded(
    end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decoded(*_: object) -> None:
        raise AssertionError("it was decoded")

    _, png = cv2.imencode(".png", np.zeros((2, 3), np.uint8))
    bomb = bytearray(png.tobytes())
    bomb[16:24] = (30_000).to_bytes(4) * 2
    monkeypatch.setattr("simulator.recordings.sample_files.cv2.imdecode", decoded)
    decode_picture = decode_image if end == ".png" else decode_mask
    for data in (bytes(bomb), png.tobytes()):
        with pytest.raises(RecordingError, match=r"sample is a picture of .*; expected 64x48"):
            decode_picture(data, "sample", (64, 48))
    for none in (b"", b"\xff\xd8\xff\xe0 JPEG", bytes(bomb[:20])):
        with pytest.raises(RecordingError, match="sample is no picture"):
            decode_picture(none, "sample", (64, 48))


def test_a_shard_in_anothers_place_is_named(whole: Recording, tmp_path: Path) -> None:
    recording = Recording.create(tmp_path / "renamed", whole.about)
    for shard in whole.shards:
        recording.path(shard).write_bytes(whole.path(max(shard - 1, 0)).read_bytes())
    with pytest.raises(RecordingError, match=r"000001.tar holds sample \S+ where \S+ is expected"):
        list(entries(recording))


def test_an_existing_recording_is_not_touched(whole: Recording) -> None:
    before = shard_bytes(whole)
    with pytest.raises(RecordingError, match="12 of them made; go on with --resume"):
        Recording.create(whole.folder, description())
    assert shard_bytes(whole) == before


def test_what_contradicts_a_recording_is_one_line(whole: Recording) -> None:
    for flag, value, word in (
        ("--robot", "panda", "robot"),
        ("--size", "96x64", "size"),
        ("--samples", "13", "samples"),
        ("--engine", "cycles", "engine"),
        ("--variety", "calm", "variety.distractors"),
    ):
        done = jointloop("record", "--out", whole.folder, "--resume", flag, value)
        assert done.returncode == 2
        assert done.stderr.startswith(f"jointloop: error: {word}: ")
        assert done.stderr.count("\n") == 1


def test_held_out_samples_come_from_the_uniform_prior_and_others_from_the_given(
    ur10, tmp_path: Path
) -> None:
    alpha = np.full((6, 16), 1e-3)
    alpha[:, 4] = 1e6
    prior = JointPrior(alpha, ur10.lower, ur10.upper, 7)
    recording = recorded(tmp_path / "bent", description(samples=20, held_out=10, prior=prior))
    for entry, _ in entries(recording):
        if entry.split == "train":
            assert set(entry.bins) == {4}
            assert entry.hidden.provenance.prior_version == 7
        else:
            assert len(set(entry.bins)) > 1
            assert entry.hidden.provenance.prior_version == 0


def test_a_prior_of_another_robot_is_refused(ur10) -> None:
    prior = JointPrior.uniform(ur10.lower[:3], ur10.upper[:3], 16)
    with pytest.raises(RecordingError, match=r"\(3, 16\).*asks for \(6, 16\)"):
        description(prior=prior)


def test_numbers_out_of_range_are_refused() -> None:
    for changes in ({"samples": 0}, {"shard_samples": 0}, {"held_out": 13}, {"held_out": -1}):
        with pytest.raises(RecordingError, match="expected"):
            description(**changes)


def test_a_png_is_lossless() -> None:
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    _, png = cv2.imencode(".png", image[..., ::-1])
    np.testing.assert_array_equal(decode_image(png.tobytes(), "", (64, 48)), image)


def test_the_assignment_of_a_recording_is_its_prior(whole: Recording, ur10) -> None:
    assignment = whole.about.assignment
    np.testing.assert_array_equal(assignment.prior.alpha, np.ones((6, 16)))
    np.testing.assert_array_equal(assignment.prior.lower, ur10.lower)
