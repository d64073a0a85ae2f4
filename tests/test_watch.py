"""How workers stand is the same in rows, table, lines of JSON and metrics."""

import json
import re
import socket
import sys
import time
import urllib.request
from dataclasses import fields, replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cli_parts import jointloop
from clock_parts import PATIENCE_S, Clock
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from simulator_parts import Peer, hub_at, poll_until

from jointloop.common.files import FileError
from simulator.fleet.ends import End, Reason
from simulator.fleet.fleet import Fleet
from simulator.fleet.json_log import ROWS_S, JsonLog
from simulator.fleet.member import Member
from simulator.fleet.metrics import Metrics
from simulator.fleet.rows import WINDOW_S, Pace, Row, State, of_fleet, of_run
from simulator.fleet.table import table
from simulator.fleet.watch import LOOK_S, Watch
from simulator.fleet.worker import WorkerOptions
from simulator.transport import Received

ERROR = str(End(7, Reason.OUT_OF_MEMORY, "ended by the kernel"))
ROW = Row(
    worker=7,
    state=State.WORKING,
    samples=412,
    rate=3.25,
    prior_version=4,
    prior_age=75.0,
    rss=300 << 20,
    restarts=2,
    last_error=ERROR,
)
NEW = Row(worker=8, state=State.STARTING, samples=0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Of rates, looks and lines."""
    clock = Clock()
    clock.time = time.time  # type: ignore[attr-defined]
    for module in ("rows", "watch", "json_log"):
        monkeypatch.setattr(f"simulator.fleet.{module}.time", clock)
    return clock


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_fleet_and_its_trainer_agree_on_every_worker() -> None:
    """Memory, restarts and errors come from the fleet or by the wire, samples from either side."""
    taken: list[Received] = []

    with hub_at() as hub:
        wanted = WorkerOptions(hub.local_address, engine="stick")
        with Fleet(2, wanted, say=lambda line: None, pause_s=0.1) as fleet:

            def work(got: list[Received], starts: int) -> bool:
                for each in got[len(taken) :]:
                    taken.append(each)
                    hub.consumed(each.worker)
                fleet.poll()
                told = all(m.status and m.status.made for m in fleet.members)
                heard = all(w.sequence and w.rss for w in hub.workers.values())
                return told and heard and fleet.members[0].starts == starts

            poll_until(hub, lambda got: work(got, 1))
            process = fleet.members[0].process
            assert process is not None
            process.kill()
            taken.clear()
            poll_until(hub, lambda got: work(got, 2))
            own = of_fleet(fleet.members)
            ours = of_run(hub.workers, fleet.members)
            elsewhere = of_run(hub.workers)
    killed = str(End(0, Reason.KILLED, "SIGKILL"))
    assert [(row.restarts, row.last_error) for row in own] == [(1, killed), (0, "")]
    for a, b, c in zip(own, ours, elsewhere, strict=True):
        assert b == replace(a, samples=b.samples, rss=b.rss) == c
        assert (a.state, a.prior_version) == (State.WORKING, 0)
        assert a.samples > 0
        assert b.samples > 0
        assert all(row.rss and 20 << 20 < row.rss < 4 << 30 for row in (a, b))


def test_a_worker_elsewhere_says_what_became_of_those_before_it_and_is_lost_when_it_vanishes() -> (
    None
):
    with hub_at() as hub:
        peer = Peer(hub, restarts=3, last_error="crash: SIGSEGV")
        (row,) = of_run(hub.workers)
        assert (row.state, row.restarts, row.last_error) == (State.STARTING, 3, "crash: SIGSEGV")
        peer.publish()
        poll_until(hub, lambda got: bool(got))
        assert of_run(hub.workers)[0].state is State.WORKING
        peer.close()
        poll_until(hub, lambda got: not hub.workers[0].alive)
        (row,) = of_run(hub.workers)
        assert row.state is State.LOST
        assert row.last_error.startswith(f"{Reason.CONNECTION}: ")


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"process": 1}, State.STARTING),
        ({"process": 1, "alone": True}, State.WAITING),
        ({"process": 1, "alone": True, "joined": True}, State.STARTING),
        ({"process": 1, "delivered": True}, State.WORKING),
        ({}, State.PAUSED),
        ({"restart_at": float("inf")}, State.ENDED),
        ({"restart_at": float("inf"), "retired": "why"}, State.GIVEN_UP),
    ],
)
def test_a_place_is_in_one_state(changes: dict[str, Any], state: State) -> None:
    (row,) = of_fleet([Member(3, **changes)])
    assert (row.worker, row.state) == (3, state)


@given(
    rate=st.floats(0.01, 1000),
    step=st.floats(0.1, 5),
    looks=st.integers(2, 60),
)
def test_a_steady_rate_is_told_as_it_is(rate: float, step: float, looks: int) -> None:
    clock, pace = Clock(), Pace()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("simulator.fleet.rows.time", clock)
        for look in range(looks):
            clock.now = look * step
            (row,) = pace.timed([replace(NEW, samples=int(rate * clock.now))])
    assert row.rate is not None
    seen = min(clock.now, WINDOW_S)
    assert abs(row.rate - rate) <= 1.001 / seen


def test_a_rate_forgets_and_a_priors_age_begins_anew_with_its_version(clock: Clock) -> None:
    pace = Pace()
    for now, samples, version in ((0, 0, 1), (10, 1000, 1), (20, 1000, 2), (70, 1000, 2)):
        clock.now = now
        (row,) = pace.timed([replace(NEW, samples=samples, prior_version=version)])
    assert (row.rate, row.prior_age) == (0.0, 50.0)
    assert pace.timed([NEW])[0].prior_age is None


def test_the_table_shows_every_field_and_the_sum() -> None:
    console = Console(file=StringIO(), width=140)
    console.print(table([ROW, replace(ROW, worker=8, rate=None, last_error="[bold]")]))
    head, first, second, foot = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert re.sub(" {2,}", "  ", first).strip().split("  ") == [
        *("7", "working", "412", "3.2", "v4", "1 min 15 s", "300 MiB", "2", ERROR)
    ]
    assert "[bold]" in second
    assert re.sub(" {2,}", "  ", foot).strip() == "all  2 working  824  3.2  600 MiB  4"
    assert len(head.split("  ")) > len(fields(Row))


def test_a_terminal_shows_the_table_below_the_passing_line_and_a_pipe_does_not(
    clock: Clock,
) -> None:
    for terminal in (True, False):
        file = StringIO()
        console = Console(file=file, force_terminal=terminal, width=120)
        with Watch(console, "begins") as watch:
            watch.update("passes")
            clock.now += LOOK_S
            watch.look(lambda: [ROW])
            watch.say("stays")
        shown = file.getvalue()
        assert "stays" in shown
        assert (ERROR in shown) == ("passes" in shown) == terminal


def test_lines_of_json_tell_all_that_happens(clock: Clock, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"whole": 1}\n{"half": ')
    log = JsonLog(path)
    watch = Watch(Console(quiet=True), screens=[log])
    before = time.time()
    watch.say("a line")
    watch.ended(End(7, Reason.CRASH, "SIGSEGV"))
    rows = [ROW]
    for second in range(int(2 * ROWS_S)):
        clock.now = float(second)
        if second == 5:
            rows = [replace(ROW, restarts=3)]  # news is told at once
        watch.look(lambda rows=rows: rows)
    log.close()
    whole, said, ended, *told = lines(path)
    assert whole == {"whole": 1}
    assert before - 1 <= said["time"] <= time.time() + 1
    assert (said["event"], said["text"]) == ("said", "a line")
    del ended["time"]
    assert ended == {"event": "end", "worker": 7, "reason": "crash", "detail": "SIGSEGV"}
    assert [line["restarts"] for line in told] == [2, 3, 3]
    for line in told:
        assert set(line) == {"time", "event", *(field.name for field in fields(Row))}
        assert (line["event"], line["state"], line["rss"]) == ("worker", "working", ROW.rss)


def scrape(address: str) -> dict[str, float]:
    with urllib.request.urlopen(address, timeout=PATIENCE_S) as page:
        text = page.read().decode()
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_metrics_are_those_of_the_newest_rows(clock: Clock) -> None:
    metrics = Metrics(0, "127.0.0.1")
    try:
        watch = Watch(Console(quiet=True), screens=[metrics])
        watch.look(lambda: [ROW, NEW])
        for _ in range(2):
            watch.ended(End(7, Reason.CRASH, "SIGSEGV"))
        found = scrape(metrics.address)
        clock.now += 2 * LOOK_S
        watch.look(lambda: [replace(ROW, samples=422)])
        again = scrape(metrics.address)
    finally:
        metrics.close()
    of = {name: f'jointloop_worker_{name}{{worker="7"}}' for name in (
        "samples_total", "samples_per_second", "prior_version", "prior_age_seconds",
        "resident_memory_bytes", "restarts_total",
    )}  # fmt: skip
    assert found[of["samples_total"]] == 412
    assert found[of["prior_version"]] == 4
    assert found[of["resident_memory_bytes"]] == 300 << 20
    assert found[of["restarts_total"]] == 2
    assert found['jointloop_worker_ends_total{reason="crash",worker="7"}'] == 2
    states = {name: value for name, value in found.items() if "_state" in name}
    assert [name for name, value in states.items() if value] == [
        'jointloop_worker_state{state="working",worker="7"}',
        'jointloop_worker_state{state="starting",worker="8"}',
    ]
    assert len(states) == 2 * len(State)
    assert again[of["samples_per_second"]] == 5
    assert again[of["prior_age_seconds"]] == 2 * LOOK_S
    assert not any('worker="8"' in name for name in again)


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    shown = capsys.readouterr()
    (line,) = (shown.out + shown.err).strip().splitlines()
    return line


SIMULATE = ("simulate", "--connect", "tcp://127.0.0.1:9", "--engine", "stick")


def test_a_port_that_is_taken_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert jointloop(*SIMULATE, "--metrics-port", str(port)) == 2
    assert f"127.0.0.1:{port}: Address already in use" in one_line(capsys)
    assert jointloop(*SIMULATE, "--metrics-port", "70000") == 2
    assert "expected a free port of 1 to 65535" in one_line(capsys)


def test_without_the_library_metrics_are_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    assert jointloop(*SIMULATE, "--metrics-port", "0") == 2
    assert "pip install 'jointloop[metrics]'" in one_line(capsys)


def test_a_log_that_cannot_be_written_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert jointloop(*SIMULATE, "--log-json", str(tmp_path / "no" / "log")) == 2
    assert "No such file or directory" in one_line(capsys)
    log = JsonLog(Path("/dev/full"))
    with pytest.raises(FileError, match="cannot write /dev/full: No space left"):
        log.said("a line")
    log.close()


def test_record_tells_of_its_processes_on_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "r")
    words = ["--samples", "12", "--workers", "1", "--engine", "stick", "--size", "64x48"]
    assert jointloop("record", "--out", out, *words, "--log-json", "-") == 0
    shown = capsys.readouterr()
    events = [json.loads(line) for line in shown.out.splitlines()]
    assert "12 samples in 1 shard" in shown.err
    assert events[-1]["event"] == "said"
    assert events[-1]["text"] in shown.err
    (end,) = (event for event in events if event["event"] == "end")
    assert (end["worker"], end["reason"]) == (0, Reason.DONE)
    rows = [event for event in events if event["event"] == "worker"]
    assert rows[0]["state"] == State.STARTING
    assert {row["prior_version"] for row in rows} == {None}
    assert jointloop("record", "--out", out, "--resume") == 0  # and prints where it did before
    assert capsys.readouterr().err == ""


def test_a_fleet_that_cannot_work_says_why_to_other_programs(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert jointloop(*SIMULATE, "--timeout", "0.1", "--log-json", str(log)) == 2
    (end,) = (line for line in lines(log) if line["event"] == "end")
    assert end["reason"] == Reason.CONNECTION
    assert end["detail"].startswith("no trainer at tcp://127.0.0.1:9 answered")
