"""What a recording is of: dataset.json, from which all its bytes follow."""

import hashlib
from typing import Annotated

import msgspec
from msgspec import Meta

from simulator.randomization.assignment import Assignment
from simulator.randomization.settings import SampleSettings
from simulator.recordings.recipe import Rendering
from simulator.recordings.skeleton import Skeleton

SCHEMA = 2
"""Version of dataset.json; recordings of schema 1 hold no masks and are read, and gone on with."""
UNSIGNED = "0" * 64
"""What stands for the digest of dataset.json while it is taken."""

Positive = Annotated[int, Meta(ge=1)]


class Description(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """All that a recording's bytes follow from."""

    schema: int
    samples: Positive
    held_out: Annotated[int, Meta(ge=0)]
    """The first so many are held out."""
    shard_samples: Positive
    robot: Skeleton
    assignment: Assignment = msgspec.field(name="terms")
    """Prior of the training samples."""
    settings: SampleSettings
    rendering: Rendering
    held_out_assignment: Assignment | msgspec.UnsetType = msgspec.field(
        default=msgspec.UNSET, name="held_out_terms"
    )
    """What the held-out samples are drawn from; without, the uniform prior."""
    sha256: str = ""
    """Of the file's text with `UNSIGNED` in this place; empty in memory, and in files of a time
    before it."""

    def text(self) -> bytes:
        """As it stands in its file, with its digest."""
        unsigned = msgspec.structs.replace(self, sha256=UNSIGNED)
        text = msgspec.json.format(msgspec.json.encode(unsigned), indent=1) + b"\n"
        return text.replace(UNSIGNED.encode(), hashlib.sha256(text).hexdigest().encode())

    def is_of(self, text: bytes) -> bool:
        """Whether a file's text is as it was written, as far as its digest can say."""
        unsigned = text.replace(self.sha256.encode(), UNSIGNED.encode())
        return not self.sha256 or hashlib.sha256(unsigned).hexdigest() == self.sha256
