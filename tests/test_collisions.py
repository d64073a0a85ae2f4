"""Capsules hold what they are about, and tell poses that pass through floor or robot."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from blender_scenes.spec import RobotModel, Visual
from simulator.robot import Robot, RobotError
from simulator.robot.capsules import Capsule, capsules
from simulator.robot.collisions import Collisions, collisions, segment_distance
from simulator.robot.surfaces import Surface, surfaces

UPRIGHT = [0, -np.pi / 2, 0, -np.pi / 2, 0, 0]
NUMBERS = st.floats(-2, 2)


def outside(capsule: Capsule, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) how far points (N, 3) lie outside a capsule [m]."""
    dots = np.stack([points, points], axis=1)
    return segment_distance(dots, np.broadcast_to(capsule.ends, dots.shape)) - capsule.radius


def model_of(visual: Visual) -> RobotModel:
    return RobotModel("one", ("link",), (-1,), (visual,))


@given(arrays(float, (2, 2, 3), elements=NUMBERS))
@hypothesis_settings(deadline=None)
def test_the_distance_of_segments_is_the_least_of_their_points(both) -> None:
    share = np.linspace(0, 1, 101)[:, None]
    one, other = (a + share * (b - a) for a, b in both)
    sampled = np.linalg.norm(one[:, None] - other[None], axis=-1).min()
    exact = segment_distance(both[0], both[1])
    assert exact <= sampled + 1e-9
    assert sampled - exact < 0.08  # neighbours among the sampled points are up to 0.07 apart
    assert segment_distance(both[1], both[0]) == pytest.approx(exact, abs=1e-6)


@given(arrays(float, (12, 3, 3), elements=NUMBERS))
@hypothesis_settings(max_examples=25, deadline=None)
def test_every_triangle_lies_within_a_capsule(faces) -> None:
    surface = Surface(faces.reshape(-1, 3), np.arange(36).reshape(-1, 3))
    far = np.stack([outside(c, surface.vertices) for c in capsules(surface)], axis=1)
    assert (far[surface.triangles].max(axis=1).min(axis=1) < 1e-7).all()


def test_capsules_of_a_robot_hold_its_meshes_closely(ur10: Robot) -> None:
    for link, surface in surfaces(ur10.model).items():
        fitted = capsules(surface)
        used = surface.vertices[np.unique(surface.triangles)]
        far = np.min([outside(capsule, used) for capsule in fitted], axis=0)
        assert far.max() < 1e-7
        low = np.min([c.ends.min(axis=0) - c.radius for c in fitted], axis=0)
        high = np.max([c.ends.max(axis=0) + c.radius for c in fitted], axis=0)
        over = np.maximum(used.min(axis=0) - low, high - used.max(axis=0))
        assert over.max() < (0.04 if ur10.bodies[link] else 0.08)  # the base is a flat plate


@pytest.mark.parametrize("kind", [".stl", ".obj", ".ply"])
def test_mesh_files_are_read_in_the_links_axes(tmp_path: Path, kind: str) -> None:
    box = trimesh.creation.box((0.2, 0.4, 0.6))
    box.apply_translation((1, 0, 0))
    box.export(tmp_path / f"box{kind}")
    T = np.eye(4)
    T[2, 3] = 5
    visual = Visual(0, T, tmp_path / f"box{kind}", (1.0, 2.0, 1.0))
    seen = surfaces(model_of(visual))[0]
    np.testing.assert_allclose(seen.vertices.min(axis=0), [0.9, -0.4, 4.7], atol=1e-5)
    np.testing.assert_allclose(seen.vertices.max(axis=0), [1.1, 0.4, 5.3], atol=1e-5)
    assert len(seen.triangles) == 12


@pytest.mark.parametrize(
    ("primitive", "half"),
    [
        (("box", (0.2, 0.4, 0.6)), (0.1, 0.2, 0.3)),
        (("cylinder", (0.1, 0.6)), (0.1, 0.1, 0.3)),
        (("sphere", (0.3,)), (0.3, 0.3, 0.3)),
    ],
    ids=["box", "cylinder", "sphere"],
)
def test_shapes_have_their_size(primitive, half) -> None:
    seen = surfaces(model_of(Visual(0, np.eye(4), primitive=primitive)))[0]
    np.testing.assert_allclose(seen.vertices.max(axis=0), half, rtol=0.02)


