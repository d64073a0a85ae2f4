"""What sits on a robot at work: a tool at its flange, cables and hoses, bands, stickers, details.

All of it is primitives in the world, placed on the robot's own surface for the pose that is drawn:
they show, and hide what lies behind them, as all props do.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from blender_scenes import spec
from jointloop.common.hints import Within
from jointloop.common.settings import Checked, Range, Share
from simulator.randomization import cables, tools
from simulator.randomization.details import DetailVariety, draw_details
from simulator.randomization.primitives import Paint, aim, triple
from simulator.robot import Robot
from simulator.robot.surface import Body, Skin, body

Poses = NDArray[np.float64]
"""(L, 4, 4) T_world_link."""
MOST_CABLES = 4
MOST_PATCHES = 8
"""Bands, or stickers, in one image."""
FLOOR = 0.01
"""A robot that reaches no lower stands on something that cables lie on [m]."""
CLOSE = 0.08
"""Between two places that hold cables, at least [reaches]."""
LONG = 0.15
"""A tube along which cables are held at two places [reaches]."""
STICKER = 0.0015
"""Thickness of a sticker [m]."""
FLAT = 0.0015
"""How far a sticker's surroundings may lie before its middle [m]."""


@dataclass(frozen=True)
class DressVariety(Checked, where="variety.dress", later=("details", "tool_mesh", "mesh_share")):
    """What sits on the robot: tools, cables, bands, stickers."""

    tools: Share = 0.8
    """Share of images with a tool at the flange; robots that bring fingers keep them."""
    tool_size: Annotated[Range, Within(0.1, 10)] = (0.8, 1.3)
    """Factor on tools that fit the flange."""
    tool_mesh: tuple[str, ...] = ()
    """Tools that are meshes: panda-hand, talos-gripper, pal-pro-gripper, z1-gripper, or paths of
    mesh files or folders of them: metres, +z out of the robot, z = 0 at the flange."""
    mesh_share: Share = 0.4
    """Share of images with one of them, in place of what is made of primitives."""
    cables: Share = 0.6
    """Share of images with cables along the robot."""
    most_cables: Annotated[int, Meta(ge=1, le=MOST_CABLES)] = 3
    """Most cables in one image."""
    thickness: Annotated[Range, Within(1e-3, 0.1)] = (0.004, 0.012)
    """Of cables [m]."""
    sag: Annotated[Range, Within(0, 2)] = (0.02, 0.4)
    """How far cables hang through, over the distance between the places that hold them."""
    bands: Share = 0.6
    """Share of images with bands around the robot's tubes."""
    decals: Share = 0.6
    """Share of images with stickers on the robot."""
    most_patches: Annotated[int, Meta(ge=1, le=MOST_PATCHES)] = 3
    """Most bands, and most stickers, in one image."""
    details: DetailVariety | None = None
    """Gaps and clamps between the robot's parts, bolts, print: what its meshes leave out."""


def draw_dress(
    variety: DressVariety | None,
    robot: Robot,
    T_world_link: Poses,
    rng: np.random.Generator,
    carries: bool = False,
) -> tuple[spec.Prop, ...]:
    """Everything on the robot, in the world.

    Args:
        variety: shares and ranges; None draws none.
        robot: whose surface carries it.
        T_world_link: (L, 4, 4) poses of its links.
        rng: random source.
        carries: whether the flange has a tool already.
    """
    if variety is None:
        return ()
    own = body(robot)
    tool, cable, band, decal = rng.random(4) < (
        variety.tools,
        variety.cables,
        variety.bands,
        variety.decals,
    )
    made: list[spec.Prop] = []
    if tool and not carries:
        made += _tool(variety, own, T_world_link, rng)
    if cable:
        made += _cables(variety, robot, own, T_world_link, rng)
    count = variety.most_patches + 1
    if band and own.tubes:
        made += [_band(own, T_world_link, rng) for _ in range(int(rng.integers(1, count)))]
    stickers: list[spec.Prop] = []
    if decal and own.skins:
        stickers = [_decal(own, T_world_link, rng) for _ in range(int(rng.integers(1, count)))]
    details = draw_details(variety.details, robot, T_world_link, stickers, rng)
    return (*made, *stickers, *details)


