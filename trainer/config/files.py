"""Files of settings: TOML that people write, and the JSON that runs keep."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from jointloop.common.difference import difference
from jointloop.common.settings import ConfigError, Tree, merged, shown, typed
from jointloop.common.toml import dump, load
from trainer.config.config import SCHEMA, Config, settings_in, stored, timed
from trainer.config.presets import PRESETS, departures, preset

FIXED = [field.name for field in fields(Config) if field.name not in ("epochs", "minutes")]
"""What of its config a run keeps to when it goes on."""


def read_file(path: Path) -> Tree:
    """The tree of the settings in a TOML file, or in a run's folder or its config.json.

    Raises:
        ConfigError: it cannot be read, or a setting makes no sense; names the file.
    """
    path = path / "config.json" if path.is_dir() else path
    try:
        if path.suffix == ".json":
            return typed(Config, stored(path.read_text("utf-8-sig")), "stored")
        return typed(Config, settings_in(load(path)), "toml")
    except OSError as error:
        raise ConfigError(f"{path}: it cannot be read: {error.strerror}") from None
    except (ConfigError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None


def resolve(name: str | None, *trees: Tree) -> Config:
    """The config of a preset and what is to be otherwise; later trees count over earlier ones.

    Args:
        name: of the preset; None takes the one that the trees name.
        trees: of typed settings.

    Raises:
        ConfigError: no preset is named, or values do not go together.
    """
    whole = merged(*(timed(tree) for tree in trees))
    name = name or whole.get("preset")
    if name is None:
        raise ConfigError(f"name a preset, one of {', '.join(PRESETS)}, or a file that names one")
    return preset(name).over(whole | {"preset": name})


def resumed(
    began: Config, name: str | None, *trees: Tree, backgrounds: str | None = None
) -> Config:
    """The config that a run goes on with: it may train longer, all else stays.

    Args:
        began: the config that it began with.
        name: of the preset, if the user named one.
        trees: of typed settings that are asked for, if any.
        backgrounds: folder of pictures, if any; see `Config.changed`.

    Raises:
        ConfigError: something else would change; names it.
    """
    asked = merged({"preset": name} if name else {}, *map(timed, trees))
    config = began.over(asked).changed(backgrounds=backgrounds)
    if other := difference(config, began, FIXED):
        path, wanted, own = other
        raise ConfigError(
            f"the run began otherwise: {path.removeprefix('settings.')} is "
            f"{shown(Config, path, own)}, not {shown(Config, path, wanted)}; it goes on with what "
            "its config.json says, so leave this out"
        )
    return config


def kept(config: Config) -> str:
    """The JSON that a run keeps: its config, and what of it differs from the preset."""
    return config.to_json(departures(config))


def to_toml(config: Config) -> Iterator[str]:
    """Lines of TOML that can be changed and given back, each setting below what it means."""
    yield f"# jointloop train --config FILE, over preset {config.preset}."
    if changed := departures(config):
        yield f"# Otherwise than there: {', '.join(changed)}."
    yield f"schema = {SCHEMA}"
    yield from dump(config)
