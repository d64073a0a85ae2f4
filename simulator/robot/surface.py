"""What a robot's surface is like, from its meshes without Blender: points on it, tubes, the flange.

Rings sit around tubes, cables run along them, tools hang at the flange. All of it is found from the
geometry, so it holds for any robot; a link whose meshes cannot be read has none of it.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from blender_scenes.spec import RobotModel, Visual
from simulator.robot.errors import RobotError
from simulator.robot.robot import Robot
from simulator.robot.surfaces import read_mesh

POINTS = 6000
"""Sampled on each link."""
SLICES = 32
"""That a link is cut into, to find its tubes."""
SHORTEST = 0.05
"""Least length of a tube [reaches]."""


@dataclass(frozen=True, eq=False)
class Skin:
    """Points spread over a link's surface, in its frame."""

    points: NDArray[np.float64]
    """(N, 3) [m]."""
    normals: NDArray[np.float64]
    """(N, 3) unit vectors; outwards as far as the mesh file says so."""


@dataclass(frozen=True, eq=False)
class Tube:
    """A round stretch of a link, in its frame."""

    link: int
    start: NDArray[np.float64]
    """(3,) on its axis [m]."""
    end: NDArray[np.float64]
    radius: float

    @property
    def length(self) -> float:
        """[m]."""
        return float(np.linalg.norm(self.end - self.start))


@dataclass(frozen=True, eq=False)
class Flange:
    """Where a tool is screwed on."""

    link: int
    T_link_flange: NDArray[np.float64]
    """(4, 4); +z points out of the robot."""
    radius: float


@dataclass(frozen=True, eq=False)
class Body:
    """The arm that ends at a robot's last keypoint."""

    links: tuple[int, ...]
    """From the root outwards."""
    skins: dict[int, Skin]
    """By index of the link."""
    tubes: tuple[Tube, ...]
    """From the base outwards, one a link at most."""
    flange: Flange | None
    """None where the robot brings fingers, or nothing moves its last keypoint."""


@cache
def body(robot: Robot) -> Body:
    """The surface of the arm up to a robot's last keypoint."""
    links = _arm(robot)
    skins = {link: skin for link in links if (skin := _skin(robot.model, link)) is not None}
    least = SHORTEST * robot.reach
    found = (_tube(link, skin.points, least) for link, skin in skins.items())
    tubes = tuple(tube for tube in found if tube is not None)
    return Body(tuple(links), skins, tubes, _flange(robot, skins))


def _arm(robot: Robot) -> list[int]:
    """The links from the root to the last keypoint's, and those fixed to it."""
    link = robot.keypoints[-1].link
    arm = []
    while link >= 0:
        arm.append(link)
        link = robot.model.parents[link]
    arm.reverse()
    still = {joint.child: joint.parent for joint in robot.joints if joint.angle is None}
    for child, parent in still.items():
        if child not in arm and parent == arm[-1]:
            arm.append(child)
    return arm


def _skin(model: RobotModel, link: int) -> Skin | None:
    visuals = [visual for visual in model.visuals if visual.link == link]
    corners = np.concatenate([np.zeros((0, 3, 3)), *(_triangles(visual) for visual in visuals)])
    crosses = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = np.linalg.norm(crosses, axis=1)
    if not areas.sum() > 0:
        return None
    rng = np.random.default_rng(link)
    chosen = rng.choice(len(areas), POINTS, p=areas / areas.sum())
    shares = rng.dirichlet(np.ones(3), POINTS)
    points = np.einsum("nk,nkd->nd", shares, corners[chosen])
    return Skin(points, crosses[chosen] / areas[chosen, None])


def _triangles(visual: Visual) -> NDArray[np.float64]:
    """(T, 3, 3) corners in the link's frame [m]; none where its mesh cannot be read."""
    try:
        own = _primitive(visual) if visual.mesh is None else read_mesh(visual.mesh)
    except RobotError:  # who draws the robot names the fault
        return np.zeros((0, 3, 3))
    A = visual.T_link_visual[:3, :3] * np.asarray(visual.scale)
    return own @ A.T + visual.T_link_visual[:3, 3]


