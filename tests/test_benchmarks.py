"""Benchmarks start, say what they can be asked, and write down what was asked of them."""

import json
import os
import runpy
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"
PROGRAMS = sorted(file.stem for file in FOLDER.glob("*.py") if file.stem not in ("crew", "figures"))


def started(monkeypatch: pytest.MonkeyPatch, name: str, *words: str) -> None:
    """Run a benchmark in this process."""
    monkeypatch.setattr(os, "environ", os.environ.copy())  # one of them keeps to one thread
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setattr(sys, "argv", [str(FOLDER / f"{name}.py"), *words])
    runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_begins_with_what_it_measures_and_names_its_options(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        started(monkeypatch, name, "--help")
    assert end.value.code == 0
    said = capsys.readouterr().out
    assert (FOLDER / f"{name}.py").read_text().split('"""')[1].splitlines()[0] in said
    assert "--json" in said
    assert "--size" in said or "--preset" in said


def test_figures_say_which_command_made_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "some figures.json"
    few = ["--sizes", "160x120", "--strides", "4", "--sigmas", "1", "1.5", "--noise", "0"]
    words = [*few, "--keypoints", "20", "--json", str(file)]
    started(monkeypatch, "decode", *words)
    written = json.loads(file.read_text())
    command = f"python benchmarks/decode.py {' '.join(words[:-1])} '{file}'"
    assert written["command"] == command
    assert written["keypoints"] == 20
    assert [row["sigma_cells"] for row in written["results"]] == [1, 1.5]


def test_a_mistake_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit) as end:
        started(monkeypatch, "transport", "--sizes", "big")
    assert end.value.code == "transport.py: error: size 'big' is not WIDTHxHEIGHT, such as 160x120"


def test_what_many_machines_would_do_stands_on_its_page_as_it_is_reckoned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    machines = runpy.run_path(str(FOLDER / "machines.py"))
    page = (FOLDER.parent / "docs" / "guide" / "machines.md").read_text()
    for reckon in ("rendering", "network"):
        assert machines["table"](machines[reckon](machines["Options"]())) in page


def test_a_hub_is_full_when_a_core_does_nothing_but_take_samples_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    machines = runpy.run_path(str(FOLDER / "machines.py"))
    render = [{"size": "64x48", "rate_2": 100.0}]
    rows = [("without", 1, 300), ("without", 4, 500), ("with", 4, 1000)]
    transport = [
        {"size": "64x48", "keys": keys, "producers": producers, "cpu_us": {"jointloop": us}}
        for keys, producers, us in rows
    ]
    for name, results in (("render", render), ("transport", transport)):
        (tmp_path / f"{name}.json").write_text(json.dumps({"results": results}))
    machines["hubs"].__globals__["RESULTS"] = tmp_path
    _, *found = machines["hubs"](machines["Options"](sizes=("64x48",)))
    assert found == [
        ("64x48", "without", "500", "2,000", "40"),
        ("64x48", "with", "1,000", "1,000", "20"),
    ]
