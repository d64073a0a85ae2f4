"""Shards: tar files of samples in WebDataset's layout: KEY.png, KEY.mask.png and KEY.json of each.

A shard grows as NAME.tar.part and takes its name when it is complete, so NAME.tar is always whole.
What a killed process left in a part is kept up to its last whole sample. Members carry no time: the
same samples give the same bytes. Their owner's name is the digest of what they hold.
"""

import fcntl
import hashlib
import os
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from jointloop.common.files import part_of, pour, put_in_place
from simulator.recordings.sample_files import RecordingError, decode, decode_image

BLOCK = tarfile.BLOCKSIZE
END_OF_PNG = b"IEND\xaeB`\x82"
DIGITS = 30
"""Of a digest: as many as fit a tar header's name of an owner, in whole bytes."""


class Member(NamedTuple):
    """One file in a shard."""

    name: str
    offset: int
    """Where its bytes begin."""
    size: int
    digest: str = ""
    """See `digest_of`; empty in recordings of a time before digests."""

    @property
    def end(self) -> int:
        """Where the next member begins."""
        return self.offset + -(-self.size // BLOCK) * BLOCK


class Group(NamedTuple):
    """One sample in a shard: the members of its key."""

    key: str
    image: Member
    mask: Member | None
    """None in recordings of a time before masks."""
    entry: Member


def groups(file: BinaryIO) -> Iterator[Group]:
    """The whole samples of a shard or a part, up to the first that is not."""
    members = _members(file)
    for image in members:
        key, entry = image.name.removesuffix(".png"), next(members, None)
        mask = entry if entry is not None and entry.name == f"{key}.mask.png" else None
        if mask is not None:
            entry = next(members, None)
        if entry is None or (image.name, entry.name) != (f"{key}.png", f"{key}.json"):
            return
        yield Group(key, image, mask, entry)


def digest_of(data: bytes) -> str:
    """The first digits of a member's SHA-256, hexadecimal."""
    return hashlib.sha256(data).hexdigest()[:DIGITS]


def read(file: BinaryIO, member: Member) -> bytes:
    """A member's bytes.

    Raises:
        RecordingError: they are not those that were recorded.
    """
    data = os.pread(file.fileno(), member.size, member.offset)
    if len(data) != member.size or member.digest not in ("", digest_of(data)):
        raise RecordingError(
            f"shard {file.name} is damaged: {member.name} is not what was recorded; remove the "
            "shard and make it again with `jointloop record --resume`"
        )
    return data


def read_image(path: Path, member: Member, where: str, size: tuple[int, int]) -> NDArray[np.uint8]:
    """(H, W, 3) RGB of a member of the shard at that path.

    Args:
        path: of the shard.
        member: the image's.
        where: what it is called in errors.
        size: width and height that it must have [px].

    Raises:
        RecordingError: it is damaged, or of another size.
        OSError: the shard cannot be read.
    """
    with path.open("rb") as file:
        return decode_image(read(file, member), where, size)


def read_shard(path: Path, keys: Sequence[str]) -> Iterator[tuple[Group, BinaryIO]]:
    """The samples of a complete shard, each with the open file it lies in.

    Args:
        path: of the shard.
        keys: of the samples that it holds, in order.

    Raises:
        RecordingError: the shard cannot be read, or holds others or fewer.
    """
    try:
        with path.open("rb") as file:
            found = 0
            for group, key in zip(groups(file), (*keys, "none"), strict=False):
                if group.key != key:
                    raise RecordingError(
                        f"shard {path} holds sample {group.key} where {key} is expected; was it "
                        "renamed, or taken from elsewhere?"
                    )
                found += 1
                yield group, file
    except OSError as error:
        raise RecordingError(f"shard {path} cannot be read: {error.strerror}") from error
    if found != len(keys):
        raise RecordingError(
            f"shard {path} is damaged: {found} whole samples; expected {len(keys)}"
        )


def count_part(path: Path) -> int:
    """Whole samples in a shard's part; 0 where there is none that can be read."""
    try:
        with part_of(path).open("rb") as file:
            return sum(1 for _ in groups(file))
    except OSError:
        return 0


class ShardWriter:
    """Appends samples to one shard; goes on with what is there of it.

    Args:
        path: of the shard, once complete.
        keys: of the samples it will hold, in order.

    Raises:
        RecordingError: the part cannot be opened, or another process is at it.
    """

    def __init__(self, path: Path, keys: list[str]) -> None:
        self.path = path
        try:
            descriptor = os.open(part_of(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self._file = os.fdopen(descriptor, "r+b", buffering=0)  # nothing left for its end
            self._take()
            self.done, end = self._whole(keys)
            """Samples it holds."""
            self._file.truncate(end)
            self._file.seek(end)
        except OSError as error:
            raise self._cannot(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, key: str, files: Mapping[str, bytes]) -> None:
        """Append the next sample.

        Args:
            key: its name.
            files: what its members hold, by what follows the key in their names; the JSON last.

        Raises:
            RecordingError: it cannot be written.
        """
        try:
            members = b"".join(_member(key + end, data) for end, data in files.items())
            pour(self._file.fileno(), members)
        except OSError as error:
            raise self._cannot(error) from error
        self.done += 1

    def finish(self) -> None:
        """End the shard and give it its name.

        Raises:
            RecordingError: it cannot be written.
        """
        size = self._file.tell() + 2 * BLOCK  # two empty blocks end a tar file
        whole = -(-size // tarfile.RECORDSIZE) * tarfile.RECORDSIZE
        try:
            pour(self._file.fileno(), b"\0" * (whole - self._file.tell()))
            put_in_place(self.path)
        except OSError as error:
            raise self._cannot(error) from error

    def _take(self) -> None:
        """Keep other processes from this shard, until the file is closed."""
        file = self._file.fileno()
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            taken = not os.path.samestat(os.fstat(file), part_of(self.path).stat())
        except (BlockingIOError, FileNotFoundError):
            taken = True
        if taken:
            self._file.close()
            raise RecordingError(f"another process is making shard {self.path}")

    def _whole(self, keys: list[str]) -> tuple[int, int]:
        """How many of the samples are there already, and where the last of them ends."""
        done, end = 0, 0
        for group in groups(self._file):
            if done == len(keys) or group.key != keys[done] or not self._sound(group):
                break
            done, end = done + 1, group.entry.end
        return done, end

    def _sound(self, group: Group) -> bool:
        """Whether a sample that a killed process, or a power cut, left behind is one."""
        pictures = [group.image] if group.mask is None else [group.image, group.mask]
        try:
            entry = decode(read(self._file, group.entry), group.key)
            ends = [read(self._file, picture).endswith(END_OF_PNG) for picture in pictures]
        except RecordingError:
            return False
        return entry.key == group.key and all(ends)

    def _cannot(self, error: OSError) -> RecordingError:
        return RecordingError(
            f"cannot write {part_of(self.path)}: {error.strerror}; what is written stays, go on "
            "with --resume"
        )


def _members(file: BinaryIO) -> Iterator[Member]:
    """The whole members of a tar file, up to its end or the first that is damaged."""
    at, size = 0, os.fstat(file.fileno()).st_size
    while at + BLOCK <= size:
        try:
            info = tarfile.TarInfo.frombuf(os.pread(file.fileno(), BLOCK, at), "utf-8", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError):
            return
        member = Member(info.name, at + BLOCK, info.size, info.uname)
        if not info.isreg() or member.size < 0 or member.end > size:
            return
        yield member
        at = member.end


def _member(name: str, data: bytes) -> bytes:
    """A file as it stands in a tar file."""
    info = tarfile.TarInfo(name)
    info.size, info.uname = len(data), digest_of(data)
    return info.tobuf(tarfile.USTAR_FORMAT) + data + b"\0" * (-len(data) % BLOCK)
