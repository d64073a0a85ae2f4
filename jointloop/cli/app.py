"""What all verbs share: the application they register with, and where they print."""

import tyro
from rich.console import Console

from blender_scenes.spec import Device, Engine
from jointloop.common.errors import JointloopError

app = tyro.extras.SubcommandApp()
out = Console(highlight=False, soft_wrap=True, emoji=False)


def ready(engine: Engine, device: Device = "cpu") -> None:
    """Try an engine out before anything is started with it; see `blender_scenes.engines.need`."""
    from blender_scenes.engines import need

    if line := need(engine, device):
        out.print(f"note: {line}", markup=False)


def scales_in(text: str) -> tuple[float, ...]:
    """Image scales from text with commas between them.

    Raises:
        JointloopError: it says something else.
    """
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise JointloopError(
            f"scales is {text!r}; expected numbers between commas, such as 0.8,1,1.25"
        ) from None
