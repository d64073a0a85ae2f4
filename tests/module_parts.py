"""The modules of the packages, and who imports whom: what the source says, nothing is imported."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("blender_scenes", "simulator", "feedback", "trainer", "jointloop")
"""Each imports from those before it; `jointloop` itself and `jointloop.common` are for all."""


def _name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of ours by its full name; a package goes by the name of its folder."""
    files = [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]
    return {_name(file): ast.parse(file.read_text()) for file in files}


@cache
def imported(module: str) -> frozenset[str]:
    """Full names of all that a module imports, of ours and others.

    Imports within functions count, and those for type checkers: who names a thing knows it. That a
    module's parents are loaded before it does not count.
    """
    names: set[str] = set()
    for node in ast.walk(modules()[module]):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, f"{module} imports relatively"
            assert not node.level, f"{module} imports relatively"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                names.add(whole if whole in modules() else node.module)
    return frozenset(names)


@cache
def arrows() -> frozenset[tuple[str, str]]:
    """(importer, imported) for all modules of ours."""
    ours = modules()
    return frozenset((m, name) for m in ours for name in imported(m) if name in ours)


def package(module: str) -> str:
    """The outermost folder of a module."""
    return module.partition(".")[0]


def entry(module: str) -> str:
    """The file or folder of its package that a module belongs to; '' for the package itself."""
    return module.partition(".")[2].partition(".")[0]


def entries(of: str) -> set[str]:
    """All entries of a package but itself."""
    return {entry(m) for m in modules() if package(m) == of} - {""}


def within(module: str, *places: str) -> bool:
    """Whether a module is one of these places or lies in one."""
    return any(module == place or module.startswith(f"{place}.") for place in places)
