"""Priors that verbs are given as files."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from jointloop.common.errors import JointloopError
from jointloop.common.lines import read_lines

if TYPE_CHECKING:
    from simulator.randomization.prior import JointPrior


def read_prior(path: Path, version: int | None = None) -> "JointPrior":
    """A prior from a JSON object, or from the lines of a run's prior history.

    Raises:
        JointloopError: there is none of that version, or no such file.
    """
    from feedback.history import prior_of

    data = read_bytes(path)
    try:
        one = path.suffix == ".json"
        priors = [prior_of(json.loads(data))] if one else read_lines(path, "prior", prior_of)
    except (ValueError, KeyError, TypeError, JointloopError) as error:
        raise JointloopError(
            f"{path} holds no prior with alpha, lower, upper and version: {error!r}"
        ) from None
    wanted = [p for p in priors if version is None or p.version == version]
    if not wanted:
        there = ", ".join(str(p.version) for p in priors) or "none"
        raise JointloopError(f"{path} holds no prior of version {version}; it has {there}")
    return wanted[-1]


def read_bytes(path: Path) -> bytes:
    """A file's content.

    Raises:
        JointloopError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise JointloopError(f"cannot read {path}: {error.strerror}") from error
