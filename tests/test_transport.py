import os
import random
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import zmq
from clock_parts import PATIENCE_S, Clock
from simulator_parts import FIRST, ROBOT, Peer, hello, hub_at, poll_until, prior, sample

from blender_scenes.stick_scene import StickScene
from simulator.randomization.assignment import Assignment
from simulator.randomization.hidden import draw
from simulator.randomization.settings import SampleSettings
from simulator.sample import simulate
from simulator.transport import (
    Hub,
    Link,
    Received,
    RefusedError,
    Security,
    TrainerGoneError,
    TransportError,
    write_keys,
)
from simulator.transport.codec import topic
from simulator.transport.messages import Bye
from simulator.transport.seal import seal


def join_by_hand(hub: Hub, link: Link, **changes: object) -> object:
    """The answer to a hello, while the hub listens."""

    def keep_going() -> bool:
        hub.poll(0)
        return True

    return link.join(hello(**changes), PATIENCE_S, keep_going)


@contextmanager
def publisher(hub: Hub, peer: Peer) -> Iterator[zmq.Socket]:
    """A stray one that found the data socket of a peer's hub, once the hub has subscribed to it."""
    with zmq.Context() as context, context.socket(zmq.XPUB) as data:
        data.linger = 0
        data.connect(f"tcp://127.0.0.1:{peer.welcome.data_port}")
        poll_until(hub, lambda got: bool(data.poll(0)))
        yield data


@pytest.mark.parametrize("scheme", ["tcp", "ipc"])
def test_samples_arrive_as_they_were_published(scheme: str, tmp_path: Path):
    address = "tcp://127.0.0.1:0" if scheme == "tcp" else f"ipc://{tmp_path}/hub"
    with hub_at(address) as hub:
        peer = Peer(hub)
        peer.publish(3)
        received = poll_until(hub, lambda got: len(got) == 3)
        assert [r.sequence for r in received] == [0, 1, 2]
        for index, each in enumerate(received):
            assert each.sample.hidden == sample(index).hidden
            np.testing.assert_array_equal(each.sample.image, sample(index).image)
        peer.close()


def test_credits_bound_what_a_worker_may_publish():
    with hub_at(credits=3) as hub:
        peer = Peer(hub)
        peer.publish(3)
        with pytest.raises(TransportError, match="credit"):
            peer.link.publish(sample(3))
        poll_until(hub, lambda got: len(got) == 3)
        peer.link.pump(0.1)
        assert peer.link.credits == 0
        hub.consumed(0)
        peer.hear(lambda link: link.credits == 1, hub)
        peer.close()


def test_a_limit_is_met_exactly_and_lifted():
    with hub_at(credits=4) as hub:
        hub.limit_outstanding(6)
        peers = [Peer(hub), Peer(hub)]

        def publish_and_consume(got: list[Received]) -> bool:
            for peer in peers:
                peer.link.pump(0.01)
                peer.publish(peer.link.credits)
            for each in got[len(consumed) :]:
                hub.consumed(each.worker)
                consumed.append(each)
            return len(got) == 6

        consumed: list[Received] = []
        poll_until(hub, publish_and_consume)
        for peer in peers:
            peer.link.pump(0.1)
            assert peer.link.credits == 0
        hub.limit_outstanding(None)
        for peer in peers:
            peer.hear(lambda link: link.credits == 4, hub)
            peer.close()


