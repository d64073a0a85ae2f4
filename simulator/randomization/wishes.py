"""Settings that a fleet wishes for: some of a run's, which its own must agree with.

A fleet says them by dotted path, such as `variety.camera.elevation`, in the numbers that programs
keep; what it leaves open the run decides. Expected poses it says by their digest.
"""

from collections.abc import Mapping
from typing import Any

from jointloop.common.settings import flat, nested, plain, shown, typed
from simulator.randomization.settings import SampleSettings

SIDES = ("width", "height")
EXPECT = "expect"
"""Name of the wish for expected poses: `Expected.digest`."""


def unlike(
    settings: SampleSettings, wishes: Mapping[str, Any], expect: str = ""
) -> tuple[str, str, str] | None:
    """The first wish that settings do not grant.

    Args:
        settings: of the run.
        wishes: by dotted path.
        expect: digest of the poses that the run expects; empty if it expects none.

    Returns:
        Its name, what is wished for and what there is, as people give them; None where all agree.

    Raises:
        ConfigError: a wish is for no setting, or for a value that it cannot have.
    """
    ours = flat(plain(settings))
    for path, wish in wishes.items():
        if path == EXPECT:
            if wish == expect:
                continue
            return EXPECT, f"poses {str(wish)[:16]}", f"poses {expect}" if expect else "no poses"
        wanted = flat(typed(SampleSettings, nested({path: wish}), "stored"))[path]
        have = _at(ours, path)
        if wanted == have:
            continue
        if path in SIDES:
            both = (wishes.get(side, getattr(settings, side)) for side in SIDES)
            return "size", "x".join(map(str, both)), settings.size
        return path, shown(SampleSettings, path, wanted), shown(SampleSettings, path, have)
    return None


def _at(ours: Mapping[str, Any], path: str) -> Any:
    """What stands at a path; None in a part that is switched off, True for one that is not."""
    if path in ours:
        return ours[path]
    return True if any(name.startswith(f"{path}.") for name in ours) else None
