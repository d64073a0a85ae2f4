"""Laws of folders: nothing in them is lost."""

from pathlib import Path

import pytest

from jointloop.common.files import FileError
from jointloop.common.folders import first_free, is_free, make_folder, new_folder


def test_what_is_not_there_or_empty_is_free(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "lock").write_text("")
    free = {name: is_free(tmp_path / name) for name in ("none", "empty", "file", "full")}
    assert free == {"none": True, "empty": True, "file": False, "full": False}
    assert is_free(tmp_path / "full", besides=("lock",))


def test_a_new_folder_is_made_with_those_above_it(tmp_path: Path) -> None:
    folder = new_folder(tmp_path / "a" / "b")
    assert folder.is_dir()
    assert new_folder(folder) == folder  # it is empty still
    (folder / "kept").write_text("")
    with pytest.raises(FileError, match="already holds something; choose another folder"):
        new_folder(folder)
    assert make_folder(folder) == folder
    with pytest.raises(FileError, match=r"cannot write .*kept/c: Not a directory"):
        make_folder(folder / "kept" / "c")


def test_the_first_free_name_is_counted_up(tmp_path: Path) -> None:
    for expected in ("demo-1", "demo-2", "demo-3"):
        free = first_free(tmp_path / "demo")
        assert free == tmp_path / expected
        free.mkdir()
