"""What a fleet makes of the ends and the words of its processes."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from clock_parts import PATIENCE_S, Clock
from scripted_worker import started

from simulator.fleet.ends import End, Exit, Reason
from simulator.fleet.fleet import LONGEST_PAUSE_S, LOOK_S, SOME_GIVEN_UP, Fleet, FleetError
from simulator.fleet.process import ProcessOptions
from simulator.fleet.words import Herald, Word

GONE = Word.TRAINER.of("the trainer is gone")
WAITS = Word.TRAINER.of("waiting for a trainer")
DELIVERED = Word.DELIVERED.of("its first sample")
GOODBYE = Word.GOODBYE.of("the trainer said goodbye: done")
JOINED = Word.JOINED.of("connected")


@dataclass(frozen=True)
class Scripted(ProcessOptions):
    """Processes that play scripts: by worker, by start, act by act."""

    module = "scripted_worker"
    folder: Path
    scripts: list[list[list[str]]]


Play = Callable[..., tuple[int, list[str], Fleet]]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Runs a fleet of scripts to its end: its exit code, what it said, and the fleet."""
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(__file__))

    def run(*scripts: list[list[str]], **options: float) -> tuple[int, list[str], Fleet]:
        said: list[str] = []
        wanted = Scripted(tmp_path, list(scripts))
        fleet = Fleet(
            len(scripts), wanted, say=said.append, pause_s=0.01, max_failures=2, **options
        )  # type: ignore[arg-type]
        return fleet.run(), said, fleet

    return run


def test_one_that_delivers_before_it_dies_is_never_given_up(play: Play, tmp_path: Path):
    code, _, fleet = play([[DELIVERED, "1"]] * 8 + [["0"]])
    assert (code, fleet.retired) == (0, {})
    assert started(tmp_path, 0) == 9


def test_only_deaths_in_a_row_without_a_sample_count(play: Play):
    code, _, fleet = play([["1"], ["1"], [DELIVERED, "1"], ["1"], ["1"], ["0"]])
    assert (code, fleet.retired) == (0, {})


@pytest.mark.parametrize(
    ("ends", "reason"),
    [
        ([["it broke", "1"]], "worker 0 died 3 times in a row (exit code 1) and delivered nothing"),
        ([["it broke", str(Exit.FAILED.value)]], "worker 0 cannot work"),
        ([["it broke", str(Exit.REFUSED.value)]], "worker 0 cannot work"),
    ],
)
def test_a_hopeless_one_is_given_up_with_its_reason_and_the_others_go_on(
    play: Play, ends: list[list[str]], reason: str
):
    code, said, fleet = play(ends, [[DELIVERED, "1"]] * 6 + [["0"]])
    assert code == SOME_GIVEN_UP
    assert list(fleet.retired) == [0]
    assert fleet.retired[0].startswith(f"{reason}; its last words: it broke")
    assert f"{fleet.retired[0]}; given up, 1 go on" in said


def test_a_fleet_fails_when_none_is_left(play: Play):
    with pytest.raises(FleetError, match="cannot work; its last words: why"):
        play([["why", str(Exit.FAILED.value)]], [["why", str(Exit.FAILED.value)]])


def test_a_lost_trainer_is_said_once_and_so_is_its_return(play: Play):
    lost = [JOINED, DELIVERED, GONE, str(Exit.TRAINER_GONE.value)]
    tries = [WAITS, WAITS, GONE, str(Exit.TRAINER_GONE.value)]
    code, said, _ = play([lost, tries, tries, [WAITS, JOINED, DELIVERED, "0"]])
    assert code == 0
    assert said == [
        "worker 0: connected",
        "the trainer is gone",
        "the trainer is back: worker 0 connected",
        "processes that ended early: 3 connection",
        "all workers ended",
    ]


def test_who_waits_for_a_trainer_that_is_done_is_sent_home(play: Play):
    code, said, _ = play([[WAITS, "wait for ever"]], [[JOINED, GOODBYE, "0"]])
    assert code == 0
    assert "the trainer said goodbye: done" in said
    assert said[-1] == "all workers ended"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The fleet's."""
    clock = Clock()
    monkeypatch.setattr("simulator.fleet.fleet.time", clock)
    return clock


def test_one_that_hangs_is_ended_and_replaced(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(__file__))
    said: list[str] = []
    scripts = Scripted(tmp_path, [[[DELIVERED, "hang"], ["0"]]])
    deadline = time.monotonic() + PATIENCE_S
    with Fleet(1, scripts, say=said.append, pause_s=0, silence_s=60) as fleet:
        while not fleet.ended:
            assert time.monotonic() < deadline
            time.sleep(0.02)
            if fleet.members[0].delivered and not said:
                clock.now += 5
            fleet.poll()
    assert said == [
        "worker 0 showed no life for 60 s: ended",
        "worker 0 died (hung); starting again in 0 s",
    ]
    assert (started(tmp_path, 0), fleet.retired) == (2, {})
    assert clock.now > 60


def test_waits_for_a_trainer_grow_to_a_minute_and_begin_anew_after_a_sample(
    clock: Clock, tmp_path: Path
):
    fleet = Fleet(1, Scripted(tmp_path, []), say=lambda line: None)
    (member,) = fleet.members
    waits: list[float] = []
    for delivered in [True, *[False] * 9, True]:
        member.delivered = delivered
        member.release(Exit.TRAINER_GONE)
        fleet._decide(member, Exit.TRAINER_GONE, End(0, Reason.CONNECTION, ""))
        waits.append(member.restart_at - clock.now)
    assert waits == [0, 1, 2, 4, 8, 16, 32, LONGEST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_PAUSE_S, 0]
    assert not fleet.retired


def test_a_fleet_that_was_stopped_itself_takes_no_worker_for_hung(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(__file__))
    said: list[str] = []
    with Fleet(1, Scripted(tmp_path, [[["wait for ever"]]]), say=said.append) as fleet:
        fleet.poll()
        clock.now += 3600
        fleet.poll()
        assert fleet.members[0].silent_s <= LOOK_S
        assert said == []


def test_one_that_notices_a_loss_when_others_are_back_tells_nothing_new():
    said: list[str] = []
    herald = Herald(said.append)
    for worker, line in ((0, JOINED), (1, JOINED), (0, GONE), (0, JOINED), (1, GONE), (1, JOINED)):
        herald.pass_on(worker, line)
    joined = [f"worker {worker}: connected" for worker in (0, 1)]
    assert said == [*joined, "the trainer is gone", "the trainer is back: worker 0 connected"]
    herald.pass_on(1, GONE)  # which is another loss
    assert said[4:] == ["the trainer is gone"]


def test_notes_are_passed_on_once_and_other_lines_always():
    said: list[str] = []
    herald = Herald(said.append)
    for worker in (0, 1):
        assert herald.pass_on(worker, "note: n") is Word.NOTE
        assert herald.pass_on(worker, "a line") is None
    assert said == ["note: n", "worker 0: a line", "worker 1: a line"]
