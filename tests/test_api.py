"""The public API: what `import jointloop` gives, what it costs, and what it does."""

import ast
import json
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

import jointloop
from feedback.history import read_history
from jointloop import JointPrior, SampleSettings, preset
from trainer.config.config import Config, ConfigError

ROOT = Path(__file__).parent.parent
PACKAGES = ("jointloop", "blender_scenes", "simulator", "feedback", "trainer")
SMALL = SampleSettings(width=64, height=48)


def imported_by(statement: str) -> set[str]:
    """Top-level modules that a new process has after a statement."""
    code = f"{statement}\nimport sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("statement", ["import jointloop", "import jointloop.common.errors"])
def test_the_package_itself_imports_nothing_heavy(statement: str) -> None:
    heavy = {"torch", "bpy", "zmq", "cv2", "numpy", "scipy", "msgspec", "tyro", "rich"}
    assert not imported_by(statement) & {*heavy, *PACKAGES[1:]}


def test_rendering_from_python_needs_no_torch_and_training_names_no_blender() -> None:
    assert "torch" not in imported_by("from jointloop import render, samples, record")
    assert "bpy" not in imported_by("from jointloop import train, Detector")


def test_every_public_name_loads_and_stands_where_type_checkers_look() -> None:
    tree = ast.parse((ROOT / "jointloop" / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    checked = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert checked == jointloop._HOMES
    assert {*checked, "__version__"} == set(jointloop.__all__)
    for name in jointloop.__all__:
        assert getattr(jointloop, name) is getattr(jointloop, name)
        assert name in dir(jointloop)
    assert jointloop.__version__ == version("jointloop")


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'jointloop' has no attribute 'traim'"):
        _ = jointloop.traim


def test_what_needs_torch_says_so_where_there_is_none() -> None:
    code = "import sys; sys.modules['torch'] = None; import jointloop; jointloop.train"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    said = "JointloopError: jointloop.train needs PyTorch: pip install 'jointloop[train]'"
    assert done.stderr.splitlines()[-1].endswith(said)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_says_that_it_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def test_a_type_checker_sees_the_types(tmp_path: Path) -> None:
    script = tmp_path / "user.py"
    script.write_text(
        "import jointloop\n"
        "reveal_type(jointloop.render('ur10').image)\n"
        "reveal_type(jointloop.train('tiny', 'runs/a', workers=2).weights)\n"
        "reveal_type(jointloop.Detector.open('w.onnx').detect([]).pixels)\n"
        "jointloop.render('ur10', engine='povray')\n"
    )
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run([*command, script], capture_output=True, text=True, cwd=ROOT)
    said = [d["message"] for d in json.loads(done.stdout)["generalDiagnostics"]]
    assert ["ndarray" in said[0], "Path" in said[1], "ndarray" in said[2]] == [True] * 3
    assert len(said) == 4
    assert "\"Literal['povray']\" is not assignable" in said[3]


def test_one_sample_is_the_same_as_among_others() -> None:
    several = list(jointloop.samples(SMALL, [4, 2], engine="stick"))
    one = jointloop.render(SMALL, 2, engine="stick")
    assert one.hidden == several[1].hidden
    assert one.hidden != several[0].hidden
    np.testing.assert_array_equal(one.image, several[1].image)
    np.testing.assert_array_equal(one.belief, several[1].belief)


def test_a_robots_name_stands_for_settings_with_it() -> None:
    by_name = jointloop.render("panda", 1, engine="stick")
    by_settings = jointloop.render(SampleSettings(robot="panda"), 1, engine="stick")
    np.testing.assert_array_equal(by_name.image, by_settings.image)


def test_a_prior_of_another_robot_is_refused() -> None:
    prior = JointPrior.uniform(-np.ones(3), np.ones(3), 16)
    with pytest.raises(jointloop.JointloopError, match=r"\(3, 16\); expected \(6, 16\)"):
        jointloop.render(SMALL, prior=prior, engine="stick")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"index": -1}, "index is -1; expected a whole number of 0 to"),
        ({"index": "a"}, "index is 'a'; expected a whole number of 0 to"),
        ({"index": 1.5}, "index is 1.5; expected a whole number"),
        ({"worker": -2}, "worker is -2; expected a whole number"),
        ({"split": "val"}, "split is 'val'; expected one of train, heldout"),
        ({"engine": "povray"}, "engine is 'povray'; expected one of cycles, eevee, workbench, st"),
        ({"device": "tpu"}, "device is 'tpu'; expected one of cpu, gpu"),
    ],
    ids=lambda given: str(given) if isinstance(given, dict) else "",
)
def test_what_makes_no_sense_is_refused_with_what_would(given: dict, said: str) -> None:
    with pytest.raises(jointloop.JointloopError) as caught:
        jointloop.render(SMALL, **({"engine": "stick"} | given))
    assert str(caught.value).startswith(said)


