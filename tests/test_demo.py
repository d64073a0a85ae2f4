"""The demo, as README tells of it."""

import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import cv2
import psutil
import pytest
from cli_parts import jointloop, line_of, started
from clock_parts import PATIENCE_S

RUN = Path("runs/demo")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What a few seconds of it say, where two runs lay already; it takes place here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("demo"))
        for earlier in (RUN, Path(f"{RUN}-1")):
            earlier.mkdir(parents=True)
            (earlier / "mine").write_text(str(earlier))
        said = StringIO()
        with redirect_stdout(said):
            code = jointloop("demo", "--engine", "stick", "--minutes", "0.1", "--workers", "2")
        assert code == 0, said.getvalue()
        yield said.getvalue()


def summary() -> dict:
    return json.loads((RUN / "summary.json").read_text())


def test_it_names_its_report(told: str) -> None:
    assert f"report    {RUN}/report.html" in told.splitlines()
    assert "<html" in (RUN / "report.html").read_text()


def test_it_prints_figures_that_stand_in_the_summary(told: str) -> None:
    lines = {line.partition(" ")[0]: line for line in told.splitlines() if line}
    assert lines["summary"].split() == ["summary", f"{RUN}/summary.json"]
    found = summary()
    assert found["preset"] == "tiny"
    assert found["feedback"] is True
    samples = found["samples"]
    assert f" {samples['rendered']} rendered; {samples['consumed']} trained on" in lines["samples"]
    for moment in ("before", "after"):
        assert f"median {found[moment]['best_peak']['median_percent']:.2f} %" in lines[moment]
    said = re.search(r" (\d+) versions?,", lines["prior"])
    assert said
    assert int(said[1]) == found["prior"]["versions"]


def test_two_workers_closed_the_loop(told: str) -> None:
    for worker, manner in ((0, "uniform"), (1, "adaptive")):
        assert f"as worker {worker}, {manner}" in told
    assert summary()["delivery"]["workers_joined"] == 2
    assert summary()["prior"]["versions"] >= 1


def test_earlier_runs_are_moved_aside_and_kept(told: str) -> None:
    assert told.splitlines()[0] == f"moved the earlier {RUN} to {RUN}-2"
    assert sorted(folder.name for folder in RUN.parent.iterdir()) == ["demo", "demo-1", "demo-2"]
    assert Path(f"{RUN}-1/mine").read_text() == f"{RUN}-1"
    assert Path(f"{RUN}-2/mine").read_text() == str(RUN)
    assert not (RUN / "mine").exists()


def test_inspect_names_the_report_and_the_pictures(
    told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (RUN / "report.html").unlink()
    assert jointloop("inspect", str(RUN)) == 0
    said = [line.split() for line in capsys.readouterr().out.splitlines()]
    pictures = [["picture", f"{RUN}/{name}.png"] for name in ("gallery", "prior")]
    assert said == [["report", f"{RUN}/report.html"], *pictures]
    assert (RUN / "report.html").is_file()
    for _, path in pictures:
        image = cv2.imread(path)
        assert image is not None
        assert image.std() > 5


def test_ctrl_c_in_a_terminal_ends_all_of_it(tmp_path: Path) -> None:
    """A terminal sends it to the workers as well."""
    with started("demo", "--engine", "stick", "--run", str(tmp_path / "demo")) as process:
        for _ in range(2):
            line_of(process, "connected to run demo")
        workers = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        output = process.communicate(timeout=PATIENCE_S)[0]
    assert process.returncode == 130, output
    assert output.splitlines()[-1] == "jointloop: stopped"
    assert "Traceback" not in output
    assert len(workers) == 2
    assert psutil.wait_procs(workers, timeout=PATIENCE_S)[1] == []
