"""Imports point one way, between packages and within them; each heavy dependency has one home; no
file and no function outgrows a reader."""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Callable

import pytest
from module_parts import (
    PACKAGES,
    ROOT,
    arrows,
    entries,
    entry,
    imported,
    modules,
    package,
    within,
)

COMMON = "jointloop.common"
ORDER = {
    "blender_scenes": (
        "processing_spec spec scene blender lens pictures photos clutter background outline solids "
        "collada_polygons collada mesh_files meshes lightmaps shading appearance figures shapes "
        "film sensor processing robot_scene stick_scene stick_batch probes engines"
    ),
    "simulator": (
        "robot labels randomization sample drawing sample_maker transport fleet recordings "
        "label_check"
    ),
    "feedback": "selection posterior rules chance controller history report",
    "trainer": (
        "config batch beliefs augmentation data models metrics weights distributed learning "
        "evaluation inference gap pose runs loop run_options open_source session preflight"
    ),
    "jointloop": "common api annotate cli __main__",
}
"""Files and folders of each package; each imports from those before it."""
DOORS = {"trainer": 20, "simulator": 10}
HOMES = {
    "bpy": "blender_scenes.blender",
    "bmesh": "blender_scenes.blender",
    "mathutils": "blender_scenes.blender",
    "trimesh": "simulator.robot",
    "zmq": "simulator.transport",
    "ray": "simulator.fleet.cluster",
    "torch": "trainer",
    "starlette": "jointloop.annotate",
    "uvicorn": "jointloop.annotate",
    "prometheus_client": "simulator.fleet.metrics",
}
"""Of heavy dependencies; but the doctor asks torch for the name of the GPU."""
FILE_LINES = 320
LONGER_FILES: dict[str, int] = {}
FUNCTION_LINES = 60
LONGER_FUNCTIONS = {
    "jointloop/api/training.py train": 70,
    "jointloop/cli/record.py record": 76,
    "jointloop/cli/evaluate.py evaluate": 76,
    "jointloop/cli/pose.py pose": 70,
    "jointloop/cli/replay.py replay": 67,
}
"""What is longer today, and how long; it may only shrink, and is struck out when it fits."""


def users_of(*names: str) -> set[str]:
    return {m for m in modules() if any(within(name, *names) for name in imported(m))}


def shown(wrong: set[tuple[str, str]]) -> list[str]:
    return sorted(f"{importer} -> {name}" for importer, name in wrong)


def test_imports_point_from_the_command_line_towards_the_scenes() -> None:
    place = {name: i for i, name in enumerate(PACKAGES)}
    up = {(a, b) for a, b in arrows() if place[package(b)] > place[package(a)]}
    assert shown({(a, b) for a, b in up if not (b == "jointloop" or within(b, COMMON))}) == []


def test_what_all_packages_share_imports_none_of_them() -> None:
    assert shown({(a, b) for a, b in arrows() if within(a, COMMON) and not within(b, COMMON)}) == []


def test_no_imports_go_in_a_circle() -> None:
    sorter = graphlib.TopologicalSorter[str]()
    for importer, name in arrows():
        sorter.add(importer, name)
    sorter.prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("name", PACKAGES)
def test_no_arrow_points_upwards_inside_a_package(name: str) -> None:
    place = {name: i for i, name in enumerate(ORDER[name].split())}
    assert sorted(place) == sorted(entries(name))
    inside = {(a, b) for a, b in arrows() if package(a) == package(b) == name}
    between = {(a, b) for a, b in inside if entry(a) and entry(b)}
    assert shown({(a, b) for a, b in between if place[entry(b)] > place[entry(a)]}) == []


def test_recordings_know_nothing_of_the_wire() -> None:
    users = users_of("simulator.transport")
    assert {m for m in users if within(m, "simulator.recordings")} == set()


@pytest.mark.parametrize("name", DOORS)
def test_a_package_has_few_doors(name: str) -> None:
    assert len(entries(name)) <= DOORS[name]


@pytest.mark.parametrize("heavy", HOMES)
def test_a_heavy_dependency_stays_in_its_home(heavy: str) -> None:
    strangers = {m for m in users_of(heavy) if not within(m, HOMES[heavy])}
    assert {m for m in strangers if entry(m) != "cli" or not m.endswith(".doctor")} == set()


def test_nothing_unpickles() -> None:
    assert users_of("pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal") == set()


SAFE = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
}
"""What has to be said so that nothing is unpickled."""
NEVER = {"eval", "exec", "torch.jit.load", "torch.hub.load", "yaml.unsafe_load", "yaml.full_load"}


def calls(text: str) -> list[tuple[str, dict[str, object]]]:
    """Every call in a source, with its keywords that are constants."""
    found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    return [
        (
            ast.unparse(node.func),
            {
                k.arg: k.value.value
                for k in node.keywords
                if k.arg and isinstance(k.value, ast.Constant)
            },
        )
        for node in found
    ]


def test_what_could_unpickle_or_run_a_file_is_told_not_to() -> None:
    seen = set()
    for file, text in sources().items():
        for name, said in calls(text):
            assert name not in NEVER, file
            if name in SAFE:
                keyword, value = SAFE[name]
                assert said.get(keyword) is value, f"{file}: {name} without {keyword}={value}"
                seen.add(name)
    assert {"torch.load", "np.load"} <= seen  # the test looks where they are


def test_the_package_itself_loads_nothing_heavy() -> None:
    check = (
        "import sys, jointloop\n"
        "print(*sorted({'torch', 'bpy', 'zmq', 'cv2'} & set(sys.modules)), sep=' ')"
    )
    told = subprocess.run(
        [sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == ""


def sources() -> dict[str, str]:
    files = [f for name in (*PACKAGES, "benchmarks") for f in (ROOT / name).rglob("*.py")]
    return {str(file.relative_to(ROOT)): file.read_text() for file in files}


def functions() -> dict[str, int]:
    """Lines of every function with its signature, without its decorators."""
    found: dict[str, int] = {}
    for file, text in sources().items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                key = f"{file} {node.name}"
                found[key] = max(found.get(key, 0), node.end_lineno - node.lineno + 1)
    return found


def files() -> dict[str, int]:
    return {file: len(text.splitlines()) for file, text in sources().items()}


@pytest.mark.parametrize(
    ("measure", "bar", "longer"),
    [(files, FILE_LINES, LONGER_FILES), (functions, FUNCTION_LINES, LONGER_FUNCTIONS)],
    ids=["files", "functions"],
)
def test_length_stays_under_its_bar(
    measure: Callable[[], dict[str, int]], bar: int, longer: dict[str, int]
) -> None:
    measured = measure()
    assert {k: n for k, n in measured.items() if n > longer.get(k, bar)} == {}
    assert {k for k in longer if measured.get(k, 0) <= bar} == set()  # strike out what fits
