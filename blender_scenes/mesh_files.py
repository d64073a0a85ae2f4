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
_PLY_FACES = re.compile(rb"^element\s+face\s+0*[1-9]", re.MULTILINE)


def is_empty(path: Path) -> bool:
    """Whether a mesh file is sound and holds no triangles, as far as a look at it tells.

    Raises:
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    match path.suffix.lower():
        case ".dae":
            return b"COLLADA" in data and b"</" in data and not _SURFACE.search(data)
        case ".stl":
            words = data[:_STL_HEAD].split()
            text = words[:1] == [b"solid"] and b"endsolid" in data and b"facet" not in data
            return text or (len(data) == _STL_HEAD and data[-4:] == bytes(4))
        case ".obj":
            return bool(_OBJ.match(data)) and not _OBJ_FACE.search(data)
        case ".ply":
            head = data.partition(b"end_header")[0]
            return head.startswith(b"ply") and not _PLY_FACES.search(head)
    return False