def test_indices_may_be_of_numpy() -> None:
    (one,) = jointloop.samples(SMALL, np.array([3]), engine="stick")
    assert one.hidden.provenance.index == 3


@pytest.mark.blender
def test_a_sample_of_blender_from_python() -> None:
    sample = jointloop.render(SMALL, spp=1)
    assert sample.image.shape == (48, 64, 3)
    assert 0 < (sample.mask > 127).mean() < 1


def test_a_recording_from_python_is_whole(tmp_path: Path) -> None:
    made = jointloop.record(SMALL, tmp_path / "r", 12, workers=1, shard_samples=5, engine="stick")
    assert (made.count(), made.missing, made.about.held_out) == (12, [], 1)
    for folder in (tmp_path / "r", str(tmp_path / "r")):
        assert jointloop.Recording.open(folder) == made


def quick() -> Config:
    config = replace(preset("tiny"), settings=SMALL, epochs=2, epoch_samples=32)
    return replace(config, stream=replace(config.stream, held_out=12))


def lowest(losses: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """A rule of a user's."""
    return np.argsort(losses)[:3]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "r"
    jointloop.record(SMALL, folder, 60, held_out=12, engine="stick")
    return folder


def test_a_run_from_python_keeps_what_a_run_keeps(tmp_path: Path, capsys) -> None:
    run = jointloop.train(
        quick(), tmp_path / "a", workers=1, engine="stick", rule=lowest, quiet=True
    )
    assert capsys.readouterr().out == ""
    assert run.summary == json.loads((run.folder / "summary.json").read_text())
    history = read_history(run.folder)
    assert [entry["rule"] for entry in history] == [None, "lowest", "lowest"]
    assert [len(entry["selected"]) for entry in history] == [0, 3, 3]
    assert run.report().is_file()
    detector = jointloop.Detector.open(run.weights)
    image = jointloop.render(SMALL, engine="stick").image
    assert detector.detect([image]).pixels.shape == (1, 7, 2)


def test_a_run_that_was_stopped_goes_on_with_its_rule(
    tmp_path: Path, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopping(losses: np.ndarray, bins: np.ndarray) -> np.ndarray:
        stopping.asked += 1
        if stopping.asked == 2:
            raise KeyboardInterrupt
        return np.argsort(losses)[:3]

    stopping.asked = 0  # type: ignore[attr-defined]
    arguments = {"recording": recording, "quiet": True, "tensorboard": False}
    with pytest.raises(KeyboardInterrupt):
        jointloop.train(quick(), tmp_path / "a", rule=stopping, **arguments)
    resumed = arguments | {"resume": True}
    with pytest.raises(jointloop.JointloopError, match=r"rule .*stopping selected"):
        jointloop.train(quick(), tmp_path / "a", **resumed)
    other = replace(quick(), batch_size=16)
    with pytest.raises(ConfigError, match="began with batch_size 8, not 16"):
        jointloop.train(other, tmp_path / "a", rule=stopping, **resumed)
    longer = replace(quick(), epochs=3)
    run = jointloop.train(longer, tmp_path / "a", rule=stopping, **resumed)
    assert run.summary["epochs"] == 3


def test_a_run_has_one_source(tmp_path: Path) -> None:
    for sources in ({}, {"workers": 1, "bind": "tcp://127.0.0.1:*"}):
        with pytest.raises(ConfigError, match="expected one of the three"):
            jointloop.train("tiny", tmp_path / "a", **sources)
    assert not (tmp_path / "a").exists()
