import itertools
import math
from dataclasses import asdict

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from simulator_parts import FIRST, SETTINGS, hello, prior, sample

from simulator.randomization.assignment import Assignment, Promise
from simulator.transport.addresses import TransportError
from simulator.transport.codec import Received
from simulator.transport.messages import (
    SCHEMA,
    Alive,
    Assign,
    Hello,
    Make,
    Refused,
    Welcome,
    WireError,
)
from simulator.transport.orders import MAX_TRIES, SUSPECT, Key, Orders, Standing, is_adaptive
from simulator.transport.worker import Worker
from simulator.transport.workers import LATE_S, Workers

PEERS = map(str.encode, map(str, itertools.count()))


def workers(
    credits: int = 4, share: float = 0.5, promise: Promise = "complete", **next_index: int
) -> Workers:
    standing = Standing({int(key[1:]): value for key, value in next_index.items()})
    return Workers("run", SETTINGS, Orders(FIRST, share, promise, standing), credits)


def join(of: Workers, message: Hello | None = None, **changes: object) -> Worker:
    """A worker that was let in and told what to make."""
    peer = next(PEERS)
    welcome = of.admit(peer, message or hello(**changes), 1, 0.0)
    assert isinstance(welcome, Welcome)
    worker = of.by_peer(peer)
    assert worker is not None
    assert worker.id == welcome.worker
    of.grant(worker)
    return worker


def asked(worker: Worker) -> list[Key]:
    """What it is still to send."""
    return [order.key for order in worker.orders.values()]


def arrive(of: Workers, worker: Worker, sequence: int, **changes: int) -> bool:
    """Whether a worker's sample is taken."""
    order = worker.orders.get(sequence)
    owner, index = order.key if order else (worker.id, sequence)
    terms = order.terms if order else FIRST
    version = changes.get("version", terms.version)
    made = sample(changes.get("index", index), owner, version, terms.split)
    return of.accept(Received(made, worker.instance, sequence), 0.0) is not None


def reason_of(of: Workers, worker: Worker, sequence: int, **changes: int) -> str:
    with pytest.raises(WireError) as caught:
        arrive(of, worker, sequence, **changes)
    return caught.value.reason


@given(share=st.floats(0, 1), count=st.integers(1, 64))
def test_the_adaptive_share_holds_for_any_number_of_workers(share: float, count: int):
    adaptive = sum(is_adaptive(worker, share) for worker in range(count))
    assert abs(adaptive - share * count) <= 1


def test_half_of_the_workers_adapt_beginning_with_the_second():
    assert [is_adaptive(worker, 0.5) for worker in range(4)] == [False, True, False, True]


def test_ids_are_the_wanted_ones_or_the_lowest_free():
    r = workers()
    assert [join(r, worker=w).id for w in (3, None, 3, 0, None)] == [3, 0, 1, 2, 4]


def test_a_hello_is_answered_once():
    r, message = workers(), hello()
    assert isinstance(r.admit(b"peer", message, 1, 0.0), Welcome)
    assert r.admit(b"peer", message, 1, 0.0) is None
    assert r.delivery.workers_joined == 1


