"""Laws of the lens: OpenCV's distortion, its inverse, where it ends, and how it bends pictures."""

import dataclasses

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from blender_scenes.lens import LensError, bend, covers, distort, limit, undistort
from blender_scenes.spec import Camera

PLAIN = (0.0, 0.0, 0.0, 0.0, 0.0)
BARREL = (-0.3, 0.1, 0.002, -0.003, 0.0)
CUSHION = (0.25, 0.05, -0.003, 0.002, 0.01)
DISTORTION = st.tuples(
    st.floats(-0.5, 0.5),
    st.floats(-0.3, 0.3),
    st.floats(-0.01, 0.01),
    st.floats(-0.01, 0.01),
    st.floats(-0.1, 0.1),
)


def _camera(distortion=PLAIN, width=320, height=240, focal=1.2) -> Camera:
    f = focal * height
    K = np.array([[f, 0, (width - 1) / 2], [0, f, (height - 1) / 2], [0, 0, 1.0]])
    return Camera(width, height, K, np.eye(4), distortion)


def _disc(radius: float, count: int = 400) -> np.ndarray:
    """(count, 2) points strewn over a disc, its edge included."""
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, count)
    r = radius * np.sqrt(rng.uniform(0, 1, count))
    r[::4] = radius
    return r[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)


@given(DISTORTION)
def test_distortion_is_opencvs(distortion):
    points = _disc(min(0.99 * limit(distortion), 2.0))
    rays = np.column_stack([points, np.ones(len(points))])
    zero = np.zeros(3)
    expected, _ = cv2.projectPoints(rays, zero, zero, np.eye(3), np.array(distortion))
    np.testing.assert_allclose(distort(_camera(distortion), points), expected[:, 0], atol=1e-12)


@given(DISTORTION)
@settings(deadline=None)
def test_undistorting_undoes_distorting(distortion):
    camera = _camera(distortion)
    points = _disc(min(0.999 * limit(distortion), 2.0))
    np.testing.assert_allclose(undistort(camera, distort(camera, points)), points, atol=1e-8)


@given(DISTORTION)
def test_no_two_rays_within_the_limit_meet(distortion):
    """The Jacobian's symmetric part is positive definite: the map is strictly monotone."""
    points = _disc(min(0.999 * limit(distortion), 5.0))
    a, b = points[::2], points[1::2]
    camera = _camera(distortion)
    between = ((distort(camera, a) - distort(camera, b)) * (a - b)).sum(1)
    assert (between > 0.05 * ((a - b) ** 2).sum(1)).all()


def test_a_ray_beyond_the_limit_is_not_seen_though_the_polynomial_brings_it_back():
    camera = _camera((-0.3, 0.0, 0.0, 0.0, 0.0))
    folded = np.sqrt(1 / 0.3)  # here the polynomial is 0 again
    assert limit(camera.distortion) < folded
    assert np.isnan(distort(camera, [[folded, 0], [0, -3]])).all()
    assert np.isfinite(distort(camera, [[0.5, 0.5]])).all()


def test_without_distortion_nothing_moves_at_all():
    points = _disc(100.0)
    assert (distort(_camera(), points) == points).all()
    assert (undistort(_camera(), points) == points).all()


def test_undistorting_what_the_lens_does_not_show_says_so():
    with pytest.raises(LensError, match="shows nothing at normalised coordinates"):
        undistort(_camera((-0.3, 0.0, 0.0, 0.0, 0.0)), [[0.1, 0.1], [2.0, 0.0]])


@given(DISTORTION, st.floats(0.4, 3.0))
@settings(deadline=None)
def test_a_lens_that_covers_the_frame_can_be_inverted_at_its_corners(distortion, focal):
    camera = _camera(distortion, focal=focal)
    assume(covers(camera))
    corners = np.array([[x, y] for x in (-0.5, 319.5) for y in (-0.5, 239.5)])
    normalised = (corners - camera.K[:2, 2]) / camera.K[0, 0]
    back = distort(camera, undistort(camera, normalised))
    np.testing.assert_allclose(back, normalised, atol=1e-9)


def test_a_lens_that_does_not_cover_the_frame_is_named():
    camera = _camera((-0.5, 0.0, 0.0, 0.0, 0.0), focal=0.6)
    assert not covers(camera)
    with pytest.raises(LensError, match="does not cover a frame of 320 x 240 px"):
        bend(camera)


@pytest.mark.parametrize("distortion", [BARREL, CUSHION])
@pytest.mark.parametrize("size", [(640, 480), (321, 239), (160, 120), (96, 64)])
def test_every_pixel_shows_the_ray_that_the_lens_brings_there(distortion, size):
    camera = _camera(distortion, *size)
    bent = bend(camera)
    K = bent.pinhole.K
    rays = np.stack([(bent.x - K[0, 2]) / K[0, 0], (bent.y - K[1, 2]) / K[1, 1]], axis=-1)
    seen = distort(camera, rays.reshape(-1, 2).astype(np.float64))
    pixels = (seen * camera.K[0, 0] + camera.K[:2, 2]).reshape(*rays.shape)
    v, u = np.indices((camera.height, camera.width))
    assert np.abs(pixels - np.stack([u, v], axis=-1)).max() < 0.02
    assert bent.x.min() >= 0
    assert bent.x.max() <= bent.pinhole.width - 1
    assert bent.y.min() >= 0
    assert bent.y.max() <= bent.pinhole.height - 1


@pytest.mark.parametrize("distortion", [BARREL, CUSHION])
def test_a_bent_picture_of_a_ramp_is_the_map_itself(distortion):
    bent = bend(_camera(distortion))
    v, u = np.indices((bent.pinhole.height, bent.pinhole.width)).astype(np.float32)
    picture = bent.picture(np.dstack([u, v]))
    np.testing.assert_allclose(picture[..., 0], bent.x, atol=0.02)  # cv2 knows 1/32 px
    np.testing.assert_allclose(picture[..., 1], bent.y, atol=0.02)


def test_the_pinhole_behind_a_bend_stands_where_the_camera_stands():
    camera = _camera(BARREL)
    moved = dataclasses.replace(camera, T_world_camera=np.diag([1.0, -1, -1, 1]))
    pinhole = bend(moved).pinhole
    assert pinhole.distortion == PLAIN
    assert (pinhole.T_world_camera == moved.T_world_camera).all()
    assert pinhole.width > camera.width
