"""Laws of the backdrop: where a panorama's points appear, how light is encoded and mixed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blender_scenes.background import WHITEST, develop, light_of, mended, over, shared, view
from blender_scenes.spec import Camera

ANGLE = st.floats(-3.1, 3.1)


def _camera(azimuth: float = 0.0, elevation: float = 0.0, width: int = 81) -> Camera:
    """A camera at the origin that looks in a direction, upright."""
    z = np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), 0.0])
    z[2] = np.sin(elevation)
    x = np.array([np.sin(azimuth), -np.cos(azimuth), 0.0])
    T = np.eye(4)
    T[:3, :3] = np.stack([x, np.cross(z, x), z], axis=1)
    centre = (width - 1) / 2
    return Camera(width, width, np.array([[90.0, 0, centre], [0, 90, centre], [0, 0, 1]]), T)


def _angles(height: int) -> np.ndarray:
    """A panorama whose colours are each pixel's direction."""
    elevation = (0.5 - (np.arange(height) + 0.5) / height) * np.pi
    azimuth = (0.5 - (np.arange(2 * height) + 0.5) / (2 * height)) * 2 * np.pi
    a, e = np.meshgrid(azimuth, elevation)
    rays = np.stack([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)], axis=-1)
    return rays.astype(np.float32)


@given(ANGLE, st.floats(-1.4, 1.4))
def test_every_pixel_shows_the_panorama_in_its_own_direction(azimuth, elevation):
    camera = _camera(azimuth, elevation, 21)
    seen = view(_angles(256), camera)
    u, v = np.meshgrid(np.arange(21), np.arange(21))
    rays = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(camera.K).T
    rays = rays @ camera.T_world_camera[:3, :3].T
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    assert np.abs(seen - rays).max() < 0.02  # the poles' triangles are interpolated


@given(ANGLE)
def test_turning_the_panorama_is_turning_the_camera_back(rotation):
    turned = view(_angles(128), _camera(0.0), rotation)
    expected = view(_angles(128), _camera(-rotation))
    np.testing.assert_allclose(turned, expected, atol=2e-3)


def test_developing_is_monotonic_and_reaches_both_ends():
    light = np.linspace(-1, 3, 4000, dtype=np.float32)
    code = develop(light, 1.0)
    assert code[0] == 0
    assert code[-1] == 255
    assert (np.diff(code.astype(int)) >= 0).all()
    assert (develop(light, 2.0) >= code).all()


def test_developing_agrees_with_the_srgb_standard():
    light = np.array([0, 0.002, 0.2, 0.5, 1], np.float32)  # 255 * (1.055 x^(1/2.4) - 0.055)
    np.testing.assert_array_equal(develop(light, 1.0), [0, 7, 124, 188, 255])


@pytest.mark.parametrize(("alpha", "expected"), [(0, 200), (255, 40)])
def test_patch_covers_where_solid_and_vanishes_where_clear(alpha, expected):
    backdrop = np.full((6, 8, 3), 200, np.uint8)
    patch = np.full((2, 3, 4), 40, np.uint8)
    patch[..., 3] = alpha
    image, mask = over(backdrop, light_of(patch), 4, 1)
    assert (image[1:3, 4:7] == expected).all()
    assert (mask[1:3, 4:7] == alpha).all()
    outside = np.ones((6, 8), bool)
    outside[1:3, 4:7] = False
    assert (image[outside] == 200).all()
    assert (mask[outside] == 0).all()


@given(st.integers(0, 255), st.integers(1, 254))
def test_a_patch_of_the_backdrops_own_colour_leaves_no_fringe(level, alpha):
    backdrop = np.full((4, 4, 3), level, np.uint8)
    patch = np.full((4, 4, 4), level, np.uint8)
    patch[..., 3] = alpha
    image, _ = over(backdrop, light_of(patch), 0, 0)
    assert np.abs(image.astype(int) - level).max() <= 1


def test_half_black_over_white_is_half_the_light():
    patch = np.zeros((1, 1, 4), np.uint8)
    patch[..., 3] = 128
    image, _ = over(np.full((1, 1, 3), 255, np.uint8), light_of(patch), 0, 0)
    assert abs(int(image[0, 0, 0]) - 187) <= 1  # sRGB code of 0.498


def test_every_code_of_a_solid_patch_stays():
    codes = np.repeat(np.arange(256, dtype=np.uint8), 4).reshape(16, 16, 4)
    patch = np.where(np.arange(4) == 3, 255, codes).astype(np.uint8)
    image, _ = over(np.full((16, 16, 3), 90, np.uint8), light_of(patch), 0, 0)
    np.testing.assert_array_equal(image, patch[..., :3])


@given(st.integers(0, 2**32 - 1))
def test_sharing_keeps_what_is_even_and_the_light_of_what_is_inside(seed):
    inside = np.zeros((9, 11, 4), np.float32)
    inside[2:-2, 2:-2] = np.random.default_rng(seed).random((5, 7, 4))
    np.testing.assert_allclose(shared(inside).sum(axis=(0, 1)), inside.sum(axis=(0, 1)), rtol=1e-5)
    even = np.full((4, 5, 4), 0.625, np.float32)
    np.testing.assert_array_equal(shared(even), even)


def test_ringing_beside_a_lamp_becomes_light_and_all_else_stays() -> None:
    panorama = np.random.default_rng(0).uniform(0, 1, (12, 16, 3)).astype(np.float32)
    panorama[4:6, 4:6], panorama[6, 4:6] = 900.0, -30.0
    panorama[5:7, 6] = 0.0  # sunk, without passing below
    light = mended(panorama)
    assert (light[5:7, 4:7] == WHITEST).all()
    far = np.ones((12, 16), bool)
    far[3:9, 2:9] = False
    np.testing.assert_array_equal(light[far], panorama[far])
