"""Imports point one way, and each heavy dependency has one home."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ORDER = ("blender_scenes", "simulator", "feedback", "trainer", "jointloop")
HOMES = {
    "bpy": "blender_scenes",
    "mathutils": "blender_scenes",
    "zmq": "simulator",
    "torch": "trainer",
}
FILES = sorted(f for folder in ORDER for f in (ROOT / folder).rglob("*.py"))


def imports(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def targets(file: Path) -> set[str]:
    """Whole names of what a file imports from."""
    nodes = ast.walk(ast.parse(file.read_text()))
    return {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_imports_point_from_the_command_line_towards_the_scenes(file: Path) -> None:
    parts = file.relative_to(ROOT).parts
    folder = "blender_scenes" if parts[:2] == ("jointloop", "common") else parts[0]
    later = set(ORDER[ORDER.index(folder) + 1 :])
    ours = {name for name in targets(file) if not name.startswith("jointloop.common")}
    assert not {name.split(".")[0] for name in ours} & later


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_heavy_dependencies_stay_in_their_folders(file: Path) -> None:
    folder = file.relative_to(ROOT).parts[0]
    if file.name == "doctor.py":  # it asks torch for the name of the GPU
        return
    assert not {name for name in imports(file) if HOMES.get(name, folder) != folder}


def test_nothing_unpickles() -> None:
    for file in FILES:
        assert not imports(file) & {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def test_only_the_transport_imports_zmq() -> None:
    users = {f.parent for f in FILES if "zmq" in imports(f)}
    assert users == {ROOT / "simulator" / "transport"}


def test_blender_is_imported_in_one_place() -> None:
    users = {f.name for f in FILES if imports(f) & {"bpy", "bmesh", "mathutils"}}
    assert users == {"blender.py"}
