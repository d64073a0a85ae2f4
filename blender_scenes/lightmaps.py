"""Light from all around, worked out beforehand so that it is looked up instead of sampled. Numpy.

    panorama --light--> tile --irradiance--> tile: what a matt surface receives, by its normal
                             --prefiltered-> tiles: what a glossy one mirrors, by the reflection
    all tiles of all panoramas --atlas--> one picture
    split_sum --> table: the share of what is mirrored, by angle of view and roughness

A tile holds a function of the direction: its columns are azimuths, its rows elevations, the first
at +z and the last at -z, so that nothing between two rows lies outside of it. As in Blender's
panoramas the azimuth about +z grows to the left and the middle, at `WIDTH` / 2, looks along +x.

The mirrored part follows B. Karis, "Real Shading in Unreal Engine 4" (SIGGRAPH 2013 course): the
integral over light times reflectance is split into one over light (`prefiltered`, as if seen along
the normal) and one over reflectance (`split_sum`). Reflectance is GGX's: B. Walter, S. Marschner,
H. Li and K. Torrance, "Microfacet Models for Refraction through Rough Surfaces" (EGSR 2007).
"""

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 64, 33
"""Of a tile [px]."""

GLOSSES = 16
"""Steps of roughness from 0 to 1 that have a tile each."""

TILES = GLOSSES + 1
"""Of one panorama: by roughness, then irradiance."""

LIMIT = 2.0
"""Radiance above this is cut from lights: HDRIs hold suns of 30,000. The scene has its own."""

SHARPEST = 0.25
"""Roughness below which GGX is narrower than a tile's pixels, and the sky itself is mirrored."""

TABLE = 32
"""Width and height of the split-sum table [px]."""

Tile = NDArray[np.float64]
"""(HEIGHT, WIDTH, 3) linear RGB."""


def directions() -> NDArray[np.float64]:
    """(HEIGHT, WIDTH, 3) unit vectors of a tile's pixels."""
    elevation = np.pi * (0.5 - np.arange(HEIGHT) / (HEIGHT - 1))[:, None]
    azimuth = 2 * np.pi * (0.5 - np.arange(WIDTH) / WIDTH)[None]
    made = np.empty((HEIGHT, WIDTH, 3))
    made[..., 0] = np.cos(elevation) * np.cos(azimuth)
    made[..., 1] = np.cos(elevation) * np.sin(azimuth)
    made[..., 2] = np.sin(elevation)
    return made


def solid_angles() -> NDArray[np.float64]:
    """(HEIGHT,) solid angle of each pixel of a row [sr]; all pixels make 4 pi."""
    edges = np.pi * (0.5 - (np.arange(HEIGHT + 1) - 0.5) / (HEIGHT - 1))
    heights = np.sin(np.clip(edges, -np.pi / 2, np.pi / 2))
    return (heights[:-1] - heights[1:]) * 2 * np.pi / WIDTH


def light(panorama: NDArray[np.float32]) -> Tile:
    """A panorama (h, w, 3), first row up, as a light."""
    cut = np.minimum(panorama, LIMIT).astype(np.float64)
    # Twice the columns and rows that are left between the poles; pixels are then centred anew.
    fine = cv2.resize(cut, (2 * WIDTH, 2 * (HEIGHT - 1)), interpolation=cv2.INTER_AREA)
    columns = (fine + np.roll(fine, 1, axis=1))[:, ::2] / 2
    poles = columns[[0, -1]].mean(axis=1, keepdims=True).repeat(WIDTH, axis=1)
    between = (columns[1:-1:2] + columns[2:-1:2]) / 2
    return np.concatenate([poles[:1], between, poles[1:]])


def harmonics(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nine real spherical harmonics up to order 2 of unit vectors (..., 3): (..., 9)."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    basis = (
        np.ones_like(x) / 2,
        *(np.sqrt(3) / 2 * c for c in (y, z, x)),
        *(np.sqrt(15) / 2 * c for c in (x * y, y * z, x * z)),
        np.sqrt(5) / 4 * (3 * z * z - 1),
        np.sqrt(15) / 4 * (x * x - y * y),
    )
    return np.stack(basis, axis=-1) / np.sqrt(np.pi)


def irradiance(sky: Tile) -> Tile:
    """Irradiance over pi by normal: what a white matt surface sends out under this sky.

    In spherical harmonics the cosine's lobe scales each order: R. Ramamoorthi and P. Hanrahan, "An
    Efficient Representation for Irradiance Environment Maps" (SIGGRAPH 2001), its A_l over pi.
    """
    basis = harmonics(directions())
    coefficients = np.einsum("hwk,hwc,h->kc", basis, sky, solid_angles())
    lobe = np.repeat([1.0, 2 / 3, 1 / 4], [1, 3, 5])
    return np.maximum(basis @ (lobe[:, None] * coefficients), 0)


