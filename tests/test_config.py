"""Laws of configs."""

import dataclasses
import inspect
import json

import pytest

from trainer.config import config
from trainer.config.config import Config, ConfigError
from trainer.config.presets import PRESETS, preset


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_config_survives_its_json(name):
    config = preset(name)
    assert Config.from_json(config.to_json()) == config


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_preset_knows_its_name(name):
    assert preset(name).preset == name


def test_an_unknown_preset_is_refused_naming_those_there_are():
    with pytest.raises(ConfigError, match=r"'huge'.*tiny, small, light, vgg-up, heindl2019"):
        preset("huge")


def test_every_field_has_a_docstring():
    source = inspect.getsource(config)
    for kind in (Config, *(type(getattr(preset("tiny"), f)) for f in ("network", "stream"))):
        for field in dataclasses.fields(kind):
            after = source.split(f"    {field.name}: ", 1)[1].split("\n")[1]
            assert after.strip().startswith('"""'), f"{kind.__name__}.{field.name}"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("epochs",), "3", "config.epochs is '3'"),
        (("epochs",), True, "config.epochs is True"),
        (("network", "widths"), [1, 2], "config.network.widths"),
        (("network", "widths"), [1, 2, "3"], "config.network.widths is '3'"),
        (("loss", "kind"), "l7", "config.loss.kind is 'l7'"),
        (("stream",), 7, "config.stream is 7, expected an object"),
        (("feedback", "select"), 2.0, "feedback.select is 2.0, expected 0.0 to 1.0"),
        (("batch_size",), 0, "batch_size is 0"),
    ],
)
def test_a_wrong_value_is_refused_naming_its_place(path, value, message):
    data = json.loads(preset("tiny").to_json())
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(ConfigError) as caught:
        Config.from_json(json.dumps(data))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_and_missing_keys_are_named_in_one_error():
    data = json.loads(preset("tiny").to_json())
    data["network"]["dropout"] = data["network"].pop("stages")
    with pytest.raises(ConfigError, match=r"config.network .*\['dropout'\].*\['stages'\]"):
        Config.from_json(json.dumps(data))


def test_a_whole_number_may_stand_where_a_float_is_expected():
    data = json.loads(preset("tiny").to_json())
    data["feedback"]["alpha0"] = 2
    alpha0 = Config.from_json(json.dumps(data)).feedback.alpha0
    assert alpha0 == 2.0
    assert isinstance(alpha0, float)


def test_text_that_is_no_json_is_refused():
    with pytest.raises(ConfigError, match="no JSON"):
        Config.from_json("{")
