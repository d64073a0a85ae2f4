"""Mesh files before they are read: which kinds are known, and what ails or is missing in one."""

import re
from pathlib import Path

from jointloop.common.files import pointer

MESHES = (".dae", ".stl", ".obj", ".ply")
"""Kinds that can be read."""

_STL_HEAD, _STL_TRIANGLE = 84, 50
"""Bytes of a binary STL's head and of each of its triangles."""
_STL_FACET = re.compile(rb"\bfacet\s+normal\b")
_SURFACE = re.compile(
    rb"<(?:\w+:)?(?:triangles|polylist|polygons|tristrips|trifans)\b"
    rb"""(?![^>]*\scount\s*=\s*["']0["'])"""
)
_OBJ = re.compile(rb"\s*(?:#|(?:v|o|g|s|mtllib|usemtl)\s)")
_OBJ_FACE = re.compile(rb"^\s*f\s", re.MULTILINE)
_OBJ_LIBRARY = re.compile(rb"^\s*mtllib\s+(.*\S)", re.MULTILINE)
_MTL_COLOR = re.compile(rb"^\s*(newmtl|Kd)\s+(.*\S)", re.MULTILINE)
_PLY_END = b"end_header"
_PLY_FACES = re.compile(rb"^element\s+face\s+0*[1-9]", re.MULTILINE)


def is_sound(path: Path) -> bool:
    """Whether a mesh file begins and ends as its kind does.

    Raises:
        OSError: it cannot be read.
    """
    return _is_sound(path.suffix.lower(), path.read_bytes())


def fault(path: Path) -> str:
    """Why a mesh file cannot be read, as far as that shows from outside; empty if it may be sound.

    Raises:
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    if not data:
        return "it is empty"
    if hint := pointer(data):
        return hint.removeprefix("; ")
    if path.suffix.lower() != ".stl" or len(data) < _STL_HEAD:
        return ""
    if _STL_FACET.search(data) and data.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"solid"):
        begun, ended = data.count(b"facet normal"), data.count(b"endfacet")
        return (
            "" if begun == ended else f"it is cut off: of its {begun} triangles, {ended} are whole"
        )
    count = _count(data)
    there = (len(data) - _STL_HEAD) / _STL_TRIANGLE
    if there == count:
        return ""
    if data[:5].lower() == b"solid" and b"\0" not in data[:_STL_HEAD]:
        return "it is no .stl: text that begins with solid, but without any facet normal"
    return f"it is no .stl: it names {count} triangles and has room for {there:g}"


def colored_materials(path: Path) -> set[str]:
    """Names of the materials for which an OBJ file's libraries have a colour.

    Raises:
        OSError: a file cannot be read.
    """
    libraries = [lib.decode(errors="replace") for lib in _OBJ_LIBRARY.findall(path.read_bytes())]
    names = {path.stem + ".mtl", *libraries, *(word for lib in libraries for word in lib.split())}
    colored = set()
    for library in (path.parent / name for name in names):
        material = ""
        for key, value in _MTL_COLOR.findall(library.read_bytes() if library.is_file() else b""):
            if key == b"newmtl":
                material = value.decode(errors="replace")
            else:
                colored.add(material)
    return colored


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
            binary = len(data) == _STL_HEAD + _STL_TRIANGLE * _count(data)
            return binary or _is_text_stl(data)
        case ".obj":
            return bool(_OBJ.match(data))
        case ".ply":
            return data.startswith(b"ply") and _PLY_END in data
    return False


def _count(data: bytes) -> int:
    """Triangles that the head of a binary STL announces."""
    return int.from_bytes(data[_STL_HEAD - 4 : _STL_HEAD], "little")


def _is_text_stl(data: bytes) -> bool:
    return data[:_STL_HEAD].split()[:1] == [b"solid"] and b"endsolid" in data
