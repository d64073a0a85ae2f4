"""XML as people bring it: with byte order marks, in any encoding, with prefixes nobody declared.

Prefixes are kept as they are written, `xacro:include`, and what they stand for is not looked up: a
file that names one without declaring it is read like any other.
"""

import codecs
import re
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_BARE = {b"<\0": "utf-16-le", b"\0<": "utf-16-be"}
"""How texts begin that have no mark."""
_DECLARED = re.compile(rb"""<\?xml[^>]*?\bencoding\s*=\s*["']([\w.:-]+)["']""")


class MarkupError(ValueError):
    """Text that is no XML; says where."""


def read_markup(path: Path) -> Element:
    """The root element of an XML file.

    Raises:
        OSError: the file cannot be read.
        MarkupError: it is no XML.
    """
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(_decoded(path.read_bytes()).lstrip(), True)
    except expat.ExpatError as error:
        raise MarkupError(str(error)) from None
    return builder.close()


def _decoded(data: bytes) -> str:
    """The text; bytes that are none in its encoding stand in comments and are kept as Latin-1."""
    mark = next((mark for mark in _MARKS if data.startswith(mark)), b"")
    declared = _DECLARED.match(data.lstrip()[:200])
    encoding = _MARKS.get(mark) or _BARE.get(data[:2]) or "utf-8"
    # A declaration that reads as bytes is not in UTF-16, whatever it claims.
    if not mark and declared and not declared[1].lower().startswith((b"utf-16", b"utf-32")):
        encoding = declared[1].decode()
    try:
        return data[len(mark) :].decode(encoding)
    except LookupError:
        raise MarkupError(f"its encoding {encoding!r} is not known") from None
    except UnicodeDecodeError:
        return data[len(mark) :].decode("latin-1")
