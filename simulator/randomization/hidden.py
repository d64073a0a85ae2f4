"""All hidden variables of one image, drawn by a counter-based generator.

Every draw of sample `index` of `worker` comes from Philox keyed by (seed, worker) and counted by
(split, part, index): the same and the same prior give the same hidden variables, in any process
and in any order, and a part that draws more does not shift the others.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, TypeVar

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from blender_scenes import lens, spec
from jointloop.common.draws import random_source
from simulator.randomization import draw_parts, draw_pictures
from simulator.randomization.assignment import SPLITS, Assignment, Split
from simulator.randomization.dress import draw_dress
from simulator.randomization.mesh_tools import MeshTool, draw_mesh_tool
from simulator.randomization.mesh_tools import posed as posed_tool
from simulator.randomization.others import Other, bones, draw_others, posed
from simulator.randomization.poses import draw_pose
from simulator.randomization.primitives import triple
from simulator.randomization.scenery import draw_scenery
from simulator.randomization.settings import SampleSettings
from simulator.randomization.variety import CameraVariety, Variety
from simulator.randomization.views import View, camera
from simulator.robot import MAX_JOINTS, Robot

PARTS = (
    "joints",
    "camera",
    "sun",
    "environment",
    "materials",
    "background",
    "render",
    "dirichlet",
    "lens",
    "sensor",
    "stand",
    "props",
    "others",
    "poses",
    "dress",
    "held",
    "lamps",
    "film",
    "scenery",
    "mesh tool",
    "wear",
    "stains",
)
"""Append only: a part's place is what its random numbers are counted by."""
LOWEST = 0.05
"""Height of a held camera below which no floor is laid under the robot [m]."""
WEAKER = 0.8
"""Factor on a lens' distortion that would leave a corner of the frame black."""

Lit = TypeVar("Lit", spec.Sun, spec.Environment)


def generator(
    seed: int, worker: int, index: int, part: str, split: Split = "train"
) -> np.random.Generator:
    """The random source of one part of one sample; no training sample repeats a held-out one."""
    return random_source(seed, worker, SPLITS.index(split), PARTS.index(part), index)


@dataclass(frozen=True)
class Provenance:
    """Where a sample came from; with the prior, enough to make it again."""

    worker: int
    index: int
    """Counts the samples of one worker from 0."""
    seed: int
    prior_version: int
    split: Split
    """Held-out samples come from the same distribution as training samples, by other numbers."""
    tries: Annotated[int, Meta(ge=1)] = 1
    """Poses drawn until one was free of collisions, or as many as were allowed."""
    free: bool | None = None
    """Whether the pose is free of collisions; None where nobody asked."""
    row: int | None = None
    """Of the log of expected poses, from 0; None where the pose came from the prior."""


# Lengths are bounded where they stand: the wire reads what strangers send.
Angles = Annotated[tuple[spec.Finite, ...], Meta(max_length=MAX_JOINTS)]
Bins = Annotated[tuple[int, ...], Meta(max_length=MAX_JOINTS)]
Slots = Annotated[
    tuple[spec.Material, ...], Meta(min_length=spec.MATERIAL_SLOTS, max_length=spec.MATERIAL_SLOTS)
]
Props = Annotated[tuple[spec.Prop, ...], Meta(max_length=spec.MAX_PROPS)]
Others = Annotated[tuple[Other, ...], Meta(max_length=spec.MAX_OTHERS)]
Lamps = Annotated[tuple[spec.Sun, ...], Meta(max_length=spec.MAX_LAMPS)]


