"""The check of the labels: it passes for true ones, fails for false ones, and asks pixels alone."""

import dataclasses

import numpy as np
import pytest

from blender_scenes.scene import OTHER
from blender_scenes.spec import (
    MATERIAL_SLOTS,
    Background,
    Camera,
    Environment,
    Frame,
    Material,
    Prop,
    RobotModel,
    Sun,
    Visual,
)
from jointloop.cli.check_labels import check_labels
from simulator import labels
from simulator.label_check import verdict
from simulator.label_check.measure import CheckError, check
from simulator.randomization.settings import SampleSettings
from simulator.randomization.variety import FULL, variety
from trainer.augmentation.geometry import Motion
from trainer.config.augmentation import amount

pytest.importorskip("bpy")
from blender_scenes.probes import Balls, Identity
from blender_scenes.robot_scene import RobotScene

pytestmark = pytest.mark.blender

SETTINGS = SampleSettings(width=320, height=240, variety=FULL)
LENS = (-0.25, 0.05, 0.003, -0.003, 0.0)


def quiet(line: str) -> None:
    """Say nothing."""


@pytest.fixture(scope="module", params=["full", "real"])
def report(request):
    settings = dataclasses.replace(SETTINGS, variety=variety(request.param))
    return check(settings, 3, None, quiet, Motion(amount("full"), settings.width, settings.height))


def _names(report, good: bool) -> set[str]:
    return {finding.name for finding in verdict.findings(report) if finding.good is good}


def test_true_labels_pass(report) -> None:
    assert _names(report, good=False) == set()
    assert report.sight.labelled.any()
    assert all(np.isfinite(found.error).any() for found in report.positions.values())


def test_false_labels_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    project, sight, silhouette = labels.project, labels.visibility, RobotScene.silhouette

    def shifted(camera, points):
        pixels, depth = project(camera, points)
        return pixels + np.array((0.7, 0.0)), depth

    def swapped(*given):
        seen = sight(*given)
        return np.where(seen == labels.OUTSIDE, seen, 3 - seen).astype(np.uint8)

    monkeypatch.setattr(labels, "project", shifted)
    monkeypatch.setattr(labels, "visibility", swapped)
    monkeypatch.setattr(
        RobotScene, "silhouette", lambda *given: np.roll(silhouette(*given)[::2, ::2], 4, axis=1)
    )
    false = check(SETTINGS, 1, None, quiet)
    assert _names(false, good=True) == {"outside the frame"}
    error = false.positions["pinhole"].error
    np.testing.assert_allclose(error[np.isfinite(error)], 0.7, atol=0.15)
    assert false.sight.agreement == 0


def test_the_verb_ends_with_1_where_a_bar_is_missed(report, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("simulator.label_check.measure.check", lambda *given: report)
    assert check_labels(samples=3, out=tmp_path) == 0
    assert (tmp_path / "check-labels.png").stat().st_size > 1000
    outlines = dataclasses.replace(report.outlines, area_error=np.array([0.0, 0.03, 0.0]))
    worse = dataclasses.replace(report, outlines=outlines)
    monkeypatch.setattr("simulator.label_check.measure.check", lambda *given: worse)
    assert check_labels(samples=3, out=tmp_path) == 1


def test_no_samples_are_refused() -> None:
    with pytest.raises(CheckError, match="samples is 0"):
        check(SETTINGS, 0, None, quiet)


def _frame(props=(), distortion=(0.0,) * 5) -> Frame:
    """A camera 3 m along +x, looking back at the origin."""
    T = np.eye(4)
    T[:3, :3] = np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]])
    T[0, 3] = 3
    K = np.array([[300.0, 0, 159.5], [0, 300, 119.5], [0, 0, 1]])
    return Frame(
        np.tile(np.eye(4), (2, 1, 1)),
        Camera(320, 240, K, T, distortion),
        Sun(0.3, 0.5, 1.0, 0.1, (1, 1, 1)),
        Environment("city", 0.0, 1.0),
        0.5,
        (Material((0.5, 0.5, 0.5), 0.0, 0.5, 0.0),) * MATERIAL_SLOTS,
        Background("city", "city", 0.0, 1.0),
        props=props,
    )


@pytest.mark.parametrize("distortion", [(0.0,) * 5, LENS])
def test_balls_are_seen_where_they_are(distortion) -> None:
    balls = Balls(2)
    points = np.array([[0.0, -0.9, 0.6], [0.0, 0.3, -0.2]])
    frame = _frame(distortion=distortion)
    pixels, _ = labels.project(frame.camera, points)
    for i in range(2):
        light = balls.light(frame, points, 4.0, [i])
        v, u = np.indices(light.shape)
        centre = (u * light).sum() / light.sum(), (v * light).sum() / light.sum()
        np.testing.assert_allclose(centre, pixels[i], atol=0.1)
        assert light.sum() == pytest.approx(np.pi * 16, rel=0.35)
        assert light.max() > 0.95
    balls.close()


def test_the_renderer_says_what_rays_meet_first() -> None:
    up = np.eye(4)
    up[2, 3] = 0.5
    model = RobotModel(
        "shapes",
        ("base", "tip"),
        (-1, 0),
        (
            Visual(0, np.eye(4), primitive=("box", (0.4, 0.6, 0.2))),
            Visual(1, up, primitive=("sphere", (0.1,))),
        ),
    )
    scene = RobotScene(model)
    scene.render(_frame())  # from here on Cycles knows the links
    identity = Identity(scene, farthest=8.0)
    wall = Prop("box", (2.0, 0, 0), (0, 0, 0), (0.2, 0.1, 0.1), (0.5, 0.5, 0.5), 0.5, 1 / 255)
    targets = np.array([[0, 0, 0.0], [0, 0, 0.5], [0, 1.0, 0]])
    to_ball = np.linalg.norm(targets[1] - (3, 0, 0))
    found = [identity.hit(_frame(), target) for target in targets]
    np.testing.assert_allclose([f[0] for f in found], [2.8, to_ball - 0.1, np.inf], atol=1e-3)
    assert [f[1] for f in found] == [0, 1, -1]
    distance, link = identity.hit(_frame(props=(wall,)), targets[0])
    assert distance == pytest.approx(0.9, abs=1e-3)
    assert link == OTHER
    scene.close()
