"""Tools at the flange that are meshes: which of them, drawn, and where their parts are."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from blender_scenes import spec
from jointloop.common.settings import Share
from simulator.robot import Robot
from simulator.robot.errors import RobotError
from simulator.robot.grippers import DIGITS, gripper, tool_names
from simulator.robot.surface import body


@dataclass(frozen=True)
class MeshTool:
    """A tool at the flange that is a mesh."""

    name: Annotated[str, Meta(max_length=spec.MAX_PATH)]
    """Of a known gripper, or path of a mesh file."""
    digest: Annotated[str, Meta(max_length=DIGITS)]
    """Of the mesh file; empty for a known gripper."""
    turn: spec.Finite
    """About the flange's axis [rad]."""
    opening: Annotated[float, Meta(ge=0, le=1)]
    """Of its fingers, between their limits."""


def draw_mesh_tool(
    names: tuple[str, ...], share: Share, robot: Robot, rng: np.random.Generator
) -> MeshTool | None:
    """One of the tools, or none; robots that bring fingers keep them.

    Args:
        names: known grippers, mesh files and folders of them.
        share: of images that have one.
        robot: whose flange carries it.
        rng: random source.
    """
    if not names or rng.random() >= share or body(robot).flange is None:
        return None
    all_names = tool_names(names)
    name = all_names[int(rng.integers(len(all_names)))]
    turn = float(rng.uniform(-math.pi, math.pi))
    return MeshTool(name, gripper(name).digest, turn, float(rng.random()))


def posed(tool: MeshTool, robot: Robot, T_world_link: NDArray[np.float64]) -> spec.OtherRobot:
    """Its parts' poses in the world, on a robot whose links are there.

    Raises:
        RobotError: there is no such tool, or its file is another one than when it was drawn.
    """
    made, flange = gripper(tool.name), body(robot).flange
    if made.digest != tool.digest:
        raise RobotError(
            f"mesh file {tool.name} has digest {made.digest}; the image shows one of {tool.digest}"
        )
    if flange is None:
        raise RobotError(f"robot {robot.name} has no flange for tool {tool.name}")
    T = np.eye(4)
    cosine, sine = math.cos(tool.turn), math.sin(tool.turn)
    T[:2, :2] = [[cosine, -sine], [sine, cosine]]
    at = T_world_link[flange.link] @ flange.T_link_flange @ T
    return spec.OtherRobot(tool.name, made.posed(at, tool.opening))


def models(names: tuple[str, ...]) -> dict[str, spec.RobotModel]:
    """What is seen of all these tools, by name.

    Raises:
        RobotError: one cannot be used.
    """
    return {name: gripper(name).model for name in tool_names(names)}


def stands_for(entries: tuple[str, ...], name: str) -> bool:
    """Whether a list of tools may mean this one; asks for no files."""
    return name in entries or any(str(Path(name).parent) == str(Path(e)) for e in entries)
