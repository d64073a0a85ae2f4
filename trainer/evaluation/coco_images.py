"""Where the images of a COCO file lie.

A file names them as the tool that wrote it saw them: with back-slashes, under a folder of another
machine, in an address. Such a name is taken from its end: as many of its last parts as lead to a
file from a folder where images may lie, the whole name first.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote


@dataclass(frozen=True)
class Located:
    """The file of one image."""

    path: Path | None
    """None if there is none, or several images could be meant by it."""
    whole: bool
    """Whether its whole name led there."""


def locate(names: Sequence[str], labels: Path, images: Path | None) -> list[Located]:
    """Where images lie.

    Args:
        names: of the images, as a COCO file has them.
        labels: the COCO file.
        images: folder that names begin from; by default the file's own, or one of those that tools
            put beside it.
    """
    folders = (images,) if images else tuple(_folders(labels))
    located = [_locate(name, folders) for name in names]
    claims = Counter(one.path for one in located)
    wholes = {one.path for one in located if one.whole}
    return [
        Located(None, False)
        if not one.whole and (claims[one.path] > 1 or one.path in wholes)
        else one
        for one in located
    ]


def _folders(labels: Path) -> Iterator[Path]:
    """Where tools put images that belong to a file of labels."""
    subset = labels.stem.rpartition("_")[2]  # as in person_keypoints_val2017
    yield labels.parent
    for folder in (labels.parent, labels.parent.parent):
        yield from (folder / "images", folder / "images" / subset, folder / subset)


def _locate(name: str, folders: Sequence[Path]) -> Located:
    for path, whole in _candidates(name):
        for folder in folders:
            if _is_file(folder / path):
                return Located(folder / path, whole)
    return Located(None, False)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # longer than any file's name
        return False


def _candidates(name: str) -> Iterator[tuple[str, bool]]:
    """Names to try, and whether each is the whole name."""
    # Label Studio serves local files as .../?d=FOLDER/NAME.
    plain = name.rpartition("?d=")[2].replace("\\", "/")
    forms = dict.fromkeys(
        unicodedata.normalize(form, spelt)  # macOS takes letters apart
        for spelt in (plain, unquote(plain))
        for form in ("NFC", "NFD")
    )
    yield name, True
    for form in forms:
        yield form, True
    for form in forms:
        parts = [part for part in re.split("/+", form) if part not in ("", ".", "..")]
        for first in range("/".join(parts) == form, len(parts)):
            yield "/".join(parts[first:]), False
