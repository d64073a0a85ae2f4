"""All hidden variables of one image, drawn by a counter-based generator.

Every draw of sample `index` of `worker` comes from Philox keyed by (seed, worker) and counted by
(part, index): the same three and the same prior give the same hidden variables, in any process and
in any order, and a part that draws more does not shift the others.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from blender_scenes import spec
from simulator.prior import JointPrior
from simulator.robot import Robot
from simulator.settings import Settings

Split = Literal["train", "heldout"]
PARTS = ("joints", "camera", "sun", "environment", "materials", "background", "render", "dirichlet")


def generator(seed: int, worker: int, index: int, part: str) -> np.random.Generator:
    """The random source of one part of one sample."""
    counter = [0, 0, PARTS.index(part), index]
    return np.random.Generator(np.random.Philox(key=[seed, worker], counter=counter))


@dataclass(frozen=True)
class Provenance:
    """Where a sample came from; with the prior, enough to make it again."""

    worker: int
    index: int
    """Counts the samples of one worker from 0."""
    seed: int
    prior_version: int
    split: Split
    """Training samples and held-out samples are drawn alike but told apart."""


@dataclass(frozen=True)
class View:
    """Where the camera stands and looks."""

    distance: float
    """From the look-at point [m]."""
    azimuth: float
    """Of the camera, about +z [rad]."""
    elevation: float
    """Above the look-at point's horizon [rad]."""
    roll: float
    """About the viewing axis [rad]."""
    look_at: tuple[float, float, float]
    """In the world [m]."""
    focal: float
    """Focal length over image height."""


@dataclass(frozen=True)
class Hidden:
    """Everything drawn for one image."""

    q: tuple[float, ...]
    """(D,) joint angles [rad]."""
    bins: tuple[int, ...]
    """(D,) bin of each angle."""
    view: View
    sun: spec.Sun
    environment: spec.Environment
    exposure: float
    """Stops."""
    materials: tuple[spec.Material, ...]
    background: spec.Background
    noise_seed: int
    """Of the renderer's sampling noise."""
    provenance: Provenance


Range = tuple[float, float]


@dataclass(frozen=True)
class Variety:
    """Ranges that the hidden variables beside the pose are drawn from, uniformly."""

    framing: Range = (0.75, 1.2)
    """Camera distance over the one at which the pose just fits the image height."""
    azimuth: Range = (-math.pi, math.pi)
    elevation: Range = (math.radians(-5), math.radians(60))
    roll: Range = (math.radians(-8), math.radians(8))
    look_at: Range = (-0.1, 0.1)
    """Offset of the look-at point from the pose's centre, along each axis [robot reaches]."""
    focal: Range = (1.1, 2.0)
    """Focal length over image height."""
    sun_elevation: Range = (math.radians(15), math.radians(85))
    sun_strength: Range = (0.5, 4.0)
    sun_angle: Range = (math.radians(0.5), math.radians(15))
    environment_strength: Range = (0.3, 1.2)
    exposure: Range = (-0.6, 0.6)
    recolored: float = 0.3
    """Share of images whose materials depart from the robot's own colours."""
    roughness: Range = (0.15, 0.8)
    metallic: Range = (0.0, 1.0)
    background_brightness: Range = (0.4, 1.4)


DEFAULT_VARIETY = Variety()


@dataclass(frozen=True)
class Assignment:
    """What a simulator is to draw from now on."""

    prior: JointPrior
    split: Split = "train"


def draw(
    robot: Robot,
    settings: Settings,
    assignment: Assignment,
    worker: int,
    index: int,
    variety: Variety = DEFAULT_VARIETY,
) -> Hidden:
    """Draw all hidden variables of sample `index` of `worker`."""
    prior, seed = assignment.prior, settings.seed

    def source(part: str) -> np.random.Generator:
        return generator(seed, worker, index, part)

    shared = None
    if settings.one_draw_per_prior:
        shared = generator(seed, worker, prior.version, "dirichlet")
    q, bins = prior.sample(source("joints"), shared)
    rng = source("environment")
    environment = spec.Environment(
        hdri=str(rng.choice(spec.HDRIS)),
        rotation=float(rng.uniform(0, 2 * math.pi)),
        strength=float(rng.uniform(*variety.environment_strength)),
    )
    return Hidden(
        q=tuple(q.tolist()),
        bins=tuple(bins.tolist()),
        view=_draw_view(robot, q, variety, source("camera")),
        sun=_draw_sun(variety, source("sun")),
        environment=environment,
        exposure=float(rng.uniform(*variety.exposure)),
        materials=_draw_materials(variety, source("materials")),
        background=_draw_background(variety, source("background")),
        noise_seed=int(source("render").integers(2**31)),
        provenance=Provenance(worker, index, seed, prior.version, assignment.split),
    )


