"""What is asked of samples: by a file, by a word or two, and by an option for every setting.

A verb's own settings < a file's preset < the file < `--variety` and `--size` < single settings.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from jointloop.cli.form import Shape
from jointloop.common.settings import Tree, built, merged, plain
from simulator.randomization.settings import SampleSettings, parse_size
from simulator.randomization.variety import FULL, variety


def shape(**own: Any) -> Callable[[list[str]], Shape]:
    """The settings of samples, with a verb's own values where they are not the usual ones."""
    return lambda words: Shape(SampleSettings, settings(**own))


def settings(**own: Any) -> SampleSettings:
    """A verb's own settings: varied to the full, where it does not say otherwise."""
    return replace(SampleSettings(variety=FULL), **own)


def asked(
    given: Tree | None,
    config: Path | None = None,
    size: str | None = None,
    named_variety: str | None = None,
) -> Tree:
    """The tree of what a command line asks for.

    Args:
        given: single settings, typed.
        config: file of settings, whose part for simulators counts.
        size: WIDTHxHEIGHT.
        named_variety: name of a variety, or its file.

    Raises:
        ConfigError: it makes no sense.
    """
    tree: Tree = {} if config is None else _samples_in(config)
    if size is not None:
        width, height = parse_size(size)
        tree = merged(tree, {"width": width, "height": height})
    if named_variety is not None:
        tree = merged(tree, {"variety": plain(variety(named_variety))})
    return merged(tree, given or {})


def over(base: SampleSettings, tree: Tree) -> SampleSettings:
    """Settings with what was asked for.

    Raises:
        ConfigError: values do not go together.
    """
    return built(SampleSettings, tree, base)


def _samples_in(path: Path) -> Tree:
    from trainer.config.files import read_file
    from trainer.config.presets import preset

    tree = read_file(path)
    own: Tree = tree.get("settings", {})
    return merged(plain(preset(tree["preset"]).settings), own) if "preset" in tree else own