def _primitive(visual: Visual) -> NDArray[np.float64]:
    """A primitive's surface; round ones have 24 sides, and cylinders no ends."""
    kind, size = visual.primitive or ("box", (0.0, 0.0, 0.0))
    if kind == "box":
        grid = np.array(np.meshgrid(*[[-0.5, 0.5]] * 3)).reshape(3, -1).T * size
        faces = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
        return np.array([[grid[f[i]] for i in (0, j, j + 1)] for f in faces for j in (1, 2)])
    half = size[1] / 2 if kind == "cylinder" else size[0]
    rows = np.linspace(-half, half, 13)
    bulge = 0 if kind == "cylinder" else 1
    widths = np.sqrt(np.maximum(size[0] ** 2 - bulge * rows**2, 0)).astype(np.float64)
    angle = np.arange(25) * 2 * np.pi / 24
    x, y = widths[:, None] * np.cos(angle), widths[:, None] * np.sin(angle)
    rings = np.stack([x, y, np.broadcast_to(rows[:, None], x.shape)], axis=-1)
    a, b, c, d = rings[:-1, :-1], rings[:-1, 1:], rings[1:, 1:], rings[1:, :-1]
    return np.concatenate([np.stack(t, axis=2).reshape(-1, 3, 3) for t in ((a, b, c), (a, c, d))])


def _tube(link: int, points: NDArray[np.float64], least: float) -> Tube | None:
    """The longest round stretch along an axis of the link's frame, at least so long [m]."""
    stretches = [_stretch(link, points, axis) for axis in range(3)]
    longest = max((tube for tube in stretches if tube), key=lambda t: t.length, default=None)
    return longest if longest is not None and longest.length >= least else None


def _stretch(link: int, points: NDArray[np.float64], axis: int) -> Tube | None:
    across = [a for a in range(3) if a != axis]
    along = points[:, axis]
    edges = np.linspace(along.min(), along.max(), SLICES + 1)
    place = np.clip(np.searchsorted(edges, along) - 1, 0, SLICES - 1)
    runs: list[list[tuple[int, NDArray[np.float64], float]]] = [[]]
    for i in range(SLICES):
        own = points[place == i][:, across]
        if len(own) < 12:
            runs.append([])
            continue
        low, high = own.min(axis=0), own.max(axis=0)
        centre, (a, b) = (low + high) / 2, (high - low) / 2
        radius = (a + b) / 2
        if runs[-1]:
            _, before, usual = runs[-1][0]
            if abs(radius - usual) > 0.15 * usual or np.abs(centre - before).max() > 0.15 * usual:
                runs.append([])
        if abs(a - b) < 0.15 * radius:
            runs[-1].append((i, centre, radius))
        else:
            runs.append([])
    run = max(runs, key=len)
    if not run:
        return None
    ends = np.zeros((2, 3))
    ends[:, across] = np.median([centre for _, centre, _ in run], axis=0)
    ends[:, axis] = edges[run[0][0]], edges[run[-1][0] + 1]
    return Tube(link, ends[0], ends[1], float(np.median([radius for *_, radius in run])))


def _flange(robot: Robot, skins: dict[int, Skin]) -> Flange | None:
    moving = {joint.child: joint for joint in robot.joints if joint.angle is not None}
    link = robot.keypoints[-1].link
    fixed = [link]
    while link >= 0 and link not in moving:
        link = robot.model.parents[link]
        fixed.append(link)
    if link < 0:
        return None
    loose = {
        j.child: j.parent for j in robot.joints if j.angle is not None or j.kind == "prismatic"
    }
    fixed += [j.child for j in robot.joints if j.angle is None and j.parent in fixed]
    if any(parent in fixed for parent in loose.values()):
        return None
    T_world = robot.forward((robot.lower + robot.upper) / 2)
    T_link_world = np.linalg.inv(T_world[link])
    axis = np.asarray(moving[link].axis, np.float64)
    tip = (T_link_world @ T_world[robot.keypoints[-1].link])[:3, 3]
    clouds = [
        (T_link_world @ T_world[other])[:3, :3] @ skins[other].points.T
        + (T_link_world @ T_world[other])[:3, 3:]
        for other in dict.fromkeys(fixed)
        if other in skins
    ]
    points = np.concatenate([tip[:, None], *clouds], axis=1).T
    heights = points @ axis
    lean = float(tip @ axis) or float(heights.mean())
    z = -axis if lean < 0 else axis
    top = float((points @ z).max())
    rim = points[points @ z > top - 0.02 * robot.reach]
    spread = float(np.percentile(np.linalg.norm(rim - np.outer(rim @ z, z), axis=1), 90))
    x = np.linalg.svd(z[None])[2][1]
    T = np.eye(4)
    T[:3, :3] = np.stack([x, np.cross(z, x), z], axis=1)
    T[:3, 3] = top * z
    return Flange(link, T, float(np.clip(spread, 0.015 * robot.reach, 0.05 * robot.reach)))
