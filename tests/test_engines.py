"""Engines: what cannot draw here is said in one line, what can draws the robot where it is."""

import subprocess
from dataclasses import replace

import numpy as np
import pytest

from blender_scenes import engines
from blender_scenes.engines import EngineError, need
from simulator.randomization import hidden
from simulator.randomization.assignment import Assignment
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings
from simulator.robot import Robot

pytest.importorskip("bpy")
from blender_scenes.film import ENGINES
from blender_scenes.robot_scene import RobotScene

pytestmark = pytest.mark.blender


@pytest.fixture(autouse=True)
def _forget():
    need.cache_clear()
    yield
    need.cache_clear()


def _ended(monkeypatch, returncode: int = 0, stdout: str = "", stderr: str = "") -> None:
    done = subprocess.CompletedProcess([], returncode, stdout, stderr)
    monkeypatch.setattr(engines.subprocess, "run", lambda *_, **__: done)


def test_what_needs_no_trial_is_not_tried(monkeypatch) -> None:
    monkeypatch.delattr(engines.subprocess, "run")
    assert need("cycles") is None
    assert need("stick") is None
    with pytest.raises(EngineError, match="CPU alone; leave out --device gpu"):
        need("stick", "gpu")


def test_a_crash_of_the_trial_becomes_one_line(monkeypatch) -> None:
    _ended(monkeypatch, -6)
    with pytest.raises(EngineError, match=r"'eevee'.*SIGABRT.*EGL.*use --engine cycles") as caught:
        need("eevee")
    assert "\n" not in str(caught.value)


def test_a_trial_without_end_becomes_one_line(monkeypatch) -> None:
    def slow(*_, **kept):
        raise subprocess.TimeoutExpired("x", kept["timeout"])

    monkeypatch.setattr(engines.subprocess, "run", slow)
    with pytest.raises(EngineError, match=r"'workbench'.*within 300 s.*use --engine cycles"):
        need("workbench")


def test_a_scenes_own_error_is_passed_on(monkeypatch) -> None:
    _ended(monkeypatch, 1, stderr="Traceback\njointloop.common.errors.SceneError: no GPU\n")
    with pytest.raises(EngineError, match=r"^engine 'cycles': no GPU$"):
        need("cycles", "gpu")


def test_drawing_in_software_is_said_and_is_no_gpu(monkeypatch) -> None:
    _ended(monkeypatch, stdout="noise\ndrawn with in software (llvmpipe)\n")
    said = need("eevee")
    assert said is not None
    assert "in software (llvmpipe)" in said
    with pytest.raises(EngineError, match="on no GPU; use --engine cycles --device cpu"):
        need("eevee", "gpu")


def test_a_gpu_needs_no_words(monkeypatch) -> None:
    _ended(monkeypatch, stdout="drawn with NVIDIA H200\n")
    assert need("eevee", "gpu") is None


def test_cycles_draws_in_the_trial() -> None:
    assert engines._tried("cycles", "cpu") == "Cycles on the CPU"


@pytest.mark.parametrize("engine", ["workbench", pytest.param("eevee", marks=pytest.mark.slow)])
def test_other_engines_draw_the_robot_where_it_is(engine) -> None:
    """Where they can: each stands by its own rasteriser, and labels are the same for all."""
    try:
        need(engine)
    except EngineError as error:
        pytest.skip(str(error))
    robot, settings = Robot.named("ur10"), SampleSettings(width=160, height=120)
    prior = JointPrior.uniform(robot.lower, robot.upper, settings.bins)
    scene = RobotScene(robot.model, spp=4, detail=0.1, engine=engine)
    drawn = hidden.draw(robot, settings, Assignment.of(prior), 0, 0)
    bent = replace(drawn.view, distortion=(-0.1, 0.01, 0.002, -0.001, 0.0))
    for view in (drawn.view, bent):
        frame = hidden.frame(robot, replace(drawn, view=view), 160, 120)
        rendered = scene.render(frame)
        solid, shape = rendered.mask >= 128, scene.silhouette(frame)
        assert (solid & shape).sum() / (solid | shape).sum() > 0.93
        assert rendered.image[solid].std() > 5
    assert scene.scene.render.engine == ENGINES[engine]
    np.testing.assert_array_equal(rendered.image.shape, (120, 160, 3))
    scene.close()
