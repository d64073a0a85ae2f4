"""Recordings of earlier times open still, and say and give the same, pictures byte for byte."""

import tarfile
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from simulator.fleet.watch import Watch
from simulator.randomization.assignment import Assignment
from simulator.recordings.convert import to_coco, to_dream
from simulator.recordings.recipe import versions
from simulator.recordings.recording import FILE, Recording
from simulator.recordings.replay import recipe_here, sample_of
from simulator.recordings.sample_files import (
    MASK,
    decode,
    decode_image,
    decode_mask,
    encode,
    tells_the_same,
)
from simulator.recordings.shards import read
from simulator.robot import Robot
from trainer.config.presets import preset
from trainer.data.recorded import recorded
from trainer.open_source import open_source
from trainer.run_options import RunOptions
from trainer.session import build_controller

FOLDER = Path(__file__).parent / "data" / "recordings"
STICK = FOLDER / "stick-schema2"
CYCLES = FOLDER / "cycles-schema2"
SAMPLES, HELD_OUT = 6, 2
both = pytest.mark.parametrize("folder", [STICK, CYCLES], ids=lambda folder: folder.name)


def files_in_tars(folder: Path) -> dict[str, bytes]:
    """What another program finds in the shards."""
    found = {}
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            found |= {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]
    return found


def same_versions(folder: Path) -> bool:
    """Whether the packages here are those that made it; Jointloop's own number may grow."""
    rendering = Recording.open(folder).about.rendering
    then, now = rendering.versions, versions(rendering.engine)
    return all(then[name] == now[name] for name in then if name != "jointloop")


@both
def test_a_description_is_read_and_written_alike(folder: Path) -> None:
    recording = Recording.open(folder)
    assert (recording.about.samples, recording.about.held_out) == (SAMPLES, HELD_OUT)
    assert (recording.count(), recording.missing) == (SAMPLES, [])
    again = msgspec.json.format(msgspec.json.encode(recording.about), indent=1) + b"\n"
    assert again == (folder / FILE).read_bytes()


@both
def test_every_file_of_every_sample_is_what_the_tar_holds(folder: Path) -> None:
    files = files_in_tars(folder)
    seen = set()
    for group, file in Recording.open(folder).read():
        assert group.mask is not None
        for member in (group.image, group.mask, group.entry):
            assert read(file, member) == files[member.name]
            seen.add(member.name)
    assert seen == set(files)
    assert len(seen) == 3 * SAMPLES


@both
def test_every_sample_is_read_and_written_alike(folder: Path) -> None:
    files, size = files_in_tars(folder), Recording.open(folder).size
    for name in [name for name in files if name.endswith(".json")]:
        entry = decode(files[name], name)
        assert msgspec.json.encode(entry) == files[name]
        image = decode_image(files[f"{entry.key}.png"], name, size)
        mask = decode_mask(files[entry.key + MASK], name, size)
        if same_versions(folder):
            again = {entry.key + end: data for end, data in encode(entry, image, mask).items()}
            assert again == {file: files[file] for file in again}


@both
def test_recipes_follow_from_the_description(folder: Path) -> None:
    recording, files = Recording.open(folder), files_in_tars(folder)
    for index in range(SAMPLES):
        entry = decode(files[f"{recording.key(index)}.json"], "sample")
        assert entry.recipe == recording.recipe(index)
        assert entry.split == ("heldout" if index < HELD_OUT else "train")


@both
def test_a_trainer_takes_its_samples(folder: Path) -> None:
    recording = Recording.open(folder)
    tiny = preset("tiny")
    config = recorded(replace(tiny, batch_size=4, epoch_samples=4), recording)
    robot = Robot.named(config.settings.robot)
    prior, _ = build_controller(config, robot)
    options, progress = RunOptions(Path("run")), Watch()
    with open_source(config, options, recording, robot, prior, None, progress) as source:
        held_out = source.hold(HELD_OUT, Assignment.of(prior))
        batch = source.batch(SAMPLES - HELD_OUT)
    files = files_in_tars(folder)
    images = {files[name] for name in files if name.endswith(".png") and MASK not in name}
    for index, sample in enumerate(held_out):
        name = f"{recording.key(index)}.png"
        assert (sample.image == decode_image(files[name], name, recording.size)).all()
    given = {image.tobytes() for image in batch.images.permute(0, 2, 3, 1).numpy()}
    assert given == {decode_image(png, "image", recording.size).tobytes() for png in images} - {
        sample.image.tobytes() for sample in held_out
    }


@both
def test_it_is_converted(folder: Path, tmp_path: Path) -> None:
    recording, files = Recording.open(folder), files_in_tars(folder)
    to_coco(recording, tmp_path / "coco")
    to_dream(recording, tmp_path / "dream")
    for index in range(SAMPLES):
        name = f"{recording.key(index)}.png"
        assert (tmp_path / "coco" / "images" / name).read_bytes() == files[name]
    assert len(list((tmp_path / "dream" / "train").glob("*.rgb.png"))) == SAMPLES - HELD_OUT


def made_again(folder: Path, index: int) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The files of a sample as this machine makes them, and as they were recorded."""
    recording, files = Recording.open(folder), files_in_tars(folder)
    key = recording.key(index)
    made = sample_of(decode(files[f"{key}.json"], key).recipe)
    return made, {end: files[key + end] for end in made}


@pytest.mark.parametrize("index", [0, 4])
def test_sticks_are_drawn_again_and_told_alike(index: int) -> None:
    made, recorded_files = made_again(STICK, index)
    if not same_versions(STICK):
        pytest.skip("other versions of the packages that take part")
    assert made.keys() == recorded_files.keys()
    assert all(tells_the_same(end, made[end], recorded_files[end]) for end in made)


@pytest.mark.blender
@pytest.mark.parametrize("index", [1, 5])
def test_cycles_renders_the_same_labels_and_says_that_it_shades_otherwise(index: int) -> None:
    made, recorded_files = made_again(CYCLES, index)
    if not same_versions(CYCLES):
        pytest.skip("other versions of the packages that take part")
    assert tells_the_same(".json", made[".json"], recorded_files[".json"])
    size, pairs = Recording.open(CYCLES).size, (made, recorded_files)
    masks = [decode_mask(files[MASK], "", size).astype(int) for files in pairs]
    assert np.abs(np.subtract(*masks)).mean() < 5
    images = [decode_image(files[".png"], "", size).astype(int) for files in pairs]
    assert np.abs(images[0].mean() - images[1].mean()) < 3
    said: list[str] = []
    recipe_here(decode(recorded_files[".json"], "sample").recipe, say=said.append)
    assert "note: it was made with shading 1, here 2" in said
