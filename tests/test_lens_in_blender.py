"""Balls drawn by Blender and bent by the lens lie where the labels say."""

import dataclasses

import cv2
import numpy as np
import pytest

from blender_scenes.lens import bend
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
from simulator import labels

pytest.importorskip("bpy")
from blender_scenes.robot_scene import RobotScene

pytestmark = pytest.mark.blender

LENSES = {
    "barrel": (-0.3, 0.08, 0.002, -0.003, 0.0),
    "cushion": (0.25, 0.05, -0.003, 0.002, 0.01),
}
ACROSS, DOWN = 5, 4
BALLS = ACROSS * DOWN


@pytest.fixture(scope="module")
def scene():
    ball = ("sphere", (0.02,))
    model = RobotModel(
        "balls",
        ("root", *(f"ball_{i}" for i in range(BALLS))),
        (-1,) + (0,) * BALLS,
        tuple(
            Visual(i + 1, np.eye(4), primitive=ball, color=(0.8, 0.2, 0.2)) for i in range(BALLS)
        ),
    )
    scene = RobotScene(model, spp=32)
    yield scene
    scene.close()


def _camera(width: int, height: int, lens) -> Camera:
    f = 1.2 * height
    T = np.eye(4)
    T[:3, :3] = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]  # looks along +x
    K = np.array([[f, 0, (width - 1) / 2], [0, 1.05 * f, (height - 1) / 2 + 3], [0, 0, 1]])
    return Camera(width, height, K, T, lens)


def _frame(camera: Camera) -> tuple[Frame, np.ndarray]:
    """A frame with balls all over the picture, up to its corners, and their centres [m]."""
    x = np.linspace(0.06, 0.94, ACROSS) * camera.width
    y = np.linspace(0.08, 0.92, DOWN) * camera.height
    shown = dataclasses.replace(camera, distortion=camera.distortion)
    straight = bend(shown)
    u = np.rint([[a, b] for b in y for a in x]).astype(int)
    pixels = np.stack([straight.x[u[:, 1], u[:, 0]], straight.y[u[:, 1], u[:, 0]]])
    rays = np.linalg.solve(straight.pinhole.K, np.vstack([pixels, np.ones(BALLS)])) * 2.5
    points = (camera.T_world_camera[:3, :3] @ rays).T
    T = np.tile(np.eye(4), (BALLS + 1, 1, 1))
    T[1:, :3, 3] = points
    grey = Material((0.5, 0.5, 0.5), 0.0, 0.5, 0.0)
    frame = Frame(
        T_world_link=T,
        camera=camera,
        sun=Sun(0.0, 1.0, 2.0, 0.05, (1, 1, 1)),
        environment=Environment(HDRIS[0], 0.0, 1.0),
        exposure=0.0,
        materials=(grey,) * MATERIAL_SLOTS,
        background=Background("city", HDRIS[0], 0.0, 1.0),
        seed=1,
    )
    return frame, points


def _centroids(mask: np.ndarray) -> np.ndarray:
    """(N, 2) centre of each spot of a mask [px]."""
    count, label = cv2.connectedComponents((mask > 0).astype(np.uint8))
    v, u = np.indices(mask.shape)
    weights = [np.where(label == i, mask, 0).astype(float) for i in range(1, count)]
    return np.array([[(u * w).sum() / w.sum(), (v * w).sum() / w.sum()] for w in weights])


@pytest.mark.parametrize("size", [(640, 480), (320, 240)])
@pytest.mark.parametrize("lens", LENSES)
def test_balls_seen_through_a_lens_lie_within_half_a_pixel_of_their_labels(scene, size, lens):
    frame, points = _frame(_camera(*size, LENSES[lens]))
    expected, _ = labels.project(frame.camera, points)
    assert labels.in_frame(expected, *size).all()
    found = _centroids(scene.render(frame).mask)
    assert len(found) == BALLS
    errors = [np.linalg.norm(found - point, axis=1).min() for point in expected]
    plain = dataclasses.replace(frame.camera, distortion=(0.0,) * 5)
    moved = np.linalg.norm(labels.project(plain, points)[0] - expected, axis=1)
    assert moved.max() > 0.04 * size[0]  # else this lens would prove nothing
    assert max(errors) < 0.2


def test_no_lens_and_hardly_one_give_the_same_picture(scene):
    plain, _ = _frame(_camera(320, 240, (1e-9, 0.0, 0.0, 0.0, 0.0)))
    straight = dataclasses.replace(plain.camera, distortion=(0.0,) * 5)
    bent = scene.render(plain)
    one = scene.render(dataclasses.replace(plain, camera=straight))
    off = np.abs(one.image.astype(int) - bent.image)
    assert np.percentile(off, 99) <= 2
    assert abs(one.mask.astype(int) - bent.mask).mean() < 0.5


def test_the_same_frame_gives_the_same_bytes_through_a_lens(scene):
    frame, _ = _frame(_camera(160, 120, LENSES["barrel"]))
    first = scene.render(frame)
    scene.render(_frame(_camera(160, 120, LENSES["cushion"]))[0])
    again = scene.render(frame)
    assert (first.image == again.image).all()
    assert (first.mask == again.mask).all()