@given(wanted=st.lists(st.none() | st.integers(0, 99), min_size=1, max_size=50))
def test_one_connection_holds_one_worker_however_often_it_says_hello(wanted: list[int | None]):
    r = workers()
    other = join(r)
    for worker in wanted:
        assert isinstance(r.admit(b"peer", hello(worker=worker), 1, 0.0), Welcome)
    assert {worker.peer for worker in r.alive()} == {other.peer, b"peer"}
    assert len(list(r.alive())) == 2


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"schema": SCHEMA + 1}, ("schema", str(SCHEMA + 1), "same version")),
        ({"wanted": {"robot": "panda"}}, ("robot", "panda", "ur10")),
        ({"wanted": {"width": 640, "height": 480}}, ("size", "640x480", "64x48")),
        ({"wanted": {"seed": 7}}, ("seed", "7")),
        (
            {"wanted": {"variety.camera.elevation": [0.0, math.pi / 3]}},
            ("variety.camera.elevation 0.0 60.0", "-5.0 60.0"),
        ),
        ({"wanted": {"variety.sensor": True}}, ("variety.sensor on", "variety.sensor off")),
        ({"wanted": {"variety.sensor.jpeg": 0.5}}, ("variety.sensor.jpeg 0.5", "jpeg off")),
        ({"wanted": {"variety.camera.elevation": "x"}}, ("elevation is 'x'; expected 2 numbers",)),
        ({"wanted": {"bins.deep": 3}}, ("bins is {'deep': 3}; expected a whole number",)),
        ({"wanted": {"": None}}, ("no such setting",)),
    ],
)
def test_another_setup_is_refused_by_name(changes: dict[str, object], names: tuple[str, ...]):
    r = workers()
    answer = r.admit(b"peer", hello(**changes), 1, 0.0)
    assert isinstance(answer, Refused)
    assert all(name in answer.reason for name in names)
    assert (r.delivery.refused, r.by_id) == (1, {})


def test_the_same_setup_is_welcome():
    join(workers(), wanted={"robot": "ur10", "width": 64, "height": 48, "seed": 0})


def test_a_replacement_in_the_same_slot_goes_on_where_its_former_ended():
    r = workers(credits=4)
    first = join(r)
    assert [arrive(r, first, n) for n in range(3)] == [True] * 3
    second = join(r, slot=first.slot)
    assert (second.id, asked(second)) == (first.id, [(0, 3)])
    assert not first.alive
    assert (r.delivery.workers_lost, r.delivery.lost_with_worker) == (1, 1)
    assert arrive(r, second, 0)


def test_a_slot_keeps_its_id_even_if_it_wanted_another():
    r = workers()
    holder = join(r, worker=0)
    first = join(r, worker=0)
    r.depart(holder, died=False)
    assert (first.id, join(r, worker=0, slot=first.slot).id) == (1, 1)


def test_a_replacement_starts_with_the_credits_its_former_left():
    r = workers(credits=4)
    first = join(r)
    for n in range(3):
        arrive(r, first, n)
    second = join(r, slot=first.slot)
    assert (second.held, second.outstanding) == (3, 1)
    for _ in range(3):
        r.grant(r.consumed(second.id))
    assert (second.held, second.outstanding) == (0, 4)
    assert asked(second) == [(0, 3), (0, 4), (0, 5), (0, 6)]


def test_late_samples_count_until_a_replacement_takes_over():
    r = workers(credits=4)
    first = join(r)
    arrive(r, first, 0)
    r.depart(first, died=True)
    assert r.delivery.lost_with_worker == 3
    assert arrive(r, first, 1)
    assert r.delivery.lost_with_worker == 2
    second = join(r, worker=first.id)
    assert asked(second) == [(0, 2), (0, 3)]
    assert not arrive(r, first, 2)
    assert r.delivery.duplicated == 1


def test_a_worker_that_says_goodbye_is_not_lost():
    r = workers()
    r.depart(join(r), died=False)
    assert (r.delivery.workers_lost, r.delivery.lost_with_worker) == (0, 0)


def test_a_run_taken_up_again_goes_on_where_it_ended():
    assert asked(join(workers(w0=7))) == [(0, 7), (0, 8), (0, 9), (0, 10)]


def test_gaps_are_lost_and_made_again_and_repeats_are_duplicated():
    r = workers()
    worker = join(r)
    assert arrive(r, worker, 0)
    assert arrive(r, worker, 2)
    assert not arrive(r, worker, 2)
    assert not arrive(r, worker, 1)
    assert (r.delivery.lost, r.delivery.duplicated, r.delivery.received) == (1, 2, 2)
    r.grant(r.consumed(worker.id))
    assert asked(worker) == [(0, 3), (0, 1), (0, 4)]
    assert arrive(r, worker, 3)
    assert arrive(r, worker, 4)
    assert (r.delivery.lost, r.delivery.again) == (1, 1)