def test_a_newer_prior_reaches_adaptive_workers_at_once_and_counts_for_what_is_ordered_then():
    with hub_at() as hub:
        uniform, adaptive = Peer(hub), Peer(hub)
        for version in (1, 2, 3):
            hub.assign(Assignment.of(prior(version)))
        adaptive.hear(lambda link: link.assignment.version == 3, hub)
        uniform.link.pump(0.1)
        assert uniform.link.assignment.prior.version == 0
        np.testing.assert_array_equal(adaptive.link.assignment.prior.alpha, prior(3).alpha)
        adaptive.publish(8)  # ordered before
        received = poll_until(hub, lambda got: len(got) == 8)
        assert {r.sample.hidden.provenance.prior_version for r in received} == {0}
        hub.consumed(received[0].worker)
        adaptive.publish()
        (received,) = poll_until(hub, lambda got: bool(got))
        assert hub.workers[received.worker].adaptive
        assert received.sample.hidden.provenance.prior_version == 3
        hub.assign(Assignment.of(prior(3), "heldout"))
        for peer in (uniform, adaptive):
            peer.hear(lambda link: link.assignment.split == "heldout", hub)
            assert peer.link.assignment.version == 3
            peer.close()


def test_a_worker_whose_connection_ends_is_lost_and_replaced():
    with hub_at(credits=4) as hub:
        first = Peer(hub)
        first.publish(2)
        poll_until(hub, lambda got: len(got) == 2)
        first.close()
        poll_until(hub, lambda got: not hub.workers[0].alive)
        assert (hub.delivery.workers_lost, hub.delivery.lost_with_worker) == (1, 2)
        second = Peer(hub, slot=first.hello.slot, worker=0)
        assert second.welcome.worker == 0
        second.publish(2)
        received = poll_until(hub, lambda got: len(got) == 2)
        assert [r.sample.hidden.provenance.index for r in received] == [2, 3]
        second.close()


def test_two_fleets_that_want_the_same_worker_ids_get_each_its_own():
    with hub_at() as hub:
        peers = [Peer(hub, worker=wanted) for wanted in (0, 1, 0, 1)]
        assert [peer.welcome.worker for peer in peers] == [0, 1, 2, 3]
        for peer in peers:
            peer.publish(2)
        received = poll_until(hub, lambda got: len(got) == 8)
        made = [r.sample.hidden.provenance for r in received]
        assert sorted((source.worker, source.index) for source in made) == [
            (worker, index) for worker in range(4) for index in range(2)
        ]
        assert (hub.delivery.workers_lost, hub.delivery.duplicated) == (0, 0)
        for peer in peers:
            peer.close()


def test_a_worker_that_says_goodbye_is_not_lost_nor_what_it_sent():
    with hub_at() as hub:
        peer = Peer(hub)
        peer.publish(2)
        peer.link.bye("recycle")
        peer.close()
        received = poll_until(hub, lambda got: len(got) == 2 and not hub.workers[0].alive)
        assert len(received) == 2
        assert hub.delivery.workers_lost == 0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The trainer's."""
    clock = Clock()
    monkeypatch.setattr("simulator.transport.hub.time", clock)
    return clock


def test_a_trainer_that_does_not_look_for_long_loses_no_worker(clock: Clock):
    with hub_at(silence_s=180) as hub:
        peer = Peer(hub)
        peer.link.alive(0, 0)
        clock.now += 600
        assert hub._poller.poll(int(1000 * PATIENCE_S))  # what was said lies there, unread
        hub.poll(0)
        assert hub.workers[0].alive
        peer.close()


def test_a_worker_that_is_silent_for_long_is_told_goodbye(clock: Clock):
    with hub_at(silence_s=180) as hub:
        peer = Peer(hub)
        clock.now += 179
        hub.poll(0)
        assert hub.workers[0].alive
        clock.now += 2
        hub.poll(0)
        assert not hub.workers[0].alive
        peer.hear(lambda link: link.farewell is not None, hub)
        assert peer.link.farewell is not None
        assert peer.link.farewell.again
        assert "silent" in peer.link.farewell.reason
        peer.close()


def test_the_end_of_a_hub_is_heard_with_its_reason():
    with hub_at() as hub:
        peer = Peer(hub)
        hub.close("enough")
        peer.link.pump(PATIENCE_S)
        assert peer.link.farewell == Bye("enough")
        peer.close()


