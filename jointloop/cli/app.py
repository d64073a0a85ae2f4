"""What all verbs share: the application they register with, and where they print."""

from typing import TYPE_CHECKING

import tyro
from rich.console import Console

from blender_scenes.spec import Device, Engine
from jointloop.common.errors import JointloopError

if TYPE_CHECKING:
    from simulator.randomization.settings import SampleSettings

app = tyro.extras.SubcommandApp()
out = Console(highlight=False, soft_wrap=True, emoji=False)


def ready(engine: Engine, device: Device = "cpu") -> None:
    """Try an engine out before anything is started with it; see `blender_scenes.engines.need`."""
    from blender_scenes.engines import need

    if line := need(engine, device):
        out.print(f"note: {line}", markup=False)


def tell_robots(settings: "SampleSettings") -> None:
    """Say what of the robots' files was left out, passed over or stays at rest, a line each.

    Raises:
        RobotError: one of them cannot be used.
    """
    from simulator.robot import Robot

    distractors = settings.variety.distractors
    names = (settings.robot, *(() if distractors is None else distractors.robots))
    for note in dict.fromkeys(note for name in names for note in Robot.named(name).notes):
        out.print(f"note: {note}", markup=False)


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
