"""What Blender makes of looked-up light is what the formula says, from every side."""

import dataclasses

import numpy as np
import pytest

pytest.importorskip("bpy")
from blender_scenes import lightmaps
from blender_scenes.background import develop
from blender_scenes.robot_scene import RobotScene
from blender_scenes.spec import (
    HDRIS,
    MATERIAL_SLOTS,
    Background,
    Camera,
    Environment,
    Frame,
    Material,
    RobotModel,
    Sun,
    Visual,
)
from jointloop.common.errors import SceneError

pytestmark = pytest.mark.blender
SIZE = 64
DARK = Sun(0.5, 0.7, 0.0, 0.2, (1.0, 1.0, 1.0))


@pytest.fixture(scope="module")
def scene():
    ball = Visual(0, np.eye(4), primitive=("sphere", (1.0,)))
    scene = RobotScene(RobotModel("ball", ("ball",), (-1,), (ball,)), lamps=2)
    yield scene
    scene.close()


def looking(azimuth: float, elevation: float) -> Camera:
    """A long lens that fills its picture with a ball of 1 m at the origin."""
    back = np.array([np.cos(azimuth), np.sin(azimuth), 0]) * np.cos(elevation)
    back[2] = np.sin(elevation)
    right = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
    T = np.eye(4)
    T[:3, :3] = np.stack([right, np.cross(-back, right), -back], axis=1)
    T[:3, 3] = 50 * back
    middle = (SIZE - 1) / 2
    focal = 0.8 * SIZE * 50 / 2
    return Camera(SIZE, SIZE, np.array([[focal, 0, middle], [0, focal, middle], [0, 0, 1]]), T)


def frame_of(camera: Camera, material: Material, environment: Environment, sun: Sun) -> Frame:
    return Frame(
        T_world_link=np.eye(4)[None],
        camera=camera,
        sun=sun,
        environment=environment,
        exposure=0.0,
        materials=(material,) * MATERIAL_SLOTS,
        background=Background("city", HDRIS[0], 0.0, 1.0),
    )


def seen(camera: Camera) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the ball's inner pixels are, and the normal and the direction to the eye there."""
    u, v = np.meshgrid(np.arange(SIZE), np.arange(SIZE))
    rays = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(camera.K).T
    rays = rays @ camera.T_world_camera[:3, :3].T
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    eye = camera.T_world_camera[:3, 3]
    along = -(rays @ eye)
    inside = along**2 - (eye @ eye - 1)
    inner = inside > 0.35
    points = eye + (along - np.sqrt(np.maximum(inside, 0)))[..., None] * rays
    return inner, points[inner], -rays[inner]


def tile_at(tile: np.ndarray, vectors: np.ndarray, rotation: float) -> np.ndarray:
    """A tile's colours in some directions, the sky turned by `rotation`."""
    azimuth = np.arctan2(vectors[:, 1], vectors[:, 0]) - rotation
    column = (0.5 - azimuth / (2 * np.pi)) * lightmaps.WIDTH
    row = (0.5 - np.arcsin(vectors[:, 2].clip(-1, 1)) / np.pi) * (lightmaps.HEIGHT - 1)
    i, j = np.floor(row).astype(int), np.floor(column).astype(int)
    s, t = (row - i)[:, None], (column - j)[:, None]
    below = np.minimum(i + 1, lightmaps.HEIGHT - 1)
    left, right = j % lightmaps.WIDTH, (j + 1) % lightmaps.WIDTH
    upper = (1 - t) * tile[i, left] + t * tile[i, right]
    lower = (1 - t) * tile[below, left] + t * tile[below, right]
    return (1 - s) * upper + s * lower


@pytest.mark.parametrize("metallic", [0.0, 1.0])
@pytest.mark.parametrize("hdri", ["city", "sunset"])
def test_a_ball_shows_what_the_formula_says(scene: RobotScene, hdri: str, metallic: float):
    color, gloss, row = np.array([0.5, 0.3, 0.2]), 7, 14
    roughness = gloss / (lightmaps.GLOSSES - 1)
    material = Material(tuple(color), 1.0, roughness, metallic)
    tiles = lightmaps.tiles(scene.surroundings.panoramas[hdri])
    steps = (np.arange(lightmaps.TABLE) + 0.5) / lightmaps.TABLE
    share = (roughness - steps[row]) * lightmaps.TABLE
    rows = lightmaps.split_sum().astype(float)[row : row + 2]
    table = (1 - share) * rows[0] + share * rows[1]
    for turn in range(4):
        light = Environment(hdri, 0.4 + 1.7 * turn, 0.8)
        camera = looking(1.1 + 1.5 * turn, -1.2 + 0.8 * turn)
        inner, normals, views = seen(camera)
        cosine = np.einsum("nk,nk->n", normals, views)
        mirrored = 2 * cosine[:, None] * normals - views
        a, b = (np.interp(cosine, steps, column)[:, None] for column in table.T)
        f0 = metallic * color + (1 - metallic) * 0.04
        expected = tile_at(tiles[-1], normals, light.rotation) * color * (1 - metallic)
        expected += tile_at(tiles[gloss], mirrored, light.rotation) * (f0 * a + b)
        image = scene.render(frame_of(camera, material, light, DARK)).image[inner]
        off = image.astype(int) - develop((0.8 * expected).astype(np.float32), 1.0)
        assert np.abs(off).max() <= 8
        assert np.abs(off).mean() < 1.5


