"""Laws of configs: kept as JSON, printed as TOML, told apart from their presets."""

import itertools
import json
import tomllib
from pathlib import Path

import msgspec
import numpy as np
import pytest
from config_parts import configs, leaves
from hypothesis import given

from jointloop.common.hints import docs, hints, part_of
from jointloop.common.settings import flat, nested, plain, read, shown, typed
from simulator.randomization.hidden import draw
from simulator.recordings.recording import Recording
from simulator.recordings.sample_files import decode
from simulator.robot import Robot
from trainer.config.config import SCHEMA, Config, ConfigError, settings_in
from trainer.config.files import kept, read_file, resolve, resumed, to_toml
from trainer.config.presets import PRESETS, departures, preset

STORED = Path(__file__).parent / "data"
"""Files that earlier versions wrote."""


def printed(config: Config) -> str:
    return "\n".join(to_toml(config))


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_preset_survives_json_and_toml(name: str, tmp_path: Path) -> None:
    config = preset(name)
    assert Config.from_json(config.to_json()) == config
    file = tmp_path / "my.toml"
    file.write_text(printed(config))
    assert resolve(None, read_file(file)) == config
    # A commented-out line stands for what the preset leaves open too.
    assert all(value is not None for path, value in flat(tomllib.loads(printed(config))).items())


@given(configs)
def test_a_config_survives_json_and_toml(config: Config) -> None:
    assert Config.from_json(config.to_json()) == config
    data = settings_in(tomllib.loads(printed(config)))
    assert read(Config, data, base=preset(config.preset), form="toml") == config


@given(configs)
def test_a_config_is_its_preset_and_what_differs(config: Config) -> None:
    changed = departures(config)
    tree = typed(Config, nested(changed), "stored")
    assert preset(config.preset).over(tree) == config
    assert set(json.loads(kept(config))["changed"]) == set(changed)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_preset_knows_its_name_and_differs_from_itself_in_nothing(name: str) -> None:
    assert preset(name).preset == name
    assert departures(preset(name)) == {}


def test_an_unknown_preset_is_refused_naming_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"'huge'.*tiny, small, lite, light, vgg-up, heindl2019"):
        preset("huge")


def test_every_setting_has_a_docstring_that_toml_shows() -> None:
    text = " ".join(printed(preset("tiny")).replace("# ", "").split())
    kinds = [Config]
    for kind in kinds:
        for name, hint in hints(kind).items():
            assert docs(kind)[name], f"{kind.__name__}.{name}"
            if part := part_of(hint):
                kinds.append(part.kind)
    assert docs(Config)["minutes"] in text
    assert "Of the camera above the look-at point [deg]. (2 numbers, the lower first, of" in text


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("epochs",), "3", "epochs is '3'; expected a whole number of at least 1"),
        (("epochs",), True, "epochs is True"),
        (("network", "widths"), [1, 2], "network.widths is [1, 2]; expected 3 whole numbers"),
        (("network", "widths"), [1, 2, "3"], "network.widths is [1, 2, '3']"),
        (("loss", "kind"), "l7", "loss.kind is 'l7'; expected one of mse, smooth-l1"),
        (("stream",), 7, "stream is 7; expected a table"),
        (("feedback", "select"), 2.0, "feedback.select is 2.0; expected a number of 0 to 1"),
        (("batch_size",), 0, "batch_size is 0"),
        (("batch_size",), 2000, "epoch_samples is 800; expected at least batch_size, 2000"),
        (("settings", "width"), 162, "width is 162; expected a multiple of the stride, 4"),
        (("network", "dropout"), 1, "network.dropout: no such setting"),
        (("schema",), SCHEMA + 1, f"schema is {SCHEMA + 1}; expected 1 to {SCHEMA}"),
        (("schema",), "x", "schema is 'x'"),
    ],
)
def test_a_wrong_value_is_refused_naming_its_place(path, value, message) -> None:
    data = json.loads(preset("tiny").to_json())
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(ConfigError) as caught:
        Config.from_json(json.dumps(data))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_whole_number_may_stand_where_a_float_is_expected() -> None:
    data = json.loads(preset("tiny").to_json())
    data["feedback"]["alpha0"] = 2
    alpha0 = Config.from_json(json.dumps(data)).feedback.alpha0
    assert alpha0 == 2.0
    assert isinstance(alpha0, float)


@pytest.mark.parametrize("text", ["{", "[]", "3"])
def test_text_that_is_no_config_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="the config is"):
        Config.from_json(text)


def test_files_of_earlier_versions_open() -> None:
    config = Config.from_json((STORED / "config-1.json").read_text())
    assert config == preset("small").changed(feedback=False)
    said = flat(read_file(STORED / "config-1.json"))
    assert said.items() <= flat(plain(config)).items()


def test_a_recording_of_an_earlier_version_opens_with_its_numbers(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_bytes((STORED / "dataset-2.json").read_bytes())
    about = Recording.open(tmp_path).about
    assert about.rendering.spp == 4
    assert about.settings.variety.camera.elevation == (0.1, 0.7)  # [rad], as it was drawn


def test_a_sample_of_an_earlier_version_is_read_and_drawn_alike() -> None:
    text = (STORED / "sample-1.json").read_bytes()
    entry = decode(text, "stored")
    hidden = json.loads(text)["hidden"]
    again = json.loads(msgspec.json.encode(entry))["hidden"]
    assert {name: again[name] for name in hidden} == hidden
    recipe, robot = entry.recipe, Robot.named("ur10")
    drawn = draw(robot, recipe.settings, recipe.assignment, recipe.worker, recipe.index)
    assert drawn.bins == entry.hidden.bins
    np.testing.assert_allclose(drawn.view.elevation, entry.hidden.view.elevation, rtol=1e-12)


def test_a_file_counts_over_the_preset_and_options_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text("epochs = 3\nbatch_size = 4\n[feedback]\nweight = 2\n")
    config = resolve("small", read_file(file), {"batch_size": 8})
    assert (config.epochs, config.batch_size, config.feedback.weight) == (3, 8, 2.0)
    assert config == preset("small").changed(epochs=3, batch_size=8, **{"feedback.weight": 2})
    with pytest.raises(ConfigError, match="name a preset, one of tiny"):
        resolve(None, read_file(file))


def test_epochs_take_the_place_of_minutes() -> None:
    timed = preset("tiny").changed(minutes=4.0)
    assert timed.changed(epochs=3).minutes is None
    assert timed.changed(epochs=3, minutes=2.0).minutes == 2.0
    assert resolve("tiny", {"minutes": 4.0}, {"epochs": 3}).minutes is None


@pytest.mark.parametrize("leaf", leaves(), ids=lambda leaf: leaf.path)
def test_a_resumed_run_may_train_longer_and_nothing_else(leaf) -> None:
    began = preset(leaf.preset)
    other = leaf.other(began)
    if leaf.path in ("epochs", "minutes"):
        assert flat(plain(resumed(began, None, other)))[leaf.path] == flat(other)[leaf.path]
        return
    name = leaf.path.removeprefix("settings.")
    with pytest.raises(ConfigError, match=r"began otherwise: ") as caught:
        resumed(began, None, other)
    own = flat(plain(began)).get(leaf.path)
    parts = itertools.accumulate(name.split("."), "{}.{}".format)  # any may be off as a whole
    said = [f"{name} is {shown(Config, leaf.path, own)}, not"]
    said += [f"{part} is off, not on" for part in parts]
    assert any(line in str(caught.value) for line in said)
