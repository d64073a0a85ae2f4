"""Imports point one way, and each heavy dependency has one home."""

import ast
import graphlib
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


LAYERS = ("robot", "labels", "randomization", "sample", "sample_maker", "transport", "fleet")
"""Of the simulator, each on those before it; recordings lie on all but the transport."""
MODULES = {".".join(f.relative_to(ROOT).with_suffix("").parts): f for f in FILES}
MODULES = {name.removesuffix(".__init__"): file for name, file in MODULES.items()}


def needs(name: str) -> set[str]:
    """The modules of ours that a module imports, wherever in it; for types alone does not count."""
    tree = ast.parse(MODULES[name].read_text())
    typing = [n for n in ast.walk(tree) if _for_types(n)]
    left_out = {id(inner) for block in typing for inner in ast.walk(block)}
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and id(node) not in left_out:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inner & set(MODULES) or {node.module}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & set(MODULES) - {name}


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def test_imports_make_no_circle() -> None:
    graph = {name: needs(name) for name in MODULES}
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) == len(MODULES)


def part(name: str) -> str:
    """Of the simulator, that a module belongs to."""
    return name.split(".")[1] if name.startswith("simulator.") else ""


@pytest.mark.parametrize("layer", LAYERS)
def test_the_simulator_lies_in_layers(layer: str) -> None:
    later = {*LAYERS[LAYERS.index(layer) + 1 :], "recordings"}
    for name in MODULES:
        if part(name) == layer:
            assert not {part(other) for other in needs(name)} & later, name


def test_what_a_recording_keeps_does_not_come_from_the_wire() -> None:
    for name in MODULES:
        if part(name) == "recordings":
            assert "transport" not in {part(other) for other in needs(name)}, name
