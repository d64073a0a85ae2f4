"""Laws of files: whole or as they were, whatever happens while they are written."""

import os
from pathlib import Path

import numpy as np
import pytest

from jointloop.common.files import (
    FileError,
    part_of,
    put_in_place,
    write_beside,
    write_bytes,
    write_npz,
)


@pytest.mark.parametrize("durable", [True, False])
def test_what_is_written_takes_the_place_of_what_was_there(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "a.bin"
    for data in (b"one", b"another"):
        write_bytes(path, data, durable)
        assert path.read_bytes() == data
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_bytes(path, b"good")

    def fails(part: Path) -> None:
        part.write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_beside(path, fails)
    assert path.read_bytes() == b"good"
    assert list(tmp_path.iterdir()) == [path]


def test_the_bytes_reach_the_disk_before_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, happened = tmp_path / "a.bin", []
    sync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        happened.append(f"sync {Path(os.readlink(f'/proc/self/fd/{descriptor}')).name}")
        sync(descriptor)

    def replaced(a: Path, b: Path) -> None:
        happened.append("rename")
        replace(a, b)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    write_bytes(path, b"one")
    assert happened == ["sync a.bin.part", "rename", f"sync {tmp_path.name}"]


def test_a_part_that_grew_by_itself_gets_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    part_of(path).write_bytes(b"grown")
    put_in_place(path)
    assert path.read_bytes() == b"grown"
    assert not part_of(path).exists()


def test_what_cannot_be_written_is_one_line_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "none" / "a.bin"
    with pytest.raises(FileError, match=r"^cannot write .*none/a\.bin: No such file or directory$"):
        write_bytes(path, b"one")
    path.parent.write_text("")
    with pytest.raises(FileError, match=r"^cannot write .*none/a\.bin: Not a directory$"):
        write_bytes(path, b"one")


def test_arrays_come_back_under_their_names_and_nothing_beside_them(tmp_path: Path) -> None:
    arrays = {"a": np.arange(6, dtype=np.uint8).reshape(2, 3), "b": np.array([0.5, np.nan])}
    write_npz(tmp_path / "a.npz", arrays)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as back:
        assert set(back) == set(arrays)
        for name, array in arrays.items():
            assert back[name].dtype == array.dtype
            np.testing.assert_array_equal(back[name], array)


def test_objects_are_never_pickled(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"arrays \['a'\] hold objects"):
        write_npz(tmp_path / "a.npz", {"a": np.array([{}])})
    assert list(tmp_path.iterdir()) == []
