"""Things around the robot hide it, in pixels and in labels alike, in either scene."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from blender_scenes.scene import OTHER, Scene
from blender_scenes.spec import Frame, Material, OtherRobot, Prop, Stand
from blender_scenes.stick_scene import StickScene
from jointloop.common.errors import SceneError
from simulator import labels
from simulator.randomization import hidden
from simulator.randomization.assignment import Assignment
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings
from simulator.robot import Robot
from simulator.sample import simulate

SETTINGS = SampleSettings(width=160, height=120)
GREY = (Material((0.3, 0.3, 0.3), 1.0, 0.8, 0.0),) * 6


@pytest.fixture(scope="module", params=["stick", pytest.param("cycles", marks=pytest.mark.blender)])
def scene(request: pytest.FixtureRequest, ur10: Robot) -> Iterator[Scene]:
    others = {"ur10": ur10.model}
    if request.param == "stick":
        yield StickScene(ur10.model, others=others)
        return
    pytest.importorskip("bpy")
    from blender_scenes.robot_scene import RobotScene

    scene = RobotScene(ur10.model, spp=4, detail=0.1, others=others)
    yield scene
    scene.close()


def drawn(robot: Robot, index: int) -> hidden.Hidden:
    """Hidden variables of a grey robot in plain light, without anything around it."""
    prior = JointPrior.uniform(robot.lower, robot.upper, SETTINGS.bins)
    made = hidden.draw(robot, SETTINGS, Assignment.of(prior), 0, index)
    sun = replace(made.sun, strength=1.0, color=(1, 1, 1))
    light = replace(made.environment, hdri="studio", strength=0.5)
    return replace(made, sun=sun, environment=light, exposure=0.0, materials=GREY)


def bare(robot: Robot, index: int) -> Frame:
    return hidden.frame(robot, drawn(robot, index), SETTINGS.width, SETTINGS.height)


def green(kind: str, place: np.ndarray, size: tuple[float, float, float], turn=(0, 0, 0)) -> Prop:
    return Prop(kind, tuple(place), turn, size, (0.02, 0.6, 0.02), 1.0, 0.0)


def is_green(image: np.ndarray) -> np.ndarray:
    r, g, b = np.moveaxis(image.astype(int), -1, 0)
    return (g > 1.5 * r + 10) & (g > 1.5 * b + 10)


def seen(scene: Scene, robot: Robot, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """(J,) visibility and (J, 2) pixels."""
    points = robot.keypoints_world(frame.T_world_link)
    pixels, _ = labels.project(frame.camera, points)
    hits = scene.first_hits(frame, points)
    return labels.visibility(robot, frame.camera, points, pixels, hits), pixels


def at(image: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    x, y = np.rint(pixel).astype(int)
    return image[y, x]


def visible_keypoints(scene: Scene, robot: Robot, frame: Frame, edge: int = 8) -> list[int]:
    visibility, pixels = seen(scene, robot, frame)
    far = np.array([SETTINGS.width, SETTINGS.height]) - edge
    inner = ((pixels > edge) & (pixels < far)).all(axis=1)
    return np.flatnonzero((visibility == labels.VISIBLE) & inner).tolist()


@pytest.mark.parametrize("index", range(4))
def test_what_stands_before_a_keypoint_hides_it_and_is_what_shows_there(
    scene: Scene, ur10: Robot, index: int
):
    frame = bare(ur10, index)
    eye = frame.camera.T_world_camera[:3, 3]
    points = ur10.keypoints_world(frame.T_world_link)
    for j in visible_keypoints(scene, ur10, frame)[:2]:
        near = green("sphere", eye + 0.5 * (points[j] - eye), (0.15, 0.15, 0.15))
        hiding = replace(frame, props=(near,))
        visibility, pixels = seen(scene, ur10, hiding)
        assert visibility[j] == labels.HIDDEN
        rendered = scene.render(hiding)
        assert is_green(at(rendered.image, pixels[j]))
        assert at(rendered.mask, pixels[j]) == 255


@pytest.mark.parametrize("index", range(4))
def test_what_stands_behind_a_keypoint_does_not_hide_it(scene: Scene, ur10: Robot, index: int):
    frame = bare(ur10, index)
    eye = frame.camera.T_world_camera[:3, 3]
    points = ur10.keypoints_world(frame.T_world_link)
    distance = np.linalg.norm(points - eye, axis=1, keepdims=True)
    far = eye + (points - eye) / distance * (distance.max() + 0.5)
    props = tuple(green("box", far[j], (0.3, 0.3, 0.3)) for j in range(len(far)))
    behind = replace(frame, props=props)
    visibility, pixels = seen(scene, ur10, behind)
    np.testing.assert_array_equal(visibility, seen(scene, ur10, frame)[0])
    with_, without = scene.render(behind), scene.render(frame)
    for j in visible_keypoints(scene, ur10, frame):
        if at(without.mask, pixels[j]) == 255:
            assert not is_green(at(with_.image, pixels[j]))
    assert with_.mask.sum() > without.mask.sum()


@pytest.mark.parametrize("kind", ["box", "cylinder", "sphere", "cone", "line"])
def test_a_prop_shows_where_rays_meet_it(scene: Scene, ur10: Robot, kind: str):
    without = bare(ur10, 1)
    camera = without.camera
    R, eye = camera.T_world_camera[:3, :3], camera.T_world_camera[:3, 3]
    size = (0.08, 0.08, 2.0) if kind == "line" else (0.4, 0.6, 0.8)
    prop = green(kind, eye + 1.6 * R[:, 2] + 0.1 * R[:, 0], size, turn=(0.9, -0.4, 0.7))
    frame = replace(without, props=(prop,))
    v, u = np.mgrid[: SETTINGS.height, : SETTINGS.width]
    pixels = np.stack([u, v, np.ones_like(u)], axis=-1).reshape(-1, 3)[::3]
    targets = eye + pixels @ np.linalg.inv(camera.K).T @ R.T
    _, hit = scene.first_hits(frame, targets)
    images = [scene.render(f).image for f in (without, frame)]
    came = is_green(images[1]) & (np.abs(np.subtract(*images, dtype=int)).max(axis=-1) > 10)
    shown, met = came.reshape(-1)[::3], hit == OTHER
    assert met.sum() > 100
    assert (shown & met).sum() / (shown | met).sum() > 0.9


def test_a_stand_hides_what_is_below_it(scene: Scene, ur10: Robot):
    checked = 0
    for index in range(20):
        frame = bare(ur10, index)
        if frame.camera.T_world_camera[2, 3] < 0.3:
            continue
        stand = Stand("floor", (30.0, 30.0), 0.3, 0.05, (0.02, 0.6, 0.02), 1.0)
        frame = replace(frame, stand=stand)
        visibility, pixels = seen(scene, ur10, frame)
        below = ur10.keypoints_world(frame.T_world_link)[:, 2] < -0.2
        inside = labels.in_frame(pixels, SETTINGS.width, SETTINGS.height)
        assert (visibility[below & inside] == labels.HIDDEN).all()
        checked += (below & inside).sum()
        if (below & inside).any() and checked < 5:
            assert scene.render(frame).mask[-1].min() == 255
    assert checked > 5


def test_another_robot_hides_what_is_behind_it(scene: Scene, ur10: Robot):
    hidden_ones = 0
    for index in range(8):
        frame = bare(ur10, index)
        nearer = np.eye(4)
        nearer[:3, 3] = 0.5 * frame.camera.T_world_camera[:3, 3]
        other = OtherRobot("ur10", nearer @ frame.T_world_link)
        crowded = replace(frame, others=(other,))
        before, after = (seen(scene, ur10, f)[0] for f in (frame, crowded))
        assert (after <= before).all()
        hidden_ones += (after < before).sum()
        assert scene.render(crowded).mask.sum() > scene.render(frame).mask.sum()
    assert hidden_ones > 0


def test_a_robot_that_the_scene_does_not_know_is_named(scene: Scene, ur10: Robot):
    frame = bare(ur10, 0)
    stranger = OtherRobot("panda", frame.T_world_link)
    with pytest.raises(SceneError, match="'panda'; the scene has 'ur10'"):
        scene.render(replace(frame, others=(stranger,)))


def crowded(robot: Robot, index: int) -> Frame:
    """A frame with everything in it."""
    frame = bare(robot, index)
    rng = np.random.default_rng(index)
    kinds = rng.permutation(["box", "cylinder", "sphere", "cone", "line"])[: 1 + index % 5]
    aside = np.eye(4)
    aside[:2, 3] = 0.8
    return replace(
        frame,
        props=tuple(green(kind, rng.normal(0, 0.7, 3), (0.2, 0.3, 0.4)) for kind in kinds),
        stand=Stand("table", (1.0, 0.6), 0.4, 0.05, (0.4, 0.3, 0.2), 0.6),
        others=tuple(OtherRobot("ur10", aside @ frame.T_world_link) for _ in range(index % 3)),
    )


def test_the_same_frame_gives_the_same_bytes_whatever_else_was_shown(scene: Scene, ur10: Robot):
    frames = [bare(ur10, 0), *(crowded(ur10, index) for index in (1, 2, 5))]
    first = [scene.render(frame) for frame in frames]
    for index in (3, 4):
        scene.render(crowded(ur10, index))
    for frame, before in list(zip(frames, first, strict=True))[::-1]:
        again = scene.render(frame)
        np.testing.assert_array_equal(again.image, before.image)
        np.testing.assert_array_equal(again.mask, before.mask)


def test_silhouette_box_and_area_are_the_robots_alone(scene: Scene, ur10: Robot):
    for index in range(1, 4):
        frame = bare(ur10, index)
        alone = scene.silhouette(frame)
        np.testing.assert_array_equal(scene.silhouette(crowded(ur10, index)), alone)
        solid = scene.render(frame).mask >= 128
        assert (alone & solid).sum() / (alone | solid).sum() > 0.95
        sample = simulate(scene, ur10, SETTINGS, drawn(ur10, index))
        x, y, w, h = (int(n) for n in sample.labels.box)
        assert alone[y : y + h, x : x + w].sum() == alone.sum() == sample.labels.area
        assert alone[y : y + h, x].any()
        assert alone[y + h - 1, x : x + w].any()
