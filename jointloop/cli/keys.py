"""keys: makes the keys that let simulators on other machines connect."""

from pathlib import Path

import tyro

from jointloop.cli.app import say


def keys(folder: tyro.conf.Positional[Path]) -> int:
    """Make the keys that let simulators on other machines connect; copy the folder to both sides.

    Args:
        folder: A new folder.
    """
    from simulator.transport import write_keys

    write_keys(folder)
    say(f"keys: {folder}; pass it to both sides as --keys")
    return 0
