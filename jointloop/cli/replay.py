"""replay: makes one sample again, byte for byte."""

from pathlib import Path
from typing import Literal

from blender_scenes.spec import SPP, Device, Engine
from jointloop.cli.app import ready, say, tell_robots
from jointloop.cli.form import takes
from jointloop.cli.priors import read_bytes, read_prior
from jointloop.cli.sampling import asked, over, shape
from jointloop.cli.sampling import settings as own
from jointloop.common.errors import JointloopError
from jointloop.common.files import write_bytes
from jointloop.common.folders import make_folder
from jointloop.common.settings import Tree, flat


@takes(shape())
def replay(
    *,
    out: Path,
    like: Path | None = None,
    worker: int = 0,
    index: int | None = None,
    prior: Path | None = None,
    prior_version: int | None = None,
    split: Literal["train", "heldout"] = "train",
    config: Path | None = None,
    size: str | None = None,
    variety: str | None = None,
    engine: Engine = "cycles",
    device: Device = "cpu",
    spp: int = SPP,
    backgrounds: Path | None = None,
    given: Tree | None = None,
) -> int:
    """Make one sample again: the same image byte for byte, and the same labels.

    Args:
        out: Folder that takes KEY.png, KEY.mask.png and KEY.json.
        like: JSON of a recorded sample, which names all that it follows from; the result is
            compared with it, and with the PNG beside it.
        worker: Worker id; 0 in recordings.
        index: Number of the sample among its worker's, from 0.
        prior: Prior it was drawn from: a JSON file or a run's prior_history.jsonl; by default
            uniform.
        prior_version: Which of the file's priors; by default the last.
        split: Training and held-out samples see different backgrounds.
        config: File of settings, such as a run's config.json, whose part for simulators counts.
        size: Image size WIDTHxHEIGHT.
        variety: full (unless the file says otherwise), calm, real, or a TOML file; single
            settings override it.
        engine: cycles, eevee and workbench render with Blender; stick draws the robot as sticks.
        device: That Blender renders on: cpu or gpu.
        spp: Cycles' samples per pixel.
        backgrounds: Folder of your own pictures.
        given: Settings of the sample.
    """
    from simulator.recordings.replay import recipe_here, recipe_of, rendering_here, sample_of
    from simulator.recordings.sample_files import decode, key_of

    if (like is None) == (index is None):
        raise JointloopError("give --index I (with --seed and --worker), or --like SAMPLE.json")
    wanted = asked(given, config, size, variety)
    if like is not None:
        if wanted:
            first = next(iter(flat(wanted)))
            raise JointloopError(f"{first} is given, but --like says all; leave one of them out")
        if out.resolve() == like.parent.resolve():
            raise JointloopError(f"--out {out} would replace {like}; choose another folder")
        recipe = recipe_here(decode(read_bytes(like), str(like)).recipe, backgrounds, say)
    else:
        settings = over(own(), wanted)
        chosen = None if prior is None else read_prior(prior, prior_version)
        rendering = rendering_here(engine, spp, settings, backgrounds, say, device)
        recipe = recipe_of(settings, rendering, worker, index or 0, split, chosen)
    tell_robots(recipe.settings)
    ready(recipe.rendering.engine, recipe.rendering.device)
    made = sample_of(recipe, backgrounds)
    key = key_of(recipe.worker, recipe.index)
    make_folder(out)
    for suffix, data in made.items():
        write_bytes(out / (key + suffix), data)
        say(f"{out / (key + suffix)}")
    return 0 if like is None else _compare(like, made)


def _compare(like: Path, made: dict[str, bytes]) -> int:
    """Whether what was made is what lies at `like` and beside it; 1 if not."""
    from simulator.recordings.sample_files import tells_the_same

    different = 0
    for suffix, data in made.items():
        path = like.with_suffix(suffix)
        if not path.is_file():
            say(f"{path} is not there to compare with")
            continue
        same = tells_the_same(suffix, data, path.read_bytes())
        different |= not same
        say(f"{'the same as' if same else 'differs from'} {path}")
    return int(different)