def test_a_trainer_that_vanishes_is_noticed():
    with hub_at() as hub:
        peer = Peer(hub)
        for worker in hub.workers.values():
            worker.alive = False  # nobody to say goodbye to
        hub.close()
        with pytest.raises(TrainerGoneError, match="gone"):
            peer.link.pump(PATIENCE_S)
        assert peer.link._control.linger == 0  # nothing holds up the end
        peer.close()


def test_runs_do_not_mix():
    with hub_at(run="run") as one, hub_at(run="run-2") as two:
        peers = Peer(one), Peer(two)
        peers[0].publish(2)
        peers[1].publish(3)
        assert len(poll_until(one, lambda got: len(got) >= 2)) == 2
        assert len(poll_until(two, lambda got: len(got) >= 3)) == 3
        # A publisher of another run that finds the data socket is not even heard.
        with publisher(one, peers[0]) as stray:
            stray.send_multipart([topic("run-2"), b"not", b"a", b"sample"])
            stray.send_multipart(seal([topic("run")]))  # one that is heard, and refused, after it
            assert poll_until(one, lambda got: bool(one.delivery.rejected)) == []
        assert one.delivery.rejected == {"frames": 1}
        for peer in peers:
            peer.close()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema": 99}, "99"),
        ({"wanted": {"robot": "panda"}}, "panda"),
        ({"wanted": {"width": 640}}, "640x48"),
        ({"wanted": {"seed": 1}}, "seed 1; run 'run' is for seed 0"),
    ],
)
def test_another_setup_is_refused(changes: dict[str, object], said: str):
    with hub_at() as hub, Link(hub.address) as link:
        with pytest.raises(RefusedError, match=said):
            join_by_hand(hub, link, **changes)
        assert hub.delivery.refused == 1


def test_bad_messages_are_counted_and_disturb_nobody():
    rng = random.Random(0)
    with hub_at() as hub:
        peer = Peer(hub)
        with (
            publisher(hub, peer) as data,
            zmq.Context() as context,
            context.socket(zmq.DEALER) as stray,
        ):
            stray.linger = 0
            stray.connect(hub.address)
            for _ in range(300):
                stray.send(rng.randbytes(rng.randint(0, 200)))
                data.send_multipart([topic("run"), *(rng.randbytes(9) for _ in range(4))])
            stray.send_multipart([b"a", b"b", b"c"])
            stray.send(bytes(1 << 20))  # too large: cut off
            data.send_multipart([topic("run")] * 9)
            poll_until(hub, lambda got: sum(hub.delivery.rejected.values()) >= 602)
        assert {"control", "frames", "digest"} <= set(hub.delivery.rejected)
        peer.publish(2)
        assert len(poll_until(hub, lambda got: len(got) == 2)) == 2
        peer.close()


