"""Mesh files before they are read: which kinds are known, and whether one holds any triangles."""

import re
from pathlib import Path

MESHES = (".dae", ".stl", ".obj", ".ply")
"""Kinds that can be read."""

_STL_HEAD, _STL_TRIANGLE = 84, 50
"""Bytes of a binary STL's head and of each of its triangles."""
_SURFACE = re.compile(
    rb"<(?:\w+:)?(?:triangles|polylist|polygons|tristrips|trifans)\b"
    rb"""(?![^>]*\scount\s*=\s*["']0["'])"""
)
_OBJ = re.compile(rb"\s*(?:#|(?:v|o|g|s|mtllib|usemtl)\s)")
_OBJ_FACE = re.compile(rb"^\s*f\s", re.MULTILINE)
_PLY_END = b"end_header"
_PLY_FACES = re.compile(rb"^element\s+face\s+0*[1-9]", re.MULTILINE)


def is_sound(path: Path) -> bool:
    """Whether a mesh file begins and ends as its kind does.

    Raises:
        OSError: it cannot be read.
    """
    return _is_sound(path.suffix.lower(), path.read_bytes())


def is_empty(path: Path) -> bool:
    """Whether a mesh file is sound and lists no triangles.

    Raises:
        OSError: it cannot be read.
    """
    kind, data = path.suffix.lower(), path.read_bytes()
    if not _is_sound(kind, data):
        return False
    match kind:
        case ".dae":
            return not _SURFACE.search(data)
        case ".stl":
            return b"facet" not in data if _is_text_stl(data) else len(data) == _STL_HEAD
        case ".obj":
            return not _OBJ_FACE.search(data)
    return not _PLY_FACES.search(data.partition(_PLY_END)[0])


def _is_sound(kind: str, data: bytes) -> bool:
    match kind:
        case ".dae":
            return b"COLLADA" in data and b"</" in data
        case ".stl":
            count = int.from_bytes(data[_STL_HEAD - 4 : _STL_HEAD], "little")
            binary = len(data) == _STL_HEAD + _STL_TRIANGLE * count
            return binary or _is_text_stl(data)
        case ".obj":
            return bool(_OBJ.match(data))
        case ".ply":
            return data.startswith(b"ply") and _PLY_END in data
    return False


def _is_text_stl(data: bytes) -> bool:
    return data[:_STL_HEAD].split()[:1] == [b"solid"] and b"endsolid" in data
