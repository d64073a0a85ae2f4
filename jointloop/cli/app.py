"""What verbs share: where they print, and words that several of them read."""

from typing import TYPE_CHECKING

from rich.console import Console

from blender_scenes.spec import Device, Engine
from jointloop.common.errors import JointloopError

if TYPE_CHECKING:
    from simulator.label_check.finding import Finding
    from simulator.randomization.settings import SampleSettings

out = Console(highlight=False, soft_wrap=True, emoji=False)


def say(line: str) -> None:
    """Print a line as it is."""
    out.print(line, markup=False)


def tell(findings: "list[Finding]") -> bool:
    """One line per finding; whether all are good."""
    for finding in findings:
        out.print("[green]  ok[/]" if finding.good else "[bold red]fail[/]", end="  ")
        say(f"{finding.name:<20} {finding.text}; wanted: {finding.bar}")
    return all(finding.good for finding in findings)


def ready(engine: Engine, device: Device = "cpu") -> None:
    """Try an engine out before anything is started with it; see `blender_scenes.engines.need`."""
    from blender_scenes.engines import need

    if line := need(engine, device):
        say(f"note: {line}")


def tell_robots(settings: "SampleSettings") -> None:
    """Say what of the robots' files was left out, passed over or stays at rest, a line each.

    Raises:
        RobotError: one of them cannot be used.
    """
    from simulator.robot import Robot

    distractors = settings.variety.distractors
    names = (settings.robot, *(() if distractors is None else distractors.robots))
    for note in dict.fromkeys(note for name in names for note in Robot.named(name).notes):
        say(f"note: {note}")


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
