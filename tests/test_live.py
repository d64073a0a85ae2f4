"""How samples become batches."""

import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from clock_parts import Clock
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from jointloop.common.ranges import of_ranges
from simulator.fleet.fleet import FleetError
from simulator.randomization import hidden
from simulator.randomization.assignment import Assignment
from simulator.randomization.poses import PoseVariety
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings
from simulator.robot import Robot
from simulator.sample import Sample, simulate
from simulator.transport import Delivery, Order, Standing
from trainer.config.config import StreamConfig
from trainer.data.account import standing_of
from trainer.data.live import LiveSource
from trainer.data.source import SourceError


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands still but while the stream waits for its hub."""
    clock = Clock()
    monkeypatch.setattr("trainer.data.live.time", clock)
    monkeypatch.setattr(ScriptedHub, "clock", clock)


UR10 = Robot.named("ur10")
UNIFORM = Assignment.of(JointPrior.uniform(UR10.lower, UR10.upper, SampleSettings().bins))


def order_of(sample: Sample) -> Order:
    """That a sample was made for."""
    source = sample.hidden.provenance
    return Order(source.worker, source.index, UNIFORM)


class ScriptedHub:
    """Hands out what the script says, poll by poll, each time at the end of the wait."""

    address = "tcp://127.0.0.1:1"
    clock = Clock()

    def __init__(self, script: list[list[tuple[int, Sample]]]) -> None:
        self.script = script
        self.credits: Counter[int] = Counter()
        self.assigned: list[Assignment] = []
        self.limits: list[int | None] = []
        self.workers: dict[int, Any] = {}
        self.delivery = Delivery()
        self.standing = Standing()

    def poll(self, timeout_s: float) -> list[Any]:
        self.clock.now += timeout_s
        arrived = self.script.pop(0) if self.script else []
        return [SimpleNamespace(worker=w, sample=s, order=order_of(s)) for w, s in arrived]

    def consumed(self, worker: int, count: int = 1) -> None:
        self.credits[worker] += count

    def assign(self, assignment: Assignment) -> None:
        self.assigned.append(assignment)

    def follows(self, worker: int) -> bool:
        return worker % 2 == 1

    def limit_outstanding(self, total: int | None) -> None:
        self.limits.append(total)


@pytest.fixture(scope="module")
def make(
    ur10: Robot, settings: SampleSettings, uniform: JointPrior, sticks
) -> Callable[..., Sample]:
    def one(worker: int, index: int) -> Sample:
        drawn = hidden.draw(ur10, settings, Assignment.of(uniform), worker, index)
        return simulate(sticks, ur10, settings, drawn)

    return one


def a_worker() -> SimpleNamespace:
    """A worker that is there, as far as a source looks at it."""
    return SimpleNamespace(
        alive=True, rendered=0, adaptive=False, received=0, prior_version=0, rss=0,
    )  # fmt: skip


def source_of(
    script: list[list[tuple[int, Sample]]], **config: Any
) -> tuple[LiveSource, ScriptedHub]:
    hub = ScriptedHub(script)
    settings = StreamConfig(**({"buffer": 8, "max_uses": 2} | config))
    return LiveSource(hub, settings, timeout=30.1, say=lambda line: None), hub  # type: ignore[arg-type]


def test_a_batch_takes_from_the_workers_in_turn(make) -> None:
    arrived = [(0, make(0, i)) for i in range(4)] + [(1, make(1, i)) for i in range(4)]
    source, hub = source_of([arrived])
    source.batch(4)
    assert hub.credits == {0: 2, 1: 2}


def test_every_new_sample_gives_its_credit_back_once(make) -> None:
    source, hub = source_of([[(0, make(0, i)) for i in range(3)]])
    for _ in range(2):
        source.batch(3)
    assert hub.credits == {0: 3}


def test_a_short_batch_is_filled_from_recent_samples_up_to_their_limit(make) -> None:
    source, _ = source_of([[(0, make(0, i)) for i in range(4)]], max_uses=3)
    batches = [source.batch(4) for _ in range(3)]
    assert source.counts.consumed == 12
    assert source.counts.new == 4
    for batch in batches:  # no sample twice in one batch
        assert len(np.unique(batch.pixels[:, 0, 0])) == 4
    with pytest.raises(SourceError, match="no sample arrived"):
        source.batch(4)


def test_the_buffer_forgets_the_oldest(make) -> None:
    first = [(0, make(0, i)) for i in range(2)]
    later = [(0, make(0, i)) for i in range(2, 10)]
    source, _ = source_of([first, later], max_uses=5)
    source.batch(2)
    source.batch(8)
    seen = source.batch(8).pixels[:, 0, 0]
    old = {sample.labels.pixels[0, 0] for _, sample in first}
    assert not old & set(seen)


def test_the_held_out_set_is_drawn_apart_and_never_trained_on(make, uniform: JointPrior) -> None:
    arrived = [(0, make(0, i)) for i in range(3)]
    source, hub = source_of([arrived[:2], arrived[2:]])
    held = source.hold(3, Assignment.of(uniform, "heldout"))
    assert [s.hidden.provenance.index for s in held] == [0, 1, 2]
    assert hub.assigned[0].split == "heldout"
    assert hub.limits == [3]  # lifted when training samples are ordered, not before
    assert source.counts.new == 0
    source.send(Assignment.of(uniform))
    assert hub.assigned[1].split == "train"
    assert hub.limits == [3, None]


def test_waiting_is_measured_and_said(make) -> None:
    said: list[str] = []
    hub = ScriptedHub([[]] * 101 + [[(0, make(0, 0))]])
    source = LiveSource(hub, StreamConfig(buffer=8), timeout=60, say=said.append)  # type: ignore[arg-type]
    source.batch(1)
    assert source.counts.waited == pytest.approx(101 * 0.2)
    assert len(said) == 1
    assert said[0].startswith("waiting for samples for 10 s; ")
    assert "jointloop simulate --connect tcp://127.0.0.1:1" in said[0]


def test_a_wait_ends_when_its_time_is_up_and_not_before(make) -> None:
    late = [[]] * 151 + [[(0, make(0, 0))]]
    source, _ = source_of([*late])
    source.batch(1)  # what comes with the last look is taken
    assert source.counts.waited == pytest.approx(30.2)
    source, _ = source_of([[], *late])
    with pytest.raises(SourceError, match="no sample arrived for 30 s"):
        source.batch(1)


def test_a_fleet_that_gives_up_ends_the_wait() -> None:
    class Hopeless:
        def poll(self) -> None:
            raise FleetError("worker 0 cannot work")

    source = LiveSource(ScriptedHub([]), StreamConfig(), fleet=Hopeless())  # type: ignore[arg-type]
    with pytest.raises(FleetError, match="cannot work"):
        source.batch(1)


def test_a_resumed_source_adds_up_what_came_of_samples() -> None:
    source, hub = source_of([])
    hub.delivery = Delivery(received=4, rejected={"schema": 1})
    earlier = Delivery(received=30, workers_lost=1).to_json()
    counts = {"consumed": 40, "new": 20, "waited": 1.0}
    source.load_state({"counts": counts, "next_index": {0: 25, 1: 5}, "delivery": earlier})
    state = source.state_dict()
    assert state["delivery"]["received"] == 34
    assert state["delivery"]["rejected"] == {"schema": 1}


def test_a_run_of_an_earlier_version_goes_on_where_it_was() -> None:
    standing = standing_of({"next_index": {0: 25, 1: 5}})
    assert standing == Standing({0: 25, 1: 5})
    with pytest.raises(SourceError, match="began with a recording"):
        standing_of({"samples": 3})


def test_the_moment_when_the_last_simulator_leaves_is_said_once_and_what_follows_is_counted(
    make,
) -> None:
    said: list[str] = []
    hub = ScriptedHub([[(0, make(0, i)) for i in range(4)]])
    hub.workers = {0: a_worker(), 1: a_worker()}
    source = LiveSource(hub, StreamConfig(buffer=8, max_uses=4), say=said.append)  # type: ignore[arg-type]
    source.batch(2)
    hub.workers[0].alive = False
    source.batch(4)
    assert said == []
    hub.workers[1].alive = False
    source.batch(4)
    source.batch(2)
    assert len(said) == 1
    assert said[0].startswith("no simulator left: training goes on with 4 samples; ")
    assert "jointloop simulate --connect tcp://127.0.0.1:1" in said[0]
    assert source.note() == "no simulator for 6 samples trained on"
    assert source.note() == ""
    hub.script.append([(0, make(0, 4))])
    hub.workers[0].alive = True
    source.batch(1)
    assert said[1:] == ["simulators are back: 1"]
    counted = {
        "given_up": {},
        "ended_early": {},
        "times_all_left": 1,
        "samples_consumed_without": 6,
    }
    assert source.traffic()["simulators"] == counted
    again, _ = source_of([])
    again.load_state(source.state_dict())
    assert again.traffic()["simulators"] == counted
    assert again.note() == ""


def test_a_run_that_waits_for_its_first_simulator_has_lost_none(make) -> None:
    source, _ = source_of([[]] * 3 + [[(0, make(0, 0))]])
    source.batch(1)
    assert source.traffic()["simulators"]["times_all_left"] == 0


@given(
    arrivals=st.lists(st.integers(0, 4), max_size=12),
    size=st.integers(1, 4),
    buffer=st.integers(4, 12),
    max_uses=st.integers(1, 4),
)
@hypothesis_settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_sample_is_used_more_often_than_allowed_whoever_leaves(
    arrivals: list[int], size: int, buffer: int, max_uses: int, make
) -> None:
    fresh = iter(range(sum(arrivals)))
    script = [[(0, make(0, next(fresh))) for _ in range(count)] for count in arrivals]
    source, _ = source_of(script, buffer=buffer, max_uses=max_uses)
    uses: Counter[float] = Counter()
    with contextlib.suppress(SourceError):  # which comes when all are used up
        while True:
            uses.update(source.batch(size).pixels[:, 0, 0].tolist())
    assert max(uses.values(), default=0) <= max_uses


@given(
    here=st.lists(st.integers(0, 3), min_size=2, max_size=3).filter(lambda n: sum(n) >= 2),
    size=st.integers(1, 4),
)
def test_a_resumed_run_asks_again_for_what_arrived_and_was_not_used(
    make, here: list[int], size: int
) -> None:
    arrived = [(worker, make(worker, i)) for worker, n in enumerate(here) for i in range(n)]
    source, hub = source_of([arrived])
    hub.standing = Standing({w: n + 1 for w, n in enumerate(here)}, (Order(0, here[0], UNIFORM),))
    size = min(size, sum(here))
    source.batch(size)
    standing = standing_of(source.state_dict())
    unused = {(w, i) for w, n in enumerate(here) for i in range(hub.credits[w], n)}
    assert {order.key for order in standing.wanted} == unused | {(0, here[0])}
    assert all(order.terms == UNIFORM for order in standing.wanted)
    assert standing.next_index == hub.standing.next_index
    told = source.traffic()["indices"]
    used = {(w, i) for w, text in told["trained"].items() for i in of_ranges(text)}
    assert used == {(w, i) for w in hub.credits for i in range(hub.credits[w])}
    ahead = {(w, i) for w, text in told["ahead"].items() for i in of_ranges(text)}
    assert ahead == {order.key for order in standing.wanted}


def test_where_the_newest_count_what_waits_is_bounded_and_drops_are_counted(make) -> None:
    arrived = [[(0, make(0, i)) for i in range(4 * n, 4 * n + 4)] for n in range(3)]
    source, hub = source_of(arrived, credits=5, delivery="latest")
    for _ in range(3):
        source._receive(0.0)
    assert hub.credits == {0: 12}  # simulators never wait for training
    source.batch(5)
    assert source.traffic()["indices"]["trained"] == {0: "7-11"}
    assert source.traffic()["delivery"]["dropped"] == 7
    assert standing_of(source.state_dict()).wanted == ()


def test_the_age_of_priors_is_that_at_use_of_samples_that_follow_them(
    make, uniform: JointPrior
) -> None:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer.data.account.time", clock)
        source, _ = source_of([[(w, make(w, i)) for i in range(4) for w in (0, 1)]])
        source.send(uniform)
        source.batch(2)
        fresh = source.traffic()["staleness"]
        clock.now = 50
        for version, sent in ((1, 100.0), (3, 105.0)):
            clock.now = sent
            source.send(replace(uniform, version=version))
        clock.now = 107.0
        source.batch(4)
        stale = source.traffic()["staleness"]
    assert (fresh["samples"], fresh["stale"], fresh["seconds_max"]) == (1, 0, 0)
    assert (stale["samples"], stale["stale"]) == (2, 2)
    assert (stale["versions_mean"], stale["versions_max"]) == (3, 3)
    assert (stale["seconds_mean"], stale["seconds_max"]) == (7, 7)


def test_simulators_that_left_are_told_from_those_that_never_came() -> None:
    source, hub = source_of([])
    hub.workers = {0: SimpleNamespace(alive=False)}
    with pytest.raises(SourceError, match="all 1 simulators have left"):
        source.batch(1)


def test_the_share_of_free_poses_is_counted_and_outlives_a_resume(
    ur10: Robot, settings: SampleSettings, uniform: JointPrior, make
) -> None:
    asking = replace(settings, variety=replace(settings.variety, poses=PoseVariety()))
    drawn = [hidden.draw(ur10, asking, Assignment.of(uniform), 0, i) for i in range(4)]
    free = [replace(make(0, i), hidden=h) for i, h in enumerate(drawn)]
    source, _ = source_of([[(0, sample) for sample in [*free, make(0, 4)]]])
    source.batch(5)
    tries = sum(h.provenance.tries for h in drawn)
    assert source.traffic()["poses"] == {"tries": tries, "free": 4}
    again, _ = source_of([])
    again.load_state(source.state_dict())
    assert again.traffic()["poses"] == {"tries": tries, "free": 4}