def test_what_was_published_and_is_not_here_is_lost_though_nothing_follows_it():
    r = workers(credits=2)
    worker = join(r)
    r.settle(worker.instance, 0)
    assert r.delivery.lost == 0
    assert arrive(r, worker, 0)
    r.settle(worker.instance, 2)
    assert (r.delivery.lost, asked(worker)) == (1, [])
    r.grant(worker)
    assert asked(worker) == [(0, 1)]
    with pytest.raises(WireError, match="no worker id"):
        r.settle(bytes(16), 9)


def test_where_the_newest_count_nothing_is_made_again():
    r = workers(promise="latest")
    worker = join(r)
    assert arrive(r, worker, 2)
    r.grant(r.consumed(worker.id))
    assert asked(worker) == [(0, 3), (0, 4), (0, 5), (0, 6)]
    second = join(r, slot=worker.slot)
    assert asked(second) == [(0, 7), (0, 8), (0, 9), (0, 10)]
    assert r.standing().wanted == ()
    assert (r.delivery.lost, r.delivery.again) == (2, 0)


def test_what_is_made_again_is_drawn_from_the_prior_that_it_was_ordered_with():
    r = workers(credits=2, share=1.0)
    first = join(r)
    r.assign(Assignment.of(prior(3)))
    second = join(r, slot=first.slot)
    assert asked(second) == [(0, 0), (0, 1)]
    assert {order.terms.version for order in second.orders.values()} == {0}
    assert arrive(r, second, 0)
    r.consumed(0)
    assert [type(m) for m in r.grant(second)] == [Assign, Make]
    assert [order.terms.version for order in second.orders.values()] == [0, 3]


def test_others_make_what_a_worker_that_does_not_come_back_owes():
    r = workers(credits=2)
    gone, other = join(r), join(r)
    r.depart(gone, died=True)
    r.release_late(10.0)
    assert gone.orders  # what was on its way may still come
    r.release_late(10.0 + LATE_S)
    assert not gone.orders
    for n in range(2):
        assert arrive(r, other, n)
        r.consumed(other.id)
    r.grant(other)
    assert asked(other) == [(0, 0), (0, 1)]
    assert arrive(r, other, 2)
    assert r.delivery.received == 3


def test_a_sample_that_no_simulator_survives_is_given_up_and_spares_fresh_ones():
    r = workers(credits=2)
    deaths, fatal = 0, (0, 2)
    worker = join(r)
    while fatal not in r.orders.missing:
        assert deaths < 2 * MAX_TRIES
        for n, order in list(worker.orders.items()):
            if order.key == fatal:
                break
            assert arrive(r, worker, n)
            r.consumed(worker.id)
            r.grant(worker)
        if asked(worker)[0] == fatal:
            deaths += 1
            r.depart(worker, died=True)
            worker = join(r, slot=worker.slot)
            assert (fatal in asked(worker)) == (deaths < SUSPECT)
    assert deaths == MAX_TRIES
    assert f"given up after {MAX_TRIES} tries: simulators died at it" in r.orders.missing[fatal]
    assert fatal not in {order.key for order in r.standing().wanted}


def test_a_run_that_is_taken_up_again_orders_what_was_wanted_with_its_old_priors():
    r = workers(credits=3, share=1.0)
    worker = join(r)
    assert arrive(r, worker, 1)
    r.assign(Assignment.of(prior(2)))
    r.grant(worker)
    r.orders.missing[0, 9] = "given up"
    plain = msgspec.msgpack.decode(msgspec.msgpack.encode(r.standing().to_plain()), strict=False)
    plain["next_index"] = {int(worker): n for worker, n in plain["next_index"].items()}
    standing = Standing.of_plain(plain)
    assert standing == r.standing()
    again = Workers("run-2", SETTINGS, Orders(FIRST, 1.0, "complete", standing), 3)
    again.assign(Assignment.of(prior(2)))
    fresh = join(again)
    assert [(o.key, o.terms.version) for o in fresh.orders.values()] == [
        ((0, 0), 0),
        ((0, 2), 0),
        ((0, 3), 2),
    ]