@dataclass(frozen=True)
class Hidden:
    """Everything drawn for one image."""

    q: Angles
    """(D,) joint angles [rad]."""
    bins: Bins
    """(D,) bin of each angle."""
    view: View
    sun: spec.Sun
    environment: spec.Environment
    exposure: spec.Finite
    """Stops."""
    materials: Slots
    background: spec.Background
    stand: spec.Stand
    props: Props
    others: Others
    sensor: spec.Sensor
    noise_seed: Annotated[int, Meta(ge=0, lt=2**31)]
    """Of the renderer's sampling noise."""
    provenance: Provenance
    lamps: Lamps = ()
    film: spec.Film = spec.NO_FILM
    tool: MeshTool | None = None
    """At the flange, in place of one made of primitives."""
    wear: spec.Wear = spec.NO_WEAR
    """Of the robot."""
    stains: spec.Wear = spec.NO_WEAR
    """Of all that stands around."""


def draw(
    robot: Robot,
    settings: SampleSettings,
    assignment: Assignment,
    worker: int,
    index: int,
    photos: Sequence[str] = (),
) -> Hidden:
    """Draw all hidden variables of sample `index` of `worker`.

    Args:
        robot: the settings' robot.
        settings: seed and variety.
        assignment: the prior of the joint angles, and which split the sample belongs to.
        worker: its id.
        index: counts its samples from 0.
        photos: names of the user's background pictures.
    """
    prior, seed, variety = assignment.prior, settings.seed, settings.variety

    def source(part: str) -> np.random.Generator:
        return generator(seed, worker, index, part, assignment.split)

    def shared() -> np.random.Generator | None:
        one = settings.one_draw_per_prior
        return generator(seed, worker, prior.version, "dirichlet") if one else None

    pose = draw_pose(variety.poses, robot, assignment, source("joints"), source("poses"), shared)
    T_world_link = robot.forward(pose.q)
    keypoints = robot.keypoints_world(T_world_link)
    view = _draw_view(robot, keypoints, settings, source)
    seen_by = camera(view, settings.width, settings.height)
    others = draw_others(variety.distractors, robot, seen_by, source("others"))
    light = source("environment")
    lamps, shade = draw_pictures.draw_lamps(variety.light.lamps, view.azimuth, source("lamps"))
    tool = _draw_tool(variety, robot, source("mesh tool"))
    return Hidden(
        q=tuple(pose.q.tolist()),
        bins=tuple(pose.bins.tolist()),
        view=view,
        sun=_shaded(draw_parts.draw_sun(variety.light, source("sun")), shade),
        environment=_shaded(draw_parts.draw_environment(variety.light, light), shade),
        exposure=draw_parts.number(light, variety.light.exposure),
        materials=draw_parts.draw_materials(variety.materials, source("materials")),
        background=draw_parts.draw_background(
            variety.background, photos, assignment.split == "heldout", source("background")
        ),
        stand=_draw_stand(variety, robot, keypoints, seen_by, source("stand")),
        props=_draw_props(variety, robot, T_world_link, others, seen_by, source, tool is not None),
        others=others,
        sensor=draw_parts.draw_sensor(variety.sensor, source("sensor")),
        noise_seed=int(source("render").integers(2**31)),
        provenance=Provenance(worker, index, seed, prior.version, assignment.split, *pose[2:]),
        lamps=lamps,
        film=draw_pictures.draw_film(variety.film, source("film")),
        tool=tool,
        wear=draw_parts.draw_wear(variety.wear, source("wear")),
        stains=draw_parts.draw_wear(variety.stains, source("stains")),
    )


def _shaded(lit: Lit, shade: float) -> Lit:
    """A light of a share of its strength."""
    return replace(lit, strength=shade * lit.strength)


def _draw_tool(variety: Variety, robot: Robot, rng: np.random.Generator) -> MeshTool | None:
    dress = variety.dress
    return dress and draw_mesh_tool(dress.tool_mesh, dress.mesh_share, robot, rng)


def _draw_stand(
    variety: Variety,
    robot: Robot,
    keypoints: NDArray[np.float64],
    seen_by: spec.Camera,
    rng: np.random.Generator,
) -> spec.Stand:
    """Under the robot where no scenery is; no floor over a camera that people hold."""
    if variety.scenery is not None:
        return spec.NO_STAND
    stand = draw_parts.draw_stand(variety.distractors, robot, keypoints, rng)
    held = variety.camera.held is not None
    buried = held and stand.kind == "floor" and seen_by.T_world_camera[2, 3] < LOWEST
    return spec.NO_STAND if buried else stand


