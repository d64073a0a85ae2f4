"""The names nearest to one that nothing has, for errors."""

import difflib
from collections.abc import Sequence

MOST = 3
"""Names that are told."""
ALIKE = 0.6
"""Of two names, 1 for the same; a name that is less like another is not told."""
BEHIND = 0.1
"""How far behind the nearest name others may be."""


def nearest(name: str, names: Sequence[str]) -> str:
    """Those names that are most like another, in words; all of them where none is and few are."""
    last = name.rpartition(".")[2]
    scores = {other: difflib.SequenceMatcher(None, name, other).ratio() for other in names}
    least = max(ALIKE, max(scores.values(), default=0.0) - BEHIND)
    alike = sorted((o for o in names if scores[o] >= least), key=lambda o: -scores[o])
    alike += [other for other in names if other.rpartition(".")[2] == last]
    found = list(dict.fromkeys(alike))[:MOST]
    if found:
        return f"nearest: {', '.join(found)}"
    return f"there are {', '.join(names)}" if len(names) <= 24 else "`--help` lists them"
