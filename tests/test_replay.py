"""Laws of replay: the same recipe gives the same bytes, in any process and in any order."""

import json
import tarfile
from dataclasses import replace
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from recording_parts import SMALL, STICK, description, jointloop, recorded

from blender_scenes.spec import SHADING, SPP
from simulator.randomization.assignment import Assignment
from simulator.randomization.prior import JointPrior
from simulator.randomization.variety import Variety
from simulator.recordings.recipe import Listing, Rendering
from simulator.recordings.replay import recipe_of, rendering_here, sample_maker_for, sample_of
from simulator.recordings.sample_files import RecordingError, decode

SIZE = ("--size", "64x48")


def unpacked(folder: Path, **changes: object) -> Path:
    """A folder with the files of a recording's samples."""
    recording = recorded(folder / "recording", description(**changes))  # type: ignore[arg-type]
    for shard in recording.shards:
        with tarfile.open(recording.path(shard)) as file:
            file.extractall(folder / "samples", filter="data")
    return folder / "samples"


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = replace(SMALL, variety=Variety(), seed=5)
    return unpacked(tmp_path_factory.mktemp("replays"), samples=8, settings=settings)


def test_a_recorded_sample_is_made_again_byte_for_byte(samples: Path, tmp_path: Path) -> None:
    """In another process, alone, and out of order."""
    like = samples / "0000-00000006.json"
    done = jointloop("replay", "--like", like, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    for suffix in (".png", ".mask.png", ".json"):
        again = tmp_path / f"0000-00000006{suffix}"
        assert again.read_bytes() == like.with_suffix(suffix).read_bytes()
    assert done.stdout.count("the same as") == 3


def test_the_three_numbers_make_a_sample(samples: Path, tmp_path: Path) -> None:
    toml = tmp_path / "variety.toml"
    toml.write_text("")  # all parts at their defaults
    for index, split in ((1, "heldout"), (7, "train")):
        done = jointloop(
            "replay", "--seed", "5", "--worker", "0", "--index", str(index), "--split", split,
            "--engine", "stick", *SIZE, "--variety", toml, "--out", tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        for suffix in (".png", ".mask.png", ".json"):
            name = f"0000-{index:08d}{suffix}"
            assert (tmp_path / name).read_bytes() == (samples / name).read_bytes()


def test_seed_worker_and_index_each_matter() -> None:
    made = {
        sample_of(recipe_of(replace(SMALL, seed=seed), STICK, worker, index))[".png"]
        for seed, worker, index in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))
    }
    assert len(made) == 4


def test_a_difference_is_told_by_the_exit_code(samples: Path, tmp_path: Path) -> None:
    like = tmp_path / "0000-00000006.json"
    like.write_bytes((samples / like.name).read_bytes())
    picture = cv2.imread(str(samples / "0000-00000006.png"))
    assert picture is not None
    picture[0, 0] ^= 1
    cv2.imwrite(str(like.with_suffix(".png")), picture)
    done = jointloop("replay", "--like", like, "--out", tmp_path / "again")
    assert done.returncode == 1
    assert f"differs from {like.with_suffix('.png')}" in done.stdout
    assert f"the same as {like}" in done.stdout


def test_other_versions_are_named(samples: Path, tmp_path: Path) -> None:
    entry = json.loads((samples / "0000-00000006.json").read_bytes())
    entry["recipe"]["rendering"]["versions"]["numpy"] = "0.1"
    like = tmp_path / "old.json"
    like.write_text(json.dumps(entry))
    done = jointloop("replay", "--like", like, "--out", tmp_path / "again")
    assert f"note: it was made with numpy 0.1, here {np.__version__}" in done.stdout


def test_what_was_shaded_otherwise_is_said_in_one_line() -> None:
    here = rendering_here("cycles", 2, SMALL)
    fields = msgspec.to_builtins(here)
    assert fields.pop("shading") == SHADING == 2
    of_old = msgspec.convert(fields, Rendering)
    assert of_old.differences(here) == ["shading 1, here 2"]
    assert STICK.shading is msgspec.UNSET
    assert "shading" not in msgspec.to_builtins(STICK)


def test_a_replay_never_replaces_what_it_is_compared_with(samples: Path) -> None:
    done = jointloop("replay", "--like", samples / "0000-00000006.json", "--out", samples)
    assert done.returncode == 2
    assert "would replace" in done.stderr