def test_orders_of_a_split_that_is_over_are_drawn_anew():
    r = workers(credits=2)
    r.assign(Assignment.of(prior(0), "heldout"))
    worker = join(r)
    r.depart(worker, died=True)
    r.assign(Assignment.of(prior(0), "train"))
    second = join(r, slot=worker.slot)
    assert [(o.key, o.terms.split) for o in second.orders.values()] == [
        ((0, 0), "train"),
        ((0, 1), "train"),
    ]


def test_what_simulators_rendered_is_counted_over_all_processes():
    r = workers()
    for rendered in (3, 5):
        r.hear(worker := join(r, worker=0), Alive(rendered, 7))
        r.hear(worker, Alive(rendered + 1, 7))
        r.depart(worker, died=False)
    assert r.delivery.rendered == 4 + 6


def test_samples_nobody_asked_for_are_rejected():
    r = workers(credits=2)
    worker = join(r)
    assert reason_of(r, worker, 2) == "uncredited"
    assert reason_of(r, worker, 0, index=1) == "foreign"
    assert reason_of(r, worker, 0, version=9) == "foreign"
    worker.instance = bytes(16)
    stranger = Received(sample(), bytes(range(16)), 0)
    with pytest.raises(WireError):
        r.accept(stranger, 0.0)


def test_training_samples_of_uniform_workers_alone_come_from_the_first_prior():
    r = workers(share=0.5)
    uniform, adaptive = join(r), join(r)
    assert (uniform.adaptive, adaptive.adaptive) == (False, True)
    r.assign(Assignment.of(prior(3), "heldout"))
    given = [r.assign_to(worker) for worker in (uniform, adaptive)]
    assert [(a.version, a.split) for a in given if a] == [(3, "heldout"), (3, "heldout")]
    assert [r.assign_to(worker) for worker in (uniform, adaptive)] == [None, None]
    r.assign(Assignment.of(prior(4)))
    given = [r.assign_to(worker) for worker in (uniform, adaptive)]
    assert [(a.version, a.split) for a in given if a] == [(0, "train"), (4, "train")]


def test_samples_of_an_older_prior_are_kept_and_counted_as_stale():
    r = workers(share=1.0)
    worker = join(r)
    r.assign(Assignment.of(prior(1)))
    r.assign_to(worker)
    for sequence in range(4):
        assert arrive(r, worker, sequence)
        r.grant(r.consumed(worker.id))
    assert arrive(r, worker, 4)
    assert (r.delivery.received, r.delivery.stale) == (5, 4)


def test_where_the_newest_count_any_prior_that_was_told_is_taken():
    r = workers(share=1.0, promise="latest")
    worker = join(r)
    r.assign(Assignment.of(prior(1)))
    r.assign_to(worker)
    assert arrive(r, worker, 0, version=0)
    assert arrive(r, worker, 1, version=1)
    assert reason_of(r, worker, 2, version=2) == "foreign"
    assert (r.delivery.received, r.delivery.stale) == (2, 1)


def test_priors_only_grow():
    r = workers()
    r.assign(Assignment.of(prior(2)))
    with pytest.raises(TransportError, match="older"):
        r.assign(Assignment.of(prior(1)))


def test_consuming_what_is_not_held_is_an_error():
    r = workers()
    worker = join(r)
    for id in (worker.id, 9):
        with pytest.raises(TransportError, match=f"worker {id}"):
            r.consumed(id)


@pytest.mark.parametrize("credits", [0, 257])
def test_credits_out_of_range_are_errors(credits: int):
    with pytest.raises(TransportError, match="expected"):
        workers(credits)


