"""Pixels under triangles, and boxes around bodies."""

import numpy as np
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from blender_scenes.outline import Faces, box, covered
from blender_scenes.spec import Camera

NEAR = 0.1
K = np.array([[40.0, 0, 23.5], [0, 45, 15.5], [0, 0, 1]])
CAMERA = Camera(48, 32, K, np.eye(4))


def rays() -> np.ndarray:
    v, u = np.mgrid[:32, :48]
    return np.stack([u, v, np.ones_like(u)], axis=-1).reshape(-1, 3) @ np.linalg.inv(K).T


def meets(corners: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Whether rays from the origin meet a triangle at a depth of at least `NEAR`."""
    weights = np.linalg.solve(corners.T, directions.T)  # of the corners, at depth 1 / their sum
    with np.errstate(divide="ignore"):
        depth = directions[:, 2] / weights.sum(axis=0)
    return (weights >= 0).all(axis=0) & (depth >= NEAR)


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 12), back=st.floats(-1, 3))
@hypothesis_settings(max_examples=100, deadline=None)
def test_a_pixel_is_covered_if_its_ray_meets_a_triangle(seed: int, count: int, back: float):
    rng = np.random.default_rng(seed)
    points = rng.normal((0, 0, back), 1, (3 * count, 3))
    triangles = np.arange(3 * count).reshape(-1, 3)
    expected = np.any([meets(points[t], rays()) for t in triangles], axis=0).reshape(32, 48)
    np.testing.assert_array_equal(covered(CAMERA, points, Faces.of(triangles), NEAR), expected)


@given(seed=st.integers(0, 2**32 - 1))
@hypothesis_settings(max_examples=50, deadline=None)
def test_a_mesh_covers_what_its_triangles_cover(seed: int):
    rng = np.random.default_rng(seed)
    points = rng.normal((0, 0, 3), 0.7, (12, 3))
    triangles = np.array([rng.choice(12, 3, replace=False) for _ in range(30)])
    alone = [covered(CAMERA, points, Faces.of(t[None]), NEAR) for t in triangles]
    together = covered(CAMERA, points, Faces.of(triangles), NEAR)
    np.testing.assert_array_equal(together, np.any(alone, axis=0))


def test_pixels_along_a_shared_edge_belong_to_one_of_both():
    corners = np.array([[-0.4, -0.3, 1], [0.4, -0.3, 1], [0.4, 0.3, 1], [-0.4, 0.3, 1]])
    halves = [
        covered(CAMERA, corners, Faces.of(np.array([t])), NEAR) for t in ([0, 1, 2], [0, 2, 3])
    ]
    assert not (halves[0] & halves[1]).any()
    whole = covered(CAMERA, corners, Faces.of(np.array([[0, 1, 2], [0, 2, 3]])), NEAR)
    np.testing.assert_array_equal(halves[0] | halves[1], whole)
    assert whole.sum() == 32 * 27


@given(seed=st.integers(0, 2**32 - 1), back=st.floats(-1, 3))
@hypothesis_settings(max_examples=100, deadline=None)
def test_the_box_holds_every_covered_pixel(seed: int, back: float):
    rng = np.random.default_rng(seed)
    bodies = [rng.normal(0, 0.3, (4, 3)) + rng.normal((0, 0, back), 0.5) for _ in range(3)]
    faces = np.array([[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]])
    mask = np.any([covered(CAMERA, body, Faces.of(faces), NEAR) for body in bodies], axis=0)
    found = box(CAMERA, bodies, NEAR, margin=0)
    if found is None:
        assert not mask.any()
        return
    x0, y0, x1, y1 = found
    assert 0 <= x0 < x1 <= 48
    assert 0 <= y0 < y1 <= 32
    assert mask[y0:y1, x0:x1].sum() == mask.sum()


def test_the_box_of_a_floor_is_the_part_of_it_that_is_seen():
    corners = np.array([[-9.0, 1, -9], [9, 1, -9], [9, 1, 9], [-9, 1, 9]])
    x0, y0, x1, y1 = box(CAMERA, [corners], NEAR, margin=0)
    assert (x0, x1, y1) == (0, 48, 32)
    assert y0 == np.floor(15.5 + 45 / 9)


def test_what_lies_behind_the_camera_has_no_box():
    assert box(CAMERA, [np.array([[0, 0, -1.0], [1, 0, -2], [0, 1, -3]])], NEAR, 2) is None
    assert box(CAMERA, [], NEAR, 2) is None