@pytest.mark.parametrize("name", ["cut.stl", "text.obj", "text.ply", "text.dae", "box.step"])
def test_a_mesh_that_cannot_be_read_is_named_in_a_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("no mesh " * 20)
    with pytest.raises(RobotError, match=name) as caught:
        surfaces(model_of(Visual(0, np.eye(4), path)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("q", "floor", "free"),
    [
        (UPRIGHT, True, True),
        ([0, -np.pi / 4, 0, 0, 0, 0], True, True),
        ([0, np.pi / 4, 0, 0, 0, 0], True, False),  # down, through the floor
        ([0, np.pi / 4, 0, 0, 0, 0], False, True),
        ([0, -np.pi / 2, np.pi, 0, 0, 0], True, False),  # folded onto itself
        ([0, -np.pi / 2, np.pi * 0.95, 0, 0, 0], False, False),
    ],
)
def test_the_ur10_collides_where_one_would_think(
    ur10: Robot, q: list[float], floor: bool, free: bool
) -> None:
    assert bool(collisions(ur10).free(q, floor)) is free


def test_no_mesh_of_a_free_pose_reaches_under_the_floor(ur10: Robot) -> None:
    shapes = collisions(ur10)
    poses = np.random.default_rng(3).uniform(ur10.lower, ur10.upper, (300, 6))
    seen, bodies = surfaces(ur10.model), ur10.bodies
    T = ur10.forward(poses)
    lowest = np.min(
        [
            (T[:, link, 2, :3] @ surface.vertices.T + T[:, link, 2, 3:]).min(axis=1)
            for link, surface in seen.items()
            if bodies[link]
        ],
        axis=0,
    )
    free = shapes.free(poses)
    assert (lowest[free] >= -shapes.slack - 1e-9).all()
    # What is refused beside is refused for the robot itself, or by little.
    only_floor = ~free & shapes.free(poses, floor=False)
    assert (lowest[only_floor] < 0.02).all()


def test_bodies_that_a_joint_holds_together_are_not_looked_at(ur10: Robot) -> None:
    shapes = collisions(ur10)
    bodies = np.array(ur10.bodies)[shapes.links]
    pairs = {tuple(sorted(pair)) for pair in bodies[shapes.pairs].tolist()}
    assert all(other - one > 1 for one, other in pairs)  # the bodies of an arm are a chain


@pytest.mark.parametrize("name", ["ur3", "ur5", "ur10", "panda", "baxter"])
def test_every_known_robot_has_poses_of_both_kinds(name: str) -> None:
    robot = Robot.named(name)
    poses = np.random.default_rng(0).uniform(robot.lower, robot.upper, (400, robot.lower.size))
    assert 0.2 < collisions(robot).free(poses).mean() < 0.95


def test_poses_are_judged_alike_alone_and_together(ur10: Robot) -> None:
    shapes = collisions(ur10)
    poses = np.random.default_rng(1).uniform(ur10.lower, ur10.upper, (2, 5, 6))
    together = shapes.depth(poses)
    assert together.shape == (2, 5)
    alone = [[float(shapes.depth(q)) for q in row] for row in poses]
    np.testing.assert_allclose(together, alone, atol=1e-12)


def test_what_could_overlap_with_nothing_is_free(ur10: Robot) -> None:
    none = np.empty(0, np.int64)
    shapes = Collisions(
        ur10, none, np.empty((0, 2, 3)), np.empty(0), none.reshape(0, 2), none, 0.01
    )
    assert shapes.free([UPRIGHT, UPRIGHT]).all()


def test_collisions_take_no_blender() -> None:
    check = (
        "import sys\n"
        "from simulator.robot import Robot\n"
        "from simulator.robot.collisions import collisions\n"
        "collisions(Robot.named('ur5'))\n"
        "print('bpy' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
