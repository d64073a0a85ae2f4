import itertools
import math
from dataclasses import asdict

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from simulator_parts import FIRST, SETTINGS, hello, prior, sample

from simulator.randomization.assignment import Assignment
from simulator.transport.addresses import TransportError
from simulator.transport.codec import Received
from simulator.transport.messages import SCHEMA, Hello, Refused, Welcome, WireError
from simulator.transport.workers import Worker, Workers, is_adaptive

PEERS = map(str.encode, map(str, itertools.count()))


def workers(credits: int = 4, share: float = 0.5, **next_index: int) -> Workers:
    indices = {int(key[1:]): value for key, value in next_index.items()}
    return Workers("run", SETTINGS, FIRST, credits, share, indices)


def join(of: Workers, message: Hello | None = None, **changes: object) -> Worker:
    peer = next(PEERS)
    welcome = of.admit(peer, message or hello(**changes), 1, 0.0)
    assert isinstance(welcome, Welcome)
    worker = of.by_peer(peer)
    assert worker is not None
    assert worker.id == welcome.worker
    assert worker.next_index == welcome.next_index
    return worker


def arrive(of: Workers, worker: Worker, sequence: int, **changes: int) -> bool:
    """Whether a worker's sample is taken."""
    newest = worker.newest
    assert newest is not None
    index = changes.get("index", worker.first_index + sequence)
    made = sample(index, worker.id, changes.get("version", newest[0]), newest[1])  # type: ignore[arg-type]
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
    assert (second.id, second.next_index) == (first.id, 3)
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


def test_late_samples_count_until_a_replacement_takes_over():
    r = workers(credits=4)
    first = join(r)
    arrive(r, first, 0)
    r.depart(first, died=True)
    assert r.delivery.lost_with_worker == 3
    assert arrive(r, first, 1)
    assert r.delivery.lost_with_worker == 2
    second = join(r, worker=first.id)
    assert second.next_index == 2
    assert not arrive(r, first, 2)
    assert r.delivery.duplicated == 1


def test_a_worker_that_says_goodbye_is_not_lost():
    r = workers()
    r.depart(join(r), died=False)
    assert (r.delivery.workers_lost, r.delivery.lost_with_worker) == (0, 0)


def test_a_run_taken_up_again_goes_on_where_it_ended():
    assert join(workers(w0=7)).next_index == 7


def test_gaps_are_lost_and_repeats_are_duplicated():
    r = workers()
    worker = join(r)
    assert arrive(r, worker, 0)
    assert arrive(r, worker, 2)
    assert not arrive(r, worker, 2)
    assert not arrive(r, worker, 1)
    assert (r.delivery.lost, r.delivery.duplicated, r.delivery.received) == (1, 2, 2)


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
    assert arrive(r, worker, 0, version=0)
    assert arrive(r, worker, 1, version=1)
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


@pytest.mark.parametrize(("credits", "share"), [(0, 0.5), (257, 0.5), (8, -0.1), (8, 1.1)])
def test_settings_out_of_range_are_errors(credits: int, share: float):
    with pytest.raises(TransportError, match="expected"):
        workers(credits, share)


actions = st.lists(
    st.tuples(st.sampled_from(["join", "die", "leave", "replace", "arrive", "skip", "consume"]),
              st.integers(0, 3)),
    max_size=60,
)  # fmt: skip


@given(script=actions, credits=st.integers(1, 5), limit=st.none() | st.integers(0, 12))
@example(script=[(a, 0) for a in ("join", "arrive", "leave", "consume")], credits=2, limit=4)
@settings(max_examples=200, deadline=None)
def test_credits_bound_what_is_under_way_whatever_happens(
    script: list[tuple[str, int]], credits: int, limit: int | None
):
    r = workers(credits)
    r.limit = limit
    taken: set[tuple[int, int]] = set()
    late = 0
    for action, which in script:
        worker = r.by_id.get(which)
        if action == "join":
            join(r, worker=which)
        elif worker is None:
            continue
        elif action in ("die", "leave"):
            r.depart(worker, died=action == "die")
        elif action == "replace":
            join(r, slot=worker.slot, worker=which)
        elif action == "consume" and worker.held:
            due = r.grant(r.consumed(which))  # as the trainer does, whoever is still there
            assert worker.alive or due == 0
        elif action in ("arrive", "skip") and worker.outstanding > (action == "skip"):
            key = (which, worker.next_index + (action == "skip"))
            assert key not in taken
            taken.add(key)
            late += not worker.alive
            assert arrive(r, worker, worker.sequence + (action == "skip"))
        for each in r.alive():
            r.grant(each)
            assert each.outstanding >= 0
            assert each.held + each.outstanding <= max(credits, each.held)
        assert r.delivery.received == len(taken)
        if limit is not None:
            under_way = sum(each.outstanding for each in r.alive())
            assert r.delivery.received - late + under_way <= limit
    assert r.delivery.lost_with_worker >= 0
    assert r.delivery.to_json() == asdict(r.delivery)
