"""What the macro language xacro left in a URDF that nobody expanded, or not all of it."""

from collections import Counter
from xml.etree.ElementTree import Element

EXPAND = "expand its macros: xacro IN.xacro > OUT.urdf"


class Macros:
    """What xacro left in a file: refused where it may stand for what moves, else passed over.

    Args:
        root: the <robot>.
    """

    def __init__(self, root: Element) -> None:
        self.needed: list[tuple[str, Element]] = []
        """Where one may stand for a link, joint, origin, axis, limit or geometry, and which."""
        self._seen: Counter[str] = Counter()
        makers = {
            element.get("name", "").partition(":")[2] or element.get("name", "")
            for element in root
            if element.tag == f"{_MACRO}macro" and _makes_parts(element)
        }
        for element in root:
            if element.tag.startswith(_MACRO):
                self._root(element, makers)
            elif element.tag in ("link", "joint"):
                self._inside(element, f"{element.tag} {element.get('name')!r}:")
            else:
                self._seen.update(e.tag for e in element.iter() if e.tag.startswith(_MACRO))

    @property
    def hint(self) -> str:
        """What to add to an error about something missing."""
        return f"; {', '.join(self._seen)} may stand for more: {EXPAND}" if self._seen else ""

    @property
    def notes(self) -> list[str]:
        """A line on each kind that was passed over."""
        return [
            f"<{tag}> is a macro that was not expanded; passed over" + (f", {n} times" * (n > 1))
            for tag, n in self._seen.items()
        ]

    def _root(self, element: Element, makers: set[str]) -> None:
        name = element.tag.removeprefix(_MACRO)
        calls = name in makers or (name == "call" and element.get("macro") in makers)
        if name in _PARTS or calls or (name != "macro" and _makes_parts(element)):
            self.needed.append(("at the root,", element))
        self._seen[element.tag] += 1

    def _inside(self, element: Element, where: str) -> None:
        """Look into a link or joint, and what stands in it and matters."""
        for child in element:
            if child.tag.startswith(_MACRO):
                names = {child.tag.removeprefix(_MACRO), child.get("name", "")}
                shapes = element.tag == "link" and next(child.iter("geometry"), None) is not None
                if shapes or names & _PARTS or _lacks(element):
                    self.needed.append((where, child))
                self._seen[child.tag] += 1
            elif child.tag in ("visual", "geometry"):
                self._inside(child, where)


_MACRO = "xacro:"
_PARTS = {"link", "joint", "origin", "axis", "limit", "geometry", "parent", "child", "mimic"}


def _makes_parts(element: Element) -> bool:
    return any(child.tag.removeprefix(_MACRO) in _PARTS for child in element.iter())


def _lacks(element: Element) -> bool:
    """Whether an element is not whole, so that a macro in it may stand for what matters."""
    wanted = {"visual": ["geometry"], "joint": ["parent", "child", "origin"]}.get(element.tag, [])
    if element.tag == "joint":
        kind = element.get("type", "")
        wanted += {"continuous": ["axis"], "fixed": []}.get(kind, ["axis", "limit"])
    return element.tag == "geometry" or any(element.find(tag) is None for tag in wanted)