class Played:
    """A run under orders, to which anything may happen."""

    def __init__(self, credits: int, limit: int | None, promise: Promise) -> None:
        self.workers = workers(credits, promise=promise)
        self.workers.limit = limit
        self.credits = credits
        self.taken: dict[Key, int] = {}
        """Prior version of what arrived, likewise of all that was ordered."""
        self.bound: dict[Key, int] = {}
        self.now = 0.0

    def join(self, id: int) -> None:
        join(self.workers, worker=id)

    def wait(self, id: int) -> None:
        self.now += LATE_S
        self.workers.release_late(self.now)

    def prior(self, id: int) -> None:
        version = self.workers.orders.newest.version + 1
        self.workers.assign(Assignment.of(prior(version)))

    def die(self, id: int) -> None:
        self.workers.depart(self.workers.by_id[id], died=True)

    def leave(self, id: int) -> None:
        self.workers.depart(self.workers.by_id[id], died=False)

    def replace(self, id: int) -> None:
        join(self.workers, slot=self.workers.by_id[id].slot, worker=id)

    def mark(self, id: int) -> None:
        worker = self.workers.by_id[id]
        self.workers.settle(worker.instance, worker.sequence + (1 if worker.orders else 0))

    def consume(self, id: int) -> None:
        if self.workers.by_id[id].held:  # as the trainer does, whoever is still there
            told = self.workers.grant(self.workers.consumed(id))
            assert self.workers.by_id[id].alive or not told

    def arrive(self, id: int, skipped: int = 0) -> None:
        worker = self.workers.by_id[id]
        for sequence in list(worker.orders)[skipped : skipped + 1]:
            order = worker.orders[sequence]
            assert order.key not in self.taken
            self.taken[order.key] = order.terms.version
            assert arrive(self.workers, worker, sequence)

    def skip(self, id: int) -> None:
        self.arrive(id, 1)

    def check_credits(self) -> None:
        limit = self.workers.limit
        for each in self.workers.alive():
            self.workers.grant(each)
            assert each.held + each.outstanding <= max(self.credits, each.held)
        if limit is not None:
            under_way = sum(each.outstanding for each in self.workers.by_id.values())
            assert self.workers.delivery.received + under_way <= limit

    def check_orders(self) -> None:
        assert self.workers.delivery.received == len(self.taken)
        assert self.workers.delivery.lost_with_worker >= 0
        for each in self.workers.by_id.values():
            for order in each.orders.values():
                version = self.bound.setdefault(order.key, order.terms.version)
                assert version == order.terms.version
        assert self.taken.items() <= self.bound.items()

    def check_that_each_index_arrived_once_or_is_wanted(self) -> None:
        standing = self.workers.standing()
        wanted = [order.key for order in standing.wanted]
        ordered = {(w, i) for w, n in standing.next_index.items() for i in range(n)}
        assert len(wanted) == len(set(wanted))
        assert ordered == set(wanted) | self.taken.keys() | standing.missing.keys()
        assert not set(wanted) & self.taken.keys()


ACTIONS = ("join", "wait", "prior", "die", "leave", "replace", "mark", "consume", "arrive", "skip")
scripts = st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 3)), max_size=80)


@given(
    script=scripts,
    credits=st.integers(1, 5),
    limit=st.none() | st.integers(0, 12),
    promise=st.sampled_from(["complete", "latest"]),
)
@example([(a, 0) for a in ("join", "arrive", "leave", "consume")], 2, 4, "complete")
@settings(max_examples=300, deadline=None)
def test_every_index_arrives_once_or_is_wanted_and_credits_bound_what_is_under_way(
    script: list[tuple[str, int]], credits: int, limit: int | None, promise: Promise
):
    run = Played(credits, limit, promise)
    for action, id in script:
        if id in run.workers.by_id or action in ("join", "wait", "prior"):
            getattr(run, action)(id)
        run.check_credits()
        run.check_orders()
        if promise == "complete":
            run.check_that_each_index_arrived_once_or_is_wanted()
    assert run.workers.delivery.to_json() == asdict(run.workers.delivery)
