"""What a run says of itself while it goes on."""

from io import StringIO

import pytest
from clock_parts import Clock
from rich.console import Console

from jointloop.common.progress import EVERY, Progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("jointloop.common.progress.time", clock)
    return clock


def test_where_nothing_can_be_replaced_a_passing_line_stays_once_in_a_while(clock: Clock) -> None:
    file = StringIO()
    with Progress(Console(file=file)) as progress:
        for second in range(int(4 * EVERY)):
            clock.now = float(second)
            progress.update(f"at {second} s")
    assert file.getvalue().splitlines() == [f"at {n * EVERY:.0f} s" for n in (1, 2, 3)]


def test_a_line_that_stays_puts_off_the_next_passing_one(clock: Clock) -> None:
    file = StringIO()
    with Progress(Console(file=file)) as progress:
        clock.now = EVERY - 1
        progress.say("[stays]")
        clock.now = EVERY
        progress.update("passes")
    assert file.getvalue().splitlines() == ["[stays]"]


def test_a_terminal_shows_the_newest_passing_line_as_it_is_written(clock: Clock) -> None:
    file = StringIO()
    with Progress(Console(file=file, force_terminal=True, width=80)) as progress:
        progress.update("first")
        progress.update("epoch 1 [now]")
        assert progress._status is not None
        assert str(progress._status.status) == "epoch 1 [now]"
        progress.say("stays")
    assert "stays" in file.getvalue()
