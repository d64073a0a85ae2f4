"""Rays meet solids where the shapes are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.spatial import Delaunay

from blender_scenes import solids
from blender_scenes.spec import Prop

KINDS = ("box", "cylinder", "sphere", "cone", "line")


def solid(kind: str, rng: np.random.Generator) -> Prop:
    """One of any size and pose near the origin."""
    return Prop(
        kind=kind,
        position=tuple(rng.normal(0, 0.3, 3)),
        rotation=tuple(rng.normal(0, 1.5, 3)),
        size=tuple(rng.uniform(0.05, 1.5, 3)),
        color=(0.5, 0.5, 0.5),
        roughness=0.5,
        metallic=0.0,
    )


def within(thing: Prop, points: np.ndarray, slack: float = 0.0) -> np.ndarray:
    """Whether points in the world lie in a solid, or at most `slack` of its size off."""
    T = np.linalg.inv(solids.T_world_solids([thing])[0])
    x, y, z = (points @ T[:3, :3].T + T[:3, 3]).T
    half = 0.5 + slack
    if thing.kind == "box":
        return np.maximum(np.maximum(abs(x), abs(y)), abs(z)) <= half
    if thing.kind == "sphere":
        return np.sqrt(x**2 + y**2 + z**2) <= half
    radius = (0.5 - z) / 2 + slack if thing.kind == "cone" else half
    return (np.hypot(x, y) <= radius) & (abs(z) <= half)


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 2**32 - 1))
@hypothesis_settings(max_examples=60, deadline=None)
def test_a_ray_meets_a_solid_where_it_first_enters(kind: str, seed: int):
    rng = np.random.default_rng(seed)
    thing, eye = solid(kind, rng), rng.normal(0, 2, 3)
    rays = rng.normal(0, 0.5, (20, 3)) - eye
    t = solids.first_hits([thing], eye, rays)
    steps = np.linspace(0, 5, 2000)
    for ray, hit in zip(rays, t, strict=True):
        inside = within(thing, eye + steps[:, None] * ray, slack=-1e-6)
        if not np.isfinite(hit):
            assert not inside.any()
        elif not inside[0]:
            assert not inside[steps < hit - 1e-9].any()
            assert within(thing, (eye + (hit + 1e-9) * ray)[None], slack=1e-6).all()
        else:
            assert inside[steps < hit - 1e-9].all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_bounds_hold_the_solid(kind: str):
    rng = np.random.default_rng(0)
    for _ in range(5):
        thing = solid(kind, rng)
        points = rng.uniform(-2, 2, (4000, 3)) * np.max(thing.size) / 2 + thing.position
        hull = Delaunay(solids.bounds([thing])[0])
        kept = points[within(thing, points)]
        assert (hull.find_simplex(kept) >= 0).all()
        assert len(kept)


def test_the_first_of_several_solids_counts():
    rng = np.random.default_rng(1)
    things = [solid(kind, rng) for kind in KINDS]
    eye = np.array([3.0, 0, 0])
    rays = rng.normal(0, 0.4, (200, 3)) - eye
    each = [solids.first_hits([thing], eye, rays) for thing in things]
    np.testing.assert_array_equal(solids.first_hits(things, eye, rays), np.min(each, axis=0))
    assert np.isinf(solids.first_hits([], eye, rays)).all()
