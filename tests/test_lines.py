"""Laws of JSON lines: what was appended is read, whatever a crash left behind it."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jointloop.common.files import FileError
from jointloop.common.lines import LinesError, append_line, keep_lines, read_lines

ROWS = st.lists(st.dictionaries(st.text(max_size=4), st.integers() | st.text()), max_size=6)


def file_of(folder: str | Path, rows: list[dict]) -> Path:
    path = Path(folder) / "a.jsonl"
    for row in rows:
        append_line(path, row)
    return path


@given(ROWS)
def test_what_is_appended_is_read_back(rows: list[dict]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert read_lines(file_of(folder, rows), "row") == rows


@given(ROWS, st.integers(0, 8))
def test_so_many_lines_are_kept(rows: list[dict], count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = file_of(folder, [*rows, {"last": 1}])
        keep_lines(path, count)
        assert read_lines(path, "row") == [*rows, {"last": 1}][:count]


@given(ROWS, st.integers(1, 40))
def test_a_half_written_line_is_left_out_and_cut_off_by_the_next(
    rows: list[dict], cut: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = file_of(folder, [*rows, {"half": "x" * 40}])
        path.write_bytes(path.read_bytes()[:-cut])
        assert read_lines(path, "row") == rows
        append_line(path, {"next": 1})
        assert read_lines(path, "row") == [*rows, {"next": 1}]


@pytest.mark.parametrize("line", ["x", "[]", "1", "\0", '{"a": 1'])
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    path = file_of(tmp_path, [{"a": 1}])
    with path.open("a") as file:
        file.write(line + "\n")
    append_line(path, {"a": 2})
    with pytest.raises(LinesError, match=r"a\.jsonl line 2 is no row: ") as caught:
        read_lines(path, "row")
    assert "\n" not in str(caught.value)


@given(rows=st.lists(st.none() | st.integers(), max_size=8), count=st.integers(0, 8))
def test_a_blank_line_is_no_damage_and_does_not_count(rows: list[int | None], count: int) -> None:
    lines = ["" if n is None else json.dumps({"n": n}) for n in rows]
    told = [{"n": n} for n in rows if n is not None]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jsonl"
        path.write_text("".join(line + "\n" for line in lines))
        assert read_lines(path, "row") == told
        keep_lines(path, count)
        assert read_lines(path, "row") == told[:count]


def test_what_a_line_has_to_be_the_reader_says(tmp_path: Path) -> None:
    path = file_of(tmp_path, [{"a": 1}, {"b": 2}])
    assert read_lines(path, "row", len) == [1, 1]
    with pytest.raises(LinesError, match="line 2 is no row: KeyError: 'a'"):
        read_lines(path, "row", lambda row: row["a"])


def test_no_file_has_no_lines_and_cannot_be_cut(tmp_path: Path) -> None:
    assert read_lines(tmp_path / "none", "row") == []
    with pytest.raises(FileError, match="none: No such file"):
        keep_lines(tmp_path / "none", 1)
