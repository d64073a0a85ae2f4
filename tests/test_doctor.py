"""What the doctor finds on machines that lack something."""

import ctypes
import importlib.metadata
import importlib.util
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cli_parts import jointloop
from hypothesis import given
from hypothesis import strategies as st

from jointloop.cli.doctor import LIBRARIES, Finding, examine

README = Path(__file__).parent.parent / "README.md"


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rendering that costs nothing."""
    monkeypatch.setattr("jointloop.cli.doctor.RENDER", "print('drawn')")


def without_libraries(patch: pytest.MonkeyPatch, missing: set[str]) -> None:
    load = ctypes.CDLL

    def found(name: str | None, *more: Any, **options: Any) -> ctypes.CDLL:
        if name in missing:
            raise OSError(f"{name}: cannot open shared object file")
        return load(name, *more, **options)

    patch.setattr(ctypes, "CDLL", found)


def without_package(patch: pytest.MonkeyPatch, missing: str) -> None:
    find, distribution = importlib.util.find_spec, importlib.metadata.distribution

    def installed(name: str) -> importlib.metadata.Distribution:
        if name == missing:
            raise importlib.metadata.PackageNotFoundError(name)
        return distribution(name)

    patch.setitem(sys.modules, missing, None)
    patch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == missing else find(name)
    )
    patch.setattr(importlib.metadata, "distribution", installed)  # where versions come from


def findings() -> dict[str, Finding]:
    return {finding.name: finding for finding in examine()}


def finding(name: str) -> Finding:
    """Looks no further than that."""
    return next(found for found in examine() if found.name == name)


@pytest.mark.blender
def test_a_whole_machine_is_ready(capsys: pytest.CaptureFixture[str]) -> None:
    assert jointloop("doctor") == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert last == "ready"
    states = {name: state for state, name, *_ in map(str.split, lines)}
    assert "fail" not in states.values()
    for name in ("python", "libraries", "bpy", "torch", "robot", "scratch", "rendering"):
        assert states[name] == "ok"
    assert "one image of the UR10: 160x120, 7 keypoints, robot of " in lines[-1]


@given(missing=st.sets(st.sampled_from(sorted(LIBRARIES))))
def test_the_command_that_brings_missing_libraries_is_exact(missing: set[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        without_libraries(patch, missing)
        found = finding("libraries")
    if not missing:
        assert (found.state, found.text) == ("ok", f"all {len(LIBRARIES)} that bpy links to")
        return
    assert found.state == "fail"
    before, command, packages = found.text.partition("apt-get install ")
    assert (before, command) == ("missing; run: ", "apt-get install ")
    assert sorted(packages.split()) == sorted(LIBRARIES[library] for library in missing)


def test_a_missing_library_is_said_with_its_remedy_and_exit_code_1(
    drawn: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    without_libraries(monkeypatch, {"libXi.so.6", "libGL.so.1"})
    assert jointloop("doctor") == 1
    lines = capsys.readouterr().out.splitlines()
    assert "fail  libraries   missing; run: apt-get install libxi6 libgl1" in lines
    assert lines[-1] == "something is missing"


def test_readme_names_the_libraries_that_the_doctor_looks_for() -> None:
    (line,) = (line for line in README.read_text().splitlines() if "apt-get install" in line)
    assert line.split("python3.11-venv")[1].split() == list(LIBRARIES.values())


def test_a_machine_without_blender_can_train(
    drawn: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    without_package(monkeypatch, "bpy")
    found = findings()
    assert "libraries" not in found
    assert (found["bpy"].state, found["rendering"].state) == ("note", "note")
    assert "simulators need it: pip install 'jointloop[blender]'" in found["bpy"].text
    assert "can train, but not render" in found["rendering"].text
    assert jointloop("doctor") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "ready"


def test_a_machine_without_torch_can_render(drawn: None, monkeypatch: pytest.MonkeyPatch) -> None:
    without_package(monkeypatch, "torch")
    found = findings()
    assert found["torch"].state == "note"
    assert "the trainer needs it: pip install 'jointloop[train]'" in found["torch"].text
    assert "gpu" not in found
    assert found["rendering"].state == "ok"


def test_a_full_scratch_disk_is_a_fault(
    drawn: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=3 << 20))
    assert jointloop("doctor") == 1
    (line,) = (line for line in capsys.readouterr().out.splitlines() if " scratch " in line)
    assert line.startswith("fail  scratch     3 MB free in /")


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import os; os.abort()", "ended with status -6"),
        ("import os; os.write(2, b'Error: no such symbol'); os._exit(3)", "no such symbol"),
        ("raise RuntimeError('no camera')", "RuntimeError: no camera"),
    ],
    ids=["crash", "library", "error"],
)
def test_a_rendering_that_takes_its_process_with_it_is_one_line(
    program: str,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jointloop.cli.doctor.RENDER", program)
    assert jointloop("doctor") == 1
    *_, rendering, last = capsys.readouterr().out.splitlines()
    assert rendering.startswith("fail  rendering ")
    assert said in rendering
    assert last == "something is missing"


def test_a_robot_whose_mesh_is_missing_is_a_fault_that_names_it(
    drawn: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_file = Path.is_file
    monkeypatch.setattr(Path, "is_file", lambda path: path.name != "forearm.dae" and is_file(path))
    found = findings()["robot ur10"]
    assert found.state == "fail"
    assert "forearm.dae" in found.text
    assert "base.dae" not in found.text
