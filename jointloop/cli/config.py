"""config: prints every setting as TOML that can be changed and given back."""

from pathlib import Path
from typing import Annotated

import tyro

from jointloop.cli.app import say
from jointloop.common.errors import JointloopError


def config(
    what: Annotated[tyro.conf.Positional[str | None], tyro.conf.arg(metavar="PRESET|FILE")] = None,
    *,
    config: Path | None = None,
) -> int:
    """Print every setting with what it means, as TOML to change and give back as --config FILE.

    What such a file leaves out is the preset's.

    Args:
        what: A preset, a run's folder, or a file of settings.
        config: A run's folder or a file of settings; over the preset, where one is named.
    """
    from trainer.config.files import read_file, resolve, to_toml
    from trainer.config.presets import PRESETS

    if what is None and config is None:
        raise JointloopError(f"name a preset ({', '.join(PRESETS)}), a run's folder or a file")
    is_file = what is not None and what not in PRESETS and Path(what).exists()
    files = [Path(what)] if is_file and what else []
    files += [config] if config else []
    trees = [read_file(path) for path in files]
    for line in to_toml(resolve(None if is_file else what, *trees)):
        say(line)
    return 0