@pytest.mark.parametrize("arguments", [(), ("--index", "1", "--like", "x.json")])
def test_what_to_replay_must_be_said_once(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = jointloop("replay", "--out", tmp_path, *arguments)
    assert done.returncode == 2
    assert "--index I" in done.stderr


def test_a_sample_of_a_run_is_made_from_its_prior_history(ur10, tmp_path: Path) -> None:
    lines = []
    for version in range(3):
        alpha = np.full((6, 16), 1e-3)
        alpha[:, version] = 1e6
        assignment = Assignment.of(JointPrior(alpha, ur10.lower, ur10.upper, version))
        lines.append(msgspec.json.encode(assignment) + b"\n")
    history = tmp_path / "prior_history.jsonl"
    history.write_bytes(b"".join(lines))
    words = ("replay", "--index", "3", "--worker", "1", "--engine", "stick", *SIZE)
    words += ("--variety", "calm", "--out", tmp_path, "--prior", history)
    for version, more in ((2, ()), (1, ("--prior-version", "1"))):
        done = jointloop(*words, *more)
        assert done.returncode == 0, done.stderr
        entry = decode((tmp_path / "0001-00000003.json").read_bytes(), "sample")
        assert set(entry.bins) == {version}
        assert entry.hidden.provenance.prior_version == version
    done = jointloop(*words, "--prior-version", "9")
    assert (done.returncode, "no prior of version 9; it has 0, 1, 2" in done.stderr) == (2, True)


def test_a_file_that_holds_no_prior_is_one_line(tmp_path: Path) -> None:
    prior = tmp_path / "prior.json"
    prior.write_text('{"alpha": [[1, 1]]}')
    done = jointloop("replay", "--index", "0", "--out", tmp_path, "--prior", prior)
    assert done.returncode == 2
    assert "holds no prior with alpha, lower, upper and version" in done.stderr


def test_a_damaged_sample_is_one_line(samples: Path, tmp_path: Path) -> None:
    like = tmp_path / "half.json"
    like.write_bytes((samples / "0000-00000006.json").read_bytes()[:-40])
    done = jointloop("replay", "--like", like, "--out", tmp_path / "again")
    assert done.returncode == 2
    assert done.stderr.startswith(f"jointloop: error: {like} is no recorded sample")
    assert done.stderr.count("\n") == 1


def photos(folder: Path, count: int = 6) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(count)
    for i in range(count):
        picture = rng.integers(0, 256, (60, 80, 3)).astype(np.uint8)
        cv2.imwrite(str(folder / f"{i}.png"), picture)
    return folder


def test_pictures_that_are_all_small_are_said(tmp_path: Path) -> None:
    said: list[str] = []
    mine, large = photos(tmp_path / "mine"), replace(SMALL, width=128)
    for settings in (SMALL, large):
        rendering_here("stick", SPP, settings, mine, said.append)
    (line,) = said
    assert line.startswith(f"note: backgrounds {mine}: its largest picture is 80x60, so all are")


def test_other_backgrounds_are_refused(tmp_path: Path) -> None:
    mine, others = photos(tmp_path / "mine"), photos(tmp_path / "others", 5)
    rendering = rendering_here("stick", 4, SMALL, mine)
    recipe = recipe_of(SMALL, rendering, 0, 0)
    assert sample_of(recipe, mine) == sample_of(recipe, mine)
    with pytest.raises(RecordingError, match=r"expected 6 pictures .* these are 5 pictures"):
        sample_maker_for(SMALL, rendering, others)
    with pytest.raises(RecordingError, match="6 background pictures; give their folder"):
        sample_maker_for(SMALL, rendering)
    with pytest.raises(RecordingError, match="made without any"):
        sample_maker_for(SMALL, STICK, mine)


def test_a_listing_knows_names_and_sizes_but_no_path(tmp_path: Path) -> None:
    mine, same = photos(tmp_path / "mine"), photos(tmp_path / "same")
    names = [path.name for path in mine.iterdir()]
    assert Listing.of(mine, names) == Listing.of(same, reversed(names))
    (same / "0.png").write_bytes(b"another")
    assert Listing.of(mine, names) != Listing.of(same, names)


@pytest.mark.blender
def test_cycles_makes_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    words = ("--size", "96x64", "--variety", "full", "--spp", "2")
    folder = tmp_path / "recording"
    done = jointloop("record", "--out", folder, "--samples", "4", "--held-out", "1", *words)
    assert done.returncode == 0, done.stderr
    with tarfile.open(folder / "000000.tar") as file:
        file.extractall(tmp_path / "samples", filter="data")
    like = tmp_path / "samples" / "0000-00000003.json"
    done = jointloop("replay", "--like", like, "--out", tmp_path / "like")
    assert done.returncode == 0, done.stderr
    done = jointloop("replay", "--index", "3", *words, "--out", tmp_path / "numbers")
    assert done.returncode == 0, done.stderr
    for suffix in (".png", ".mask.png", ".json"):
        name = like.with_suffix(suffix).name
        recorded_bytes = (tmp_path / "samples" / name).read_bytes()
        assert (tmp_path / "like" / name).read_bytes() == recorded_bytes
        assert (tmp_path / "numbers" / name).read_bytes() == recorded_bytes