def _tool(
    variety: DressVariety, own: Body, T_world_link: Poses, rng: np.random.Generator
) -> list[spec.Prop]:
    pieces, size = tools.draw_tool(rng), float(rng.uniform(*variety.tool_size))
    turn = float(rng.uniform(-math.pi, math.pi))
    if own.flange is None:
        return []
    T = np.eye(4)
    cosine, sine = math.cos(turn), math.sin(turn)
    T[:2, :2] = [[cosine, -sine], [sine, cosine]]
    T_world_flange = T_world_link[own.flange.link] @ own.flange.T_link_flange @ T
    return tools.props(pieces, T_world_flange, own.flange.radius * size)


def _cables(
    variety: DressVariety, robot: Robot, own: Body, T_world_link: Poses, rng: np.random.Generator
) -> list[spec.Prop]:
    """A bundle that takes one route, each cable hanging through by its own measure."""
    route = _route(robot, own, T_world_link, rng)
    if len(route) < 2:
        return []
    made = []
    level = T_world_link[:, 2, 3].min() > -FLOOR
    for hold in route[1:-1]:
        if hold.radius:
            made.append(_ring(hold.place - hold.radius * hold.out, hold.along, hold.radius, rng))
    for _ in range(int(rng.integers(1, variety.most_cables + 1))):
        thick, paint = float(rng.uniform(*variety.thickness)), _sheath(rng)
        gaps = [float(np.linalg.norm(b.place - a.place)) for a, b in itertools.pairwise(route)]
        sags = [gap * float(rng.uniform(*variety.sag)) for gap in gaps]
        held = [
            cables.Hold(h.place + rng.normal(0, thick, 3), h.out, h.along, h.radius, h.link)
            for h in route
        ]
        points = cables.curve(held, sags, thick / 2)
        if level:
            points[:, 2] = np.maximum(points[:, 2], thick / 2)
        made += cables.pieces(points, thick, paint)
    return made


def _route(
    robot: Robot, own: Body, T_world_link: Poses, rng: np.random.Generator
) -> list[cables.Hold]:
    """Places that a bundle passes from the base outwards, each on the side of the one before."""
    side = rng.normal(size=3)
    side[2] = -0.3
    route: list[cables.Hold] = []
    base = T_world_link[own.links[0]][:3, 3]
    away = side * [1, 1, 0] / max(float(np.linalg.norm(side[:2])), 1e-6)
    far = rng.uniform(1.2, 2.5) if rng.random() < 0.25 else rng.uniform(0.07, 0.12)
    start = base + far * robot.reach * away + [0.0, 0.0, 0.02 * robot.reach]
    route.append(cables.Hold(start, np.array([0.0, 0.0, 1.0]), away))
    for link in own.skins:
        for hold in _holds(own, link, T_world_link, side, robot.reach, rng):
            if np.linalg.norm(hold.place - route[-1].place) > CLOSE * robot.reach:
                route.append(hold)
                side = hold.out + rng.normal(0, 0.3, 3)
    if own.flange is not None:
        T = T_world_link[own.flange.link] @ own.flange.T_link_flange
        z, out = T[:3, 2], side - (side @ T[:3, 2]) * T[:3, 2]
        out = out / max(float(np.linalg.norm(out)), 1e-6)
        height = float(rng.uniform(0.0, 1.5)) * own.flange.radius
        place = T[:3, 3] + height * z + own.flange.radius * out
        route.append(cables.Hold(place, out, z))
    elif own.skins:
        route.append(_outmost(own, max(own.skins), T_world_link, side))
    return route


def _holds(
    own: Body,
    link: int,
    T_world_link: Poses,
    side: NDArray[np.float64],
    reach: float,
    rng: np.random.Generator,
) -> list[cables.Hold]:
    """Places on one link: often two on a long tube, else now and then one."""
    tube = next((tube for tube in own.tubes if tube.link == link), None)
    shares, chances = rng.uniform((0.05, 0.6), (0.4, 0.95)), rng.random(2)
    if tube is None:
        hold = _outmost(own, link, T_world_link, side)
        return [hold] if chances[0] < 0.35 else []
    kept = chances < ((0.75, 0.75) if tube.length > LONG * reach else (0.3, 0.0))
    return [cables.beside(tube, float(s), T_world_link[link], side) for s in shares[kept]]


