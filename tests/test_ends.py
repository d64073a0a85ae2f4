"""Why processes ended: each reason by processes that really end so."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from clock_parts import PATIENCE_S
from hypothesis import given
from hypothesis import strategies as st

from simulator.fleet.ends import CGROUPS, CRASHES, End, Exit, Reason, Starved, end_of
from simulator.fleet.fleet import Fleet, FleetError
from simulator.fleet.process import ProcessOptions
from simulator.fleet.words import Word
from simulator.fleet.worker import WorkerOptions
from simulator.recordings.recorder import RecorderOptions

DELIVERED = Word.DELIVERED.of("its first sample")


@dataclass(frozen=True)
class Doomed(ProcessOptions):
    """Processes that play the first act, and in the place of those that are started again, end."""

    module = "scripted_worker"
    folder: Path
    scripts: list[list[list[str]]]


Play = Callable[..., tuple[list[End], list[str], Fleet]]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """The ends of one worker that plays these acts, and then ends well; what its fleet said."""
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(__file__))

    def run(*acts: str) -> tuple[list[End], list[str], Fleet]:
        ends: list[End] = []
        said: list[str] = []
        doomed = Doomed(tmp_path, [[list(acts), ["0"]]])
        fleet = Fleet(1, doomed, say=said.append, pause_s=0.01, ended=ends.append)
        fleet.run()
        return ends, said, fleet

    return run


@pytest.mark.parametrize("number", CRASHES, ids=lambda number: number.name)
def test_a_signal_of_native_code_is_a_crash(play: Play, number: signal.Signals) -> None:
    ends, said, fleet = play(DELIVERED, f"raise {int(number)}")
    assert ends == [End(0, Reason.CRASH, number.name), End(0, Reason.DONE, "")]
    assert f"worker 0 died (crash: {number.name}); starting again in 0.01 s" in said
    assert said[-2:] == ["processes that ended early: 1 crash", "all workers ended"]
    assert fleet.members[0].last_error == ends[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGXCPU])
def test_another_signal_is_told_by_its_name(play: Play, number: signal.Signals) -> None:
    ends, said, _ = play(DELIVERED, f"raise {int(number)}")
    assert ends[0] == End(0, Reason.KILLED, number.name)
    assert f"worker 0 died (killed: {number.name}); starting again in 0.01 s" in said


def test_memory_that_is_denied_is_told_apart(tmp_path: Path) -> None:
    limited = (
        "import resource, sys\n"
        "from simulator.fleet.process import ending, run_as_process\n"
        "def eat():\n"
        "    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))\n"
        "    return bytearray(8 << 30)\n"
        "run_as_process(lambda _: ending(eat))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.returncode == Exit.NO_MEMORY
    line = done.stdout.splitlines()[-1]
    assert end_of(0, done.returncode, line) == End(0, Reason.OUT_OF_MEMORY, line)


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group of our own, inside the one we are in, of at most 256 MiB."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    own = next((line.split(":", 2)[2] for line in lines if ":memory:" in line), None)
    folder = CGROUPS / "memory" / (own or "").lstrip("/") / f"jointloop-{uuid4().hex}"
    try:
        if own is None:
            raise OSError("no control group of version 1")
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        (folder / "memory.limit_in_bytes").write_text(str(256 << 20))
        yield folder
    finally:
        deadline = time.monotonic() + 10
        while folder.exists() and time.monotonic() < deadline:
            try:
                folder.rmdir()
            except OSError:  # the last of its processes is on its way out
                time.sleep(0.05)


def test_who_is_ended_by_the_kernel_for_memory_is_told_apart(tmp_path: Path, group: Path) -> None:
    inside = (
        "import os, sys\n"
        f"open({str(group / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))\n"
        "from pathlib import Path\n"
        "from test_ends import DELIVERED, Doomed\n"
        "from simulator.fleet.fleet import Fleet\n"
        f"doomed = Doomed(Path({str(tmp_path)!r}), [[[{DELIVERED!r}, 'eat'], ['0']]])\n"
        "ended = lambda end: print(end, flush=True)\n"
        "Fleet(1, doomed, say=print, pause_s=0.01, ended=ended).run()\n"
    )
    path = os.pathsep.join([os.path.dirname(__file__), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", inside],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert done.stdout.startswith("out of memory: ended by the kernel\n"), done
    assert "worker 0 died (out of memory: ended by the kernel)" in done.stdout


@pytest.mark.parametrize("counter", ["memory.events", "memory.oom_control", "vmstat"])
def test_each_process_that_the_kernel_ended_explains_one_death(
    tmp_path: Path, counter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / counter
    file.write_text("oom 9\noom_kill 3\nunder_oom 0\n")
    starved = Starved(file)
    assert not starved.claim()
    file.write_text("oom 9\noom_kill 5\nunder_oom 0\n")
    assert [starved.claim() for _ in range(3)] == [True, True, False]
    file.write_text("oom 9\noom_kill 6\nunder_oom 0\n")
    starved.look()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 60)
    assert not starved.claim()  # who died of it would have been seen long ago


def test_the_counter_of_this_process_is_found() -> None:
    file = Starved()._file
    assert any(line.startswith("oom_kill ") for line in file.read_text().splitlines()), file


def test_a_bad_scene_is_told_with_its_line(tmp_path: Path) -> None:
    ends: list[End] = []
    folder = tmp_path / "nowhere"
    options = RecorderOptions(folder, (0,), 1)
    with pytest.raises(FleetError, match="cannot work"):
        Fleet(1, options, say=lambda line: None, ended=ends.append).run()
    (end,) = ends
    assert end.reason is Reason.BAD_SCENE
    assert end.detail.startswith(f"{folder} holds no recording")


def test_a_trainer_that_does_not_answer_is_a_lost_connection() -> None:
    ends: list[End] = []
    options = WorkerOptions("tcp://127.0.0.1:9", engine="stick", wait_s=0.1)
    with pytest.raises(FleetError, match="cannot work"):
        Fleet(1, options, say=lambda line: None, ended=ends.append).run()
    (end,) = ends
    assert end.reason is Reason.CONNECTION
    assert end.detail.startswith("no trainer at tcp://127.0.0.1:9 answered")


@given(code=st.integers(-64, 255), starved=st.booleans(), line=st.text())
def test_every_end_has_one_reason_and_only_asked_for_ones_are_no_trouble(
    code: int, starved: bool, line: str
) -> None:
    end = end_of(3, code, line, starved=starved)
    assert end.worker == 3
    assert end.trouble == (code not in (Exit.DONE, Exit.RECYCLE))
    for ours in (Reason.DONE, Reason.HUNG):
        by_fleet = end_of(3, code, line, by_fleet=ours, starved=starved)
        assert by_fleet == (End(3, ours, "") if code < 0 else end)