def _draw_view(
    robot: Robot, q: NDArray[np.float64], variety: Variety, rng: np.random.Generator
) -> View:
    points = robot.keypoints_world(robot.forward(q))
    points = np.vstack([points, np.zeros(3)])  # the base belongs in the picture
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    radius = max(float(np.linalg.norm(points - centre, axis=1).max()), 0.3 * robot.reach)
    focal = float(rng.uniform(*variety.focal))
    fitting = radius * math.sqrt(1 + 4 * focal**2)  # the sphere touches the frame's upper edge
    look_at = centre + rng.uniform(*variety.look_at, 3) * robot.reach
    return View(
        distance=float(fitting * rng.uniform(*variety.framing)),
        azimuth=float(rng.uniform(*variety.azimuth)),
        elevation=float(rng.uniform(*variety.elevation)),
        roll=float(rng.uniform(*variety.roll)),
        look_at=(float(look_at[0]), float(look_at[1]), float(look_at[2])),
        focal=focal,
    )


def _draw_sun(variety: Variety, rng: np.random.Generator) -> spec.Sun:
    warmth = float(rng.uniform(0, 0.3))
    return spec.Sun(
        azimuth=float(rng.uniform(-math.pi, math.pi)),
        elevation=float(rng.uniform(*variety.sun_elevation)),
        strength=float(rng.uniform(*variety.sun_strength)),
        angle=float(rng.uniform(*variety.sun_angle)),
        color=(1.0, 1.0 - warmth / 2, 1.0 - warmth),
    )


def _draw_materials(variety: Variety, rng: np.random.Generator) -> tuple[spec.Material, ...]:
    recolored = rng.random() < variety.recolored
    materials = []
    for _ in range(spec.MATERIAL_SLOTS):
        red, green, blue = (float(c) for c in rng.uniform(0, 1, 3))
        mix = float(rng.uniform(0, 1))
        materials.append(
            spec.Material(
                color=(red, green, blue),
                mix=mix if recolored else 0.1 * mix,
                roughness=float(rng.uniform(*variety.roughness)),
                metallic=float(rng.uniform(*variety.metallic)),
            )
        )
    return tuple(materials)


def _draw_background(variety: Variety, rng: np.random.Generator) -> spec.Background:
    return spec.Background(
        image=str(rng.choice(spec.HDRIS)),
        rotation=float(rng.uniform(0, 2 * math.pi)),
        brightness=float(rng.uniform(*variety.background_brightness)),
    )


def camera(view: View, width: int, height: int) -> spec.Camera:
    """The pinhole camera of a view, looking from its place towards its look-at point.

    The principal point is the image centre, ((width - 1) / 2, (height - 1) / 2).
    """
    elevation = (math.cos(view.elevation), math.sin(view.elevation))
    back = np.array(
        [elevation[0] * math.cos(view.azimuth), elevation[0] * math.sin(view.azimuth), elevation[1]]
    )
    right = np.array([-math.sin(view.azimuth), math.cos(view.azimuth), 0.0])
    down = np.cross(-back, right)
    cosine, sine = math.cos(view.roll), math.sin(view.roll)
    T = np.eye(4)
    T[:3, 0] = cosine * right + sine * down
    T[:3, 1] = cosine * down - sine * right
    T[:3, 2] = -back
    T[:3, 3] = np.asarray(view.look_at) + view.distance * back
    f = view.focal * height
    K = np.array([[f, 0, (width - 1) / 2], [0, f, (height - 1) / 2], [0, 0, 1.0]])
    return spec.Camera(width, height, K, T)


def frame(robot: Robot, hidden: Hidden, width: int, height: int) -> spec.Frame:
    """What a scene needs to show the hidden variables."""
    return spec.Frame(
        T_world_link=robot.forward(hidden.q),
        camera=camera(hidden.view, width, height),
        sun=hidden.sun,
        environment=hidden.environment,
        exposure=hidden.exposure,
        materials=hidden.materials,
        background=hidden.background,
        seed=hidden.noise_seed,
    )
