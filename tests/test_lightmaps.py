"""Laws of looked-up light: what surfaces receive and mirror, against integrals done otherwise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blender_scenes import lightmaps
from blender_scenes.lightmaps import (
    HEIGHT,
    TABLE,
    WIDTH,
    directions,
    irradiance,
    light,
    prefiltered,
    solid_angles,
    split_sum,
)

SEED = st.integers(0, 2**32 - 1)
ROUGHNESS = st.floats(0, 1)


def sky(seed: int) -> np.ndarray:
    """A random tile, one colour at each pole."""
    made = np.random.default_rng(seed).uniform(0, 2, (HEIGHT, WIDTH, 3))
    made[[0, -1]] = made[[0, -1], :1]
    return made


def total(tile: np.ndarray) -> np.ndarray:
    """(3,) light from all directions."""
    return np.einsum("hwc,h->c", tile, solid_angles())


def test_pixels_share_out_the_sphere():
    assert WIDTH * solid_angles().sum() == pytest.approx(4 * np.pi)
    np.testing.assert_allclose(np.linalg.norm(directions(), axis=-1), 1)


@given(st.floats(0.01, lightmaps.LIMIT), ROUGHNESS)
def test_under_an_even_sky_everything_is_even(level: float, roughness: float):
    even = light(np.full((64, 128, 3), level, np.float32))
    np.testing.assert_allclose(even, level, rtol=1e-6)
    np.testing.assert_allclose(prefiltered(even, roughness), level, rtol=1e-6)
    np.testing.assert_allclose(irradiance(even), level, rtol=2e-3)


@settings(max_examples=20, deadline=None)
@given(SEED, st.integers(0, WIDTH - 1), ROUGHNESS)
def test_turning_the_sky_turns_what_it_lights(seed: int, columns: int, roughness: float):
    still = sky(seed)
    turned = np.roll(still, columns, axis=1)
    for function in (irradiance, lambda tile: prefiltered(tile, roughness)):
        np.testing.assert_allclose(
            function(turned), np.roll(function(still), columns, axis=1), atol=1e-9
        )


def test_a_mirror_shows_the_sky():
    panorama = np.random.default_rng(0).uniform(0, 1, (256, 512, 3)).astype(np.float32)
    still = light(panorama)
    np.testing.assert_array_equal(prefiltered(still, 0.0), still)


def test_a_light_is_where_its_panorama_has_it():
    """Smooth colours of each direction stay with it, but for what a pixel is wide."""
    elevation = (0.5 - (np.arange(256) + 0.5) / 256) * np.pi
    azimuth = (0.5 - (np.arange(512) + 0.5) / 512) * 2 * np.pi
    a, e = np.meshgrid(azimuth, elevation)
    rays = np.stack([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)], axis=-1)
    np.testing.assert_allclose(light((1 + rays).astype(np.float32)), 1 + directions(), atol=5e-3)


@settings(max_examples=10, deadline=None)
@given(SEED)
def test_irradiance_is_the_cosines_integral(seed: int):
    """Exact up to order 2; of a random sky the rest is small."""
    still = sky(seed)
    normals = directions()[::8, ::16].reshape(-1, 3)
    cosines = np.maximum(np.einsum("nk,hwk->nhw", normals, directions()), 0)
    expected = np.einsum("nhw,h,hwc->nc", cosines, solid_angles(), still) / np.pi
    found = irradiance(still)[::8, ::16].reshape(-1, 3)
    np.testing.assert_allclose(found, expected, atol=0.05 * still.mean())


@settings(max_examples=10, deadline=None)
@given(SEED, st.floats(lightmaps.SHARPEST, 1))
def test_what_is_mirrored_is_an_average_of_the_sky(seed: int, roughness: float):
    still = sky(seed)
    made = prefiltered(still, roughness)
    assert made.max() <= still.max() + 1e-9
    assert made.min() >= still.min() - 1e-9
    np.testing.assert_allclose(total(made), total(still), rtol=0.02)


def test_a_point_of_light_is_mirrored_as_ggx_spreads_it():
    """By roughness: widest where microfacets at half the angle are half as many."""
    spot = np.zeros((HEIGHT, WIDTH, 3))
    middle = HEIGHT // 2, WIDTH // 2
    spot[middle] = 1
    cosines = directions() @ directions()[middle]
    for roughness in (0.4, 0.6, 1.0):
        shape = prefiltered(spot, roughness)[..., 0]
        facets = np.sqrt((1 + cosines) / 2)
        expected = lightmaps.ggx(facets, roughness**2) * np.maximum(cosines, 0)
        share = shape / shape[middle], expected / expected[middle]
        np.testing.assert_allclose(*share, atol=0.02)


def test_the_roughest_mirror_is_nearly_matt():
    panorama = np.random.default_rng(1).uniform(0, 2, (4, 8, 3)).astype(np.float32)
    still = light(panorama)
    rough, matt, plain = prefiltered(still, 1.0), irradiance(still), still.std()
    assert np.abs(rough - matt).mean() < 0.2 * plain
    assert np.corrcoef(rough.ravel(), matt.ravel())[0, 1] > 0.95


def reflectance(cosine: float, roughness: float, f0: float) -> float:
    """Share of light that GGX mirrors towards a view: an integral over lights (Walter 2007)."""
    alpha, steps = roughness**2, 400
    out = (np.arange(steps) + 0.5) / steps
    azimuth = 2 * np.pi * (np.arange(2 * steps) + 0.5) / (2 * steps)
    across = np.sqrt(1 - out**2)[:, None]
    lights = np.stack(
        [across * np.cos(azimuth), across * np.sin(azimuth), out[:, None] + 0 * azimuth], axis=-1
    )
    view = np.array([np.sqrt(1 - cosine**2), 0, cosine])
    half = (lights + view) / np.linalg.norm(lights + view, axis=-1, keepdims=True)
    meeting = half @ view

    def masked(c: np.ndarray | float) -> np.ndarray:
        tangent = (1 - np.square(c)) / np.square(c)
        return 2 / (1 + np.sqrt(1 + alpha**2 * tangent))

    shadow = masked(cosine) * masked(out)[:, None]
    fresnel = f0 + (1 - f0) * (1 - meeting) ** 5
    density = lightmaps.ggx(half[..., 2], alpha)
    return float(2 * np.pi * (density * shadow * fresnel / (4 * cosine)).mean())


@pytest.mark.parametrize("f0", [0.04, 0.5, 1.0])
def test_the_table_is_the_integral_over_lights(f0: float):
    table = split_sum().astype(float)
    for i in (12, 20, 31):
        for j in (6, 16, 30):
            a, b = table[i, j]
            expected = reflectance((j + 0.5) / TABLE, (i + 0.5) / TABLE, f0)
            assert f0 * a + b == pytest.approx(expected, abs=0.015)


def test_nothing_mirrors_more_than_it_receives():
    a, b = np.moveaxis(split_sum().astype(float), -1, 0)
    assert (a >= 0).all()
    assert (b >= 0).all()
    assert (a + b <= 1.001).all()
    assert (a + b)[0].min() > 0.99  # a mirror loses nothing


def test_atlas_holds_all_tiles_in_16_bits():
    panoramas = [np.full((32, 64, 3), level, np.float32) for level in (0.25, 0.5)]
    made = lightmaps.atlas(panoramas)
    assert made.dtype == np.float16
    assert made.shape == (2 * lightmaps.TILES * HEIGHT, WIDTH, 3)
    half = len(made) // 2
    np.testing.assert_allclose(made[:half], 0.25, rtol=2e-3)
    np.testing.assert_allclose(made[half:], 0.5, rtol=2e-3)