def _outmost(own: Body, link: int, T_world_link: Poses, side: NDArray[np.float64]) -> cables.Hold:
    """The place on a link that lies farthest in a direction of the world."""
    out, T = side / np.linalg.norm(side), T_world_link[link]
    points = own.skins[link].points
    place = points[(points @ (out @ T[:3, :3])).argmax()]
    return cables.Hold(T[:3, :3] @ place + T[:3, 3], out, out)


def _band(own: Body, T_world_link: Poses, rng: np.random.Generator) -> spec.Prop:
    """Around any tube, the longer ones rather."""
    lengths = np.array([tube.length for tube in own.tubes])
    tube = own.tubes[int(rng.choice(len(lengths), p=lengths / lengths.sum()))]
    T, share = T_world_link[tube.link], float(rng.uniform(0.05, 0.95))
    place = tube.start + share * (tube.end - tube.start)
    along = T[:3, :3] @ (tube.end - tube.start) / tube.length
    return _ring(T[:3, :3] @ place + T[:3, 3], along, tube.radius, rng)


def _ring(
    place: NDArray[np.float64],
    along: NDArray[np.float64],
    radius: float,
    rng: np.random.Generator,
) -> spec.Prop:
    """A band of black velcro, or of tape, about an axis."""
    wide = 2 * (1.01 * radius + float(rng.uniform(0.001, 0.003)))
    grey = float(rng.uniform(0.005, 0.04) if rng.random() < 0.7 else rng.uniform(0.5, 0.85))
    color = tools.vivid(rng).color if rng.random() < 0.15 else (grey, grey, grey)
    size = (wide, wide, float(rng.uniform(0.008, 0.03)))
    return spec.Prop("cylinder", triple(place), aim(along), size, color, 0.8, 0.0)


def _decal(own: Body, T_world_link: Poses, rng: np.random.Generator) -> spec.Prop:
    """A sticker on a part of the surface that nothing of its link stands out before."""
    links = list(own.skins)
    link = links[int(rng.integers(len(links)))]
    place, normal = _outermost(own.skins[link], rng)
    T = T_world_link[link]
    out = T[:3, :3] @ normal
    turn = tools.turned(out, float(rng.uniform(-math.pi, math.pi)))
    wide, high = (float(n) for n in rng.uniform(0.012, 0.05, 2))
    white = float(rng.uniform(0.6, 0.9))
    kind = float(rng.random())
    color = (white, white, white) if kind < 0.5 else tools.vivid(rng).color
    color = (0.02, 0.02, 0.02) if kind > 0.8 else color
    size = (wide, high, 2 * (STICKER + FLAT))
    return spec.Prop(
        "box", triple(T[:3, :3] @ place + T[:3, 3]), turn, size, color,
        float(rng.uniform(0.2, 0.7)), 0.0,
    )  # fmt: skip


def _outermost(
    skin: Skin, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A point on a skin, and its outward normal, before which the skin has nothing."""
    centre = skin.points.mean(axis=0)
    for i in rng.integers(len(skin.points), size=40):
        place, normal = skin.points[i], skin.normals[i]
        normal = -normal if normal @ (place - centre) < 0 else normal
        if ((skin.points - place) @ normal).max() < FLAT:
            break
    else:
        i = int((skin.points - centre).dot(rng.normal(size=3)).argmax())
        place, normal = skin.points[i], skin.normals[i]
    return place, normal


def _sheath(rng: np.random.Generator) -> Paint:
    """Of a cable or hose: black mostly, grey, teal, or another colour."""
    kind, grey = float(rng.random()), float(rng.uniform(0.005, 0.03))
    light = float(rng.uniform(0.15, 0.6))
    teal = (0.01, float(rng.uniform(0.1, 0.3)), float(rng.uniform(0.1, 0.3)))
    color = (grey, grey, grey) if kind < 0.55 else (light, light, light)
    color = teal if kind > 0.7 else color
    color = tools.vivid(rng).color if kind > 0.85 else color
    return Paint(color, float(rng.uniform(0.25, 0.7)))