@contextmanager
def damaged(frame: int) -> Iterator[None]:
    """A flipped bit in that frame of what is published meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simulator.transport.link.seal", lambda frames: spoil(seal(frames), frame))
        yield


def spoil(frames: list[bytes], frame: int) -> list[bytes]:
    """The frames with one bit flipped in one of them."""
    found = [bytearray(f) for f in frames]
    found[frame][len(found[frame]) // 2] ^= 1
    return [bytes(f) for f in found]


@pytest.mark.parametrize("frame", range(1, 6))
def test_a_damaged_sample_is_not_taken_and_made_again(frame: int):
    with hub_at(credits=3) as hub:
        peer = Peer(hub)
        peer.publish()
        with damaged(frame):
            peer.publish(2)
        assert len(poll_until(hub, lambda got: hub.delivery.rejected == {"digest": 2})) == 1
        peer.link.alive(3, 0)  # nothing follows that would show the gap
        poll_until(hub, lambda got: hub.delivery.lost == 2)
        peer.publish(2)
        received = poll_until(hub, lambda got: len(got) == 2)
        assert [r.sample.hidden.provenance.index for r in received] == [1, 2]
        peer.close()


def test_a_message_that_comes_twice_counts_once():
    with hub_at() as hub:
        peer = Peer(hub)
        frames = seal(peer.link._codec.encode(peer.made(), peer.hello.instance, 0))
        with publisher(hub, peer) as data:
            for _ in range(3):
                data.send_multipart(frames)
            assert len(poll_until(hub, lambda got: hub.delivery.duplicated == 2)) == 1
        peer.close()


def test_where_the_newest_count_samples_are_drawn_from_what_was_told_last():
    with hub_at(promise="latest", adaptive_share=1.0) as hub:
        peer = Peer(hub)
        assert peer.welcome.promise == "latest"
        peer.hear(lambda link: link.credits == 8, hub)
        hub.assign(Assignment.of(prior(1)))
        peer.hear(lambda link: link.assignment.version == 1, hub)
        peer.publish()
        (received,) = poll_until(hub, lambda got: bool(got))
        assert received.sample.hidden.provenance.prior_version == 1
        peer.close()


def test_words_of_a_simulator_not_let_in_are_rejected():
    with hub_at() as hub, Link(hub.address) as link:
        link.alive(1, 1)
        poll_until(hub, lambda got: hub.delivery.rejected == {"stranger": 1})


def test_a_simulator_that_the_trainer_does_not_know_is_told_to_begin_anew():
    with hub_at() as hub:
        peer = Peer(hub)
        peer.link._control.disconnect(hub.address)  # a reset of the control connection alone
        peer.link._control.connect(hub.address)
        poll_until(hub, lambda got: not hub.workers[0].alive)
        peer.link.alive(0, 0)
        peer.hear(lambda link: link.farewell is not None, hub)
        assert peer.link.farewell is not None
        assert peer.link.farewell.again
        second = Peer(hub, slot=peer.hello.slot)
        assert second.welcome.worker == peer.welcome.worker
        peer.close()
        second.close()


def test_one_whose_place_was_taken_wakes_delivers_nothing_and_is_sent_away():
    with hub_at() as hub:
        sleeper = Peer(hub)
        second = Peer(hub, slot=sleeper.hello.slot)
        sleeper.publish()
        sleeper.link.alive(1, 1)
        sleeper.hear(lambda link: link.farewell is not None, hub)
        assert poll_until(hub, lambda got: hub.delivery.duplicated == 1) == []
        second.publish()
        assert len(poll_until(hub, lambda got: bool(got))) == 1
        sleeper.close()
        second.close()


def test_a_goodbye_of_a_simulator_not_let_in_is_not_answered():
    with hub_at() as hub, Link(hub.address) as link:
        link.bye("leaves")
        poll_until(hub, lambda got: hub.delivery.rejected == {"stranger": 1})
        assert not link._control.poll(200)


def test_a_port_in_use_is_named_with_the_remedy(tmp_path: Path):
    for address in ("tcp://127.0.0.1:0", f"ipc://{tmp_path}/hub"):
        with hub_at(address) as hub:
            name = hub.address
            with (
                pytest.raises(TransportError, match="another port or path") as caught,
                hub_at(name),
            ):
                pass
            assert name in str(caught.value)
            Peer(hub).close()  # the first is undisturbed


def test_the_data_port_in_use_is_named():
    with (
        _neighbours() as (free, taken),
        pytest.raises(TransportError, match=str(taken)),
        hub_at(f"tcp://127.0.0.1:{free}"),
    ):
        pass


@contextmanager
def _neighbours() -> Iterator[tuple[int, int]]:
    """A free port, and the port after it, which somebody listens at."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            try:
                socket.create_server(("127.0.0.1", port - 1)).close()
            except OSError:  # another process has it
                continue
            yield port - 1, port
            return