def ggx(cosine: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    """GGX's density of microfacets at an angle from the normal (Walter et al. 2007, eq. 33)."""
    return alpha**2 / (np.pi * (cosine**2 * (alpha**2 - 1) + 1) ** 2)


@lru_cache(maxsize=GLOSSES)
def _kernel(roughness: float) -> NDArray[np.complex128]:
    """(HEIGHT, HEIGHT, WIDTH // 2 + 1) what each row mirrors of each, transformed over azimuth."""
    vectors = directions()
    cosines = np.einsum("ik,jwk->ijw", vectors[:, WIDTH // 2], vectors).clip(-1, 1)
    kernel = ggx(np.sqrt((1 + cosines) / 2), roughness**2) * np.maximum(cosines, 0)
    kernel *= solid_angles()[:, None]
    kernel /= kernel.sum(axis=(1, 2), keepdims=True)
    return np.fft.rfft(np.roll(kernel, -(WIDTH // 2), axis=2))


def prefiltered(sky: Tile, roughness: float) -> Tile:
    """What a surface of that roughness mirrors, by the direction of reflection (Karis 2013).

    View and normal are taken to lie along the reflection, where a light at an angle t is mirrored
    by the microfacets at t / 2; lights are weighted with cos t.
    """
    if roughness < SHARPEST:
        return sky
    # A turn about +z turns the answer, so rows meet rows in circular convolutions over azimuth.
    product = np.einsum("ijf,jfc->ifc", _kernel(roughness), np.fft.rfft(sky, axis=1))
    return np.maximum(np.fft.irfft(product, WIDTH, axis=1), 0)


def roughnesses() -> NDArray[np.float64]:
    """(GLOSSES,) the roughness of each of a panorama's first tiles."""
    return np.arange(GLOSSES) / (GLOSSES - 1)


def tiles(panorama: NDArray[np.float32]) -> NDArray[np.float64]:
    """(TILES, HEIGHT, WIDTH, 3) of one panorama: prefiltered by roughness, then irradiance."""
    sky = light(panorama)
    return np.stack([*(prefiltered(sky, r) for r in roughnesses()), irradiance(sky)])


def atlas(panoramas: Sequence[NDArray[np.float32]]) -> NDArray[np.float16]:
    """(N * TILES * HEIGHT, WIDTH, 3) all tiles, stacked.

    In 16 bits: processors differ in the last bits of sums in 64, and images must not.
    """
    stacked = np.stack([tiles(panorama) for panorama in panoramas])
    return stacked.reshape(-1, WIDTH, 3).astype(np.float16)


def split_sum() -> NDArray[np.float16]:
    """(TABLE, TABLE, 2) A and B: a surface mirrors F0 A + B of what is prefiltered.

    Row i is for roughness (i + 0.5) / TABLE, column j for cos (j + 0.5) / TABLE between view and
    normal. Microfacets are drawn as GGX has them (Walter et al. 2007, eq. 35) on a fixed grid of
    quantiles; shadowing is Smith's (eq. 34), Fresnel's term is Schlick's.
    """
    cosine = ((np.arange(TABLE) + 0.5) / TABLE)[None, :, None, None]
    alpha = ((np.arange(TABLE) + 0.5) / TABLE)[:, None, None, None] ** 2
    view = np.sqrt(1 - cosine**2), cosine
    share = ((np.arange(32) + 0.5) / 32)[:, None]
    azimuth = np.pi * (np.arange(16) + 0.5) / 16
    up = np.sqrt((1 - share) / (1 + (alpha**2 - 1) * share))
    across = np.sqrt(1 - up**2) * np.cos(azimuth)
    meeting = np.maximum(view[0] * across + view[1] * up, 0)  # view and microfacet
    out = np.maximum(2 * meeting * up - cosine, 0)  # light and normal

    def smith(c: NDArray[np.float64]) -> NDArray[np.float64]:
        return 2 * c / (c + np.sqrt(alpha**2 + (1 - alpha**2) * c**2))

    weight = smith(cosine) * smith(out) * meeting / (up * cosine)
    fresnel = (1 - meeting) ** 5
    pair = [(weight * part).mean(axis=(2, 3)) for part in (1 - fresnel, fresnel)]
    return np.stack(pair, axis=-1).astype(np.float16)