def test_a_metal_is_dark_where_a_matt_surface_is_lit_by_the_sun(scene: RobotScene):
    night = Environment(HDRIS[0], 0.0, 0.0)
    camera = looking(0.5, 0.7)  # from the sun
    sun = dataclasses.replace(DARK, strength=2.0)
    inner, normals, views = seen(camera)
    matt = Material((0.5, 0.5, 0.5), 1.0, 1.0, 0.0)
    image = scene.render(frame_of(camera, matt, night, sun)).image[inner]
    cosine = np.einsum("nk,nk->n", normals, views)
    lambert = develop((0.5 * 2.0 / np.pi * cosine).astype(np.float32), 1.0)[:, None]
    assert 0 <= (image.astype(int) - lambert).mean() < 12  # what dielectrics mirror comes on top
    mirror = dataclasses.replace(matt, roughness=0.15, metallic=1.0)
    image = scene.render(frame_of(camera, mirror, night, sun)).image[inner]
    assert image[cosine.argmax()].min() > 250
    assert np.median(image) < 10


def test_nothing_of_a_seed_is_left_on_a_ball(scene: RobotScene):
    camera = looking(0.3, 0.4)
    frame = frame_of(
        camera,
        Material((0.6, 0.6, 0.6), 1.0, 0.4, 0.9),
        Environment("city", 1.0, 1.0),
        dataclasses.replace(DARK, strength=2.0),
    )
    one, two = (scene.render(dataclasses.replace(frame, seed=seed)).image for seed in (1, 2))
    inner, *_ = seen(camera)
    assert np.abs(one[inner].astype(int) - two[inner]).mean() < 1


NIGHT = Environment(HDRIS[0], 0.0, 0.0)
LAMPS = (
    Sun(0.9, 0.6, 1.5, 0.3, (1.0, 0.8, 0.6)),
    Sun(-0.4, 1.2, 0.8, 0.6, (0.9, 0.95, 1.0)),
)


def towards(lamp: Sun) -> np.ndarray:
    level = np.cos(lamp.elevation)
    x, y = level * np.cos(lamp.azimuth), level * np.sin(lamp.azimuth)
    return np.array([x, y, np.sin(lamp.elevation)])


@pytest.mark.parametrize("metallic", [0.0, 1.0])
def test_lamps_light_a_ball_as_the_formula_says(scene: RobotScene, metallic: float):
    color, roughness = np.array([0.5, 0.4, 0.3]), 0.6
    camera = looking(0.5, 0.6)
    inner, normals, views = seen(camera)
    cosine = np.einsum("nk,nk->n", normals, views)
    mirrored = 2 * cosine[:, None] * normals - views
    steps = (np.arange(lightmaps.TABLE) + 0.5) / lightmaps.TABLE
    table = lightmaps.split_sum().astype(float)
    rows = [[np.interp(cosine, steps, row) for row in table[..., i]] for i in range(2)]
    place = roughness * lightmaps.TABLE - 0.5
    low, share = int(place), place % 1
    a, b = ((1 - share) * row[low] + share * row[low + 1] for row in rows)
    f0 = metallic * color + (1 - metallic) * 0.04
    reflected = f0 * a[:, None] + b[:, None]
    expected = np.zeros_like(normals)
    for lamp in LAMPS:
        shine = lamp.strength / np.pi * np.array(lamp.color)
        falling = (normals @ towards(lamp)).clip(0)
        width = 2 * roughness**4 + lamp.angle**2 / 16
        lobe = np.exp((mirrored @ towards(lamp) - 1) / width) / (2 * width) * (falling > 0)
        expected += falling[:, None] * shine * color * (1 - metallic)
        expected += lobe[:, None] * shine * reflected
    material = Material(tuple(color), 1.0, roughness, metallic)
    frame = dataclasses.replace(frame_of(camera, material, NIGHT, DARK), lamps=LAMPS)
    image = scene.render(frame).image[inner].astype(int)
    off = np.abs(image - develop(expected.astype(np.float32), 1.0))
    assert np.median(image.max(axis=1)) > 60
    assert off.mean() < 2
    assert np.percentile(off, 99) <= 10


def test_lamps_leave_no_grain_and_nothing_behind(scene: RobotScene):
    material = Material((0.6, 0.6, 0.6), 1.0, 0.4, 0.5)
    frame = frame_of(looking(0.3, 0.4), material, Environment("city", 1.0, 1.0), DARK)
    before = scene.render(frame).image
    lit = dataclasses.replace(frame, lamps=LAMPS)
    one, two = (scene.render(dataclasses.replace(lit, seed=s)).image.astype(int) for s in (1, 2))
    inner, *_ = seen(frame.camera)
    assert np.abs(one[inner] - two[inner]).mean() < 1
    assert (one[inner] > before[inner]).mean() > 0.5
    assert (scene.render(frame).image == before).all()


def test_more_lamps_than_the_scene_has_room_for_are_an_error(scene: RobotScene):
    frame = frame_of(looking(0.3, 0.4), Material((0.6, 0.6, 0.6), 1.0, 0.4, 0.5), NIGHT, DARK)
    with pytest.raises(SceneError, match="3 lamps; the scene was built for 2"):
        scene.render(dataclasses.replace(frame, lamps=(*LAMPS, DARK)))