def test_an_address_of_another_machine_cannot_be_bound():
    with (
        pytest.raises(TransportError, match="address of this machine"),
        hub_at("tcp://192.0.2.1:5555", security=Security(insecure=True)),
    ):
        pass


def test_waiting_for_a_trainer_ends():
    with Link("tcp://127.0.0.1:9") as link:
        with pytest.raises(TransportError, match=r"no trainer at tcp://127\.0\.0\.1:9"):
            link.join(hello(), 0.5)
        assert link.join(hello(), 60, lambda: False) is None


def test_keys_are_their_owners_alone(tmp_path: Path):
    folder = tmp_path / "keys"
    write_keys(folder)
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    secrets = sorted(folder.glob("*.key_secret"))
    assert [stat.S_IMODE(os.stat(each).st_mode) for each in secrets] == [0o600, 0o600]
    with pytest.raises(TransportError, match="already"):
        write_keys(folder)


@pytest.mark.parametrize(
    ("theirs", "refused", "said"),
    [
        ("none", True, "wants keys, or is no trainer: give --keys"),
        ("stolen", True, "does not know this side's keys"),
        ("another's", False, "something there hangs up: are these the keys of another trainer"),
    ],
)
def test_with_keys_only_holders_of_keys_take_part_and_others_are_told(
    theirs: str, refused: bool, said: str, tmp_path: Path
):
    for name in ("ours", "another's", "stolen"):
        write_keys(tmp_path / name)
    # Those who know the trainer's public key but are not on its list are not let in either.
    (tmp_path / "stolen/trainer.key").write_bytes((tmp_path / "ours/trainer.key").read_bytes())
    ours, own = Security(keys=tmp_path / "ours"), tmp_path / theirs
    with hub_at("tcp://127.0.0.1:0", security=ours) as hub:
        with Link(hub.address, ours) as link:
            assert join_by_hand(hub, link) is not None
        wait = PATIENCE_S if refused else 1
        with (
            pytest.raises(RefusedError if refused else TransportError, match=said),
            Link(hub.address, Security(keys=own if own.exists() else None)) as link,
        ):
            link.join(hello(), wait, lambda: hub.poll(0) == [])
        assert hub.delivery.workers_joined == 1


def test_keys_for_a_trainer_that_has_none_are_told(tmp_path: Path):
    write_keys(tmp_path / "keys")
    with (
        hub_at() as hub,
        pytest.raises(RefusedError, match="has no keys, or is no trainer: give --keys to both"),
        Link(hub.address, Security(keys=tmp_path / "keys")) as link,
    ):
        link.join(hello(), PATIENCE_S, lambda: hub.poll(0) == [])


@pytest.mark.parametrize("size", [(160, 120), (640, 480)])
@pytest.mark.parametrize("keys", [True, False])
def test_samples_of_every_size_arrive_with_and_without_keys(
    size: tuple[int, int], keys: bool, tmp_path: Path
):
    if keys:
        write_keys(tmp_path / "keys")
    security = Security(keys=tmp_path / "keys" if keys else None)
    settings = SampleSettings(width=size[0], height=size[1])
    made = simulate(StickScene(ROBOT.model), ROBOT, settings, draw(ROBOT, settings, FIRST, 0, 0))
    with Hub("tcp://127.0.0.1:0", "run", settings, ROBOT, FIRST, security=security) as hub:
        peer = Peer(hub, security)
        peer.link.publish(made)
        (received,) = poll_until(hub, lambda got: len(got) == 1)
        peer.close()
    np.testing.assert_array_equal(received.sample.image, made.image)
    np.testing.assert_array_equal(received.sample.belief, made.belief)


def test_missing_keys_are_named(tmp_path: Path):
    security = Security(keys=tmp_path)
    with pytest.raises(TransportError, match=r"trainer\.key"), hub_at(security=security):
        pass
    with pytest.raises(TransportError, match=r"trainer\.key"):
        Link("tcp://127.0.0.1:5555", security)