def _draw_props(
    variety: Variety,
    robot: Robot,
    T_world_link: NDArray[np.float64],
    others: Sequence[Other],
    seen_by: spec.Camera,
    source: Callable[[str], np.random.Generator],
    carries: bool,
) -> tuple[spec.Prop, ...]:
    """Loose primitives, what the robot wears, and in the room that these leave the scenery."""
    keypoints, eye = robot.keypoints_world(T_world_link), seen_by.T_world_camera[:3, 3]
    props = draw_parts.draw_props(variety.distractors, robot, keypoints, eye, source("props"))
    props += draw_dress(variety.dress, robot, T_world_link, source("dress"), carries)
    props = props[: spec.MAX_PROPS]  # details come last
    room = spec.MAX_PROPS - len(props)
    skeletons = [bones(other) for other in others]
    return props + draw_scenery(
        variety.scenery, robot, keypoints, skeletons, seen_by, room, source("scenery")
    )


def _draw_view(
    robot: Robot,
    keypoints: NDArray[np.float64],
    settings: SampleSettings,
    source: Callable[[str], np.random.Generator],
) -> View:
    """Where the camera stands: held by somebody, or anywhere."""
    variety, size = settings.variety.camera, (settings.width, settings.height)
    points = np.vstack([keypoints, np.zeros(3)])  # the base belongs in the picture
    view = _anywhere(robot, points, variety, source("camera"), source("lens"))
    if variety.held is not None:
        view = draw_pictures.draw_held(
            variety.held, view, points, robot.reach, size, source("held")
        )
    return _covering(view, *size)


def _anywhere(
    robot: Robot,
    points: NDArray[np.float64],
    variety: CameraVariety,
    rng: np.random.Generator,
    lens_rng: np.random.Generator,
) -> View:
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    radius = max(float(np.linalg.norm(points - centre, axis=1).max()), 0.3 * robot.reach)
    focal = draw_parts.number(rng, variety.focal)
    fitting = radius * math.sqrt(1 + 4 * focal**2)  # the sphere touches the frame's upper edge
    look_at = centre + rng.uniform(*variety.look_at, 3) * robot.reach
    return View(
        distance=fitting * draw_parts.number(rng, variety.framing),
        azimuth=draw_parts.number(rng, variety.azimuth),
        elevation=draw_parts.number(rng, variety.elevation),
        roll=draw_parts.number(rng, variety.roll),
        look_at=triple(look_at),
        focal=focal,
        distortion=draw_parts.draw_distortion(variety, lens_rng),
    )


def _covering(view: View, width: int, height: int) -> View:
    """The view, its lens weakened until it shows something at every pixel."""
    while not lens.covers(camera(view, width, height)):
        k1, k2, p1, p2, k3 = (WEAKER * c for c in view.distortion)
        view = replace(view, distortion=(k1, k2, p1, p2, k3))
    return view


def frame(robot: Robot, hidden: Hidden, width: int, height: int) -> spec.Frame:
    """What a scene needs to show the hidden variables."""
    T_world_link = robot.forward(hidden.q)
    others = tuple(posed(other) for other in hidden.others)
    if hidden.tool is not None:
        others += (posed_tool(hidden.tool, robot, T_world_link),)
    return spec.Frame(
        T_world_link=T_world_link,
        camera=camera(hidden.view, width, height),
        sun=hidden.sun,
        environment=hidden.environment,
        exposure=hidden.exposure,
        materials=hidden.materials,
        background=hidden.background,
        stand=hidden.stand,
        props=hidden.props,
        others=others,
        sensor=hidden.sensor,
        lamps=hidden.lamps,
        film=hidden.film,
        wear=hidden.wear,
        stains=hidden.stains,
        seed=hidden.noise_seed,
    )
