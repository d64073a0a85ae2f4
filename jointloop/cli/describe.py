"""describe: begins a robot's description from its URDF."""

from pathlib import Path

import tyro

from jointloop.cli.app import say
from jointloop.common.errors import JointloopError
from jointloop.common.files import write_text


def describe(
    urdf: tyro.conf.Positional[Path], *, out: Path = Path("robot.toml"), keypoints: int = 32
) -> int:
    """Write a first description of a robot, for --robot, from its URDF; read it through by hand.

    What can move does, over one turn where the URDF has no limits; keypoints are at the joints and
    the robot's ends.

    Args:
        urdf: The file.
        out: A new TOML file.
        keypoints: At most so many.
    """
    from simulator.robot import Robot
    from simulator.robot.describe import describe as first_description

    if out.suffix != ".toml":
        raise JointloopError(f"out is {out}; expected a name that ends with .toml")
    if out.exists():
        raise JointloopError(f"{out} is there already; choose another name")
    write_text(out, first_description(urdf, keypoints))
    robot = Robot.named(str(out))
    for note in robot.notes:
        say(f"note: {note}")
    say(
        f"{out}: {len(robot.angle_names)} joints move, {len(robot.keypoints)} keypoints; look at "
        f"it: jointloop gallery --robot {out}"
    )
    return 0
