import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from clock_parts import PATIENCE_S
from proxy_parts import FAR, Proxy
from simulator_parts import SETTINGS, hub_at, poll_until

from simulator.fleet.fleet import Fleet, FleetError
from simulator.fleet.worker import WorkerOptions
from simulator.randomization.assignment import Assignment
from simulator.randomization.prior import JointPrior
from simulator.robot import Robot
from simulator.transport import Hub, Received, Security, write_keys
from simulator.transport.addresses import Address


@contextmanager
def fleet_of(
    hub: Hub, workers: int, say: Callable[[str], None] = print, **options: object
) -> Iterator[Fleet]:
    """Stick workers that are restarted quickly."""
    wanted = WorkerOptions(hub.local_address, engine="stick", **options)  # type: ignore[arg-type]
    with Fleet(workers, wanted, say=say, pause_s=0.1) as fleet:
        yield fleet


def pump(hub: Hub, fleet: Fleet, done: Callable[[list[Received]], bool]) -> list[Received]:
    """Consume samples and keep the fleet alive until `done` says so of all samples."""
    received: list[Received] = []

    def step(new: list[Received]) -> bool:
        for each in new[len(received) :]:
            received.append(each)
            hub.consumed(each.worker)
        fleet.poll()
        return done(received)

    return poll_until(hub, step)


def poll_for_ever(fleet: Fleet) -> None:
    while True:
        fleet.poll()
        time.sleep(0.01)


def indices(received: list[Received], worker: int) -> list[int]:
    return [r.sample.hidden.provenance.index for r in received if r.worker == worker]


def test_workers_take_the_ids_of_their_places():
    said: list[str] = []
    with hub_at() as hub, fleet_of(hub, 2, said.append) as fleet:
        pump(hub, fleet, lambda got: {r.worker for r in got} == {0, 1} and len(said) >= 2)
        assert sorted(said) == [
            "worker 0: connected to run run as worker 0, uniform",
            "worker 1: connected to run run as worker 1, adaptive",
        ]
        assert {w.id: w.slot.hex() for w in hub.workers.values()} == {
            m.number: m.slot for m in fleet.members
        }


def test_what_workers_note_of_the_robot_is_passed_on_once(tmp_path: Path):
    still = '<joint name="f" type="floating"><parent link="w"/><child link="a"/></joint>'
    turns = '<joint name="j" type="continuous"><parent link="a"/><child link="b"/></joint>'
    links = '<link name="w"/><link name="a"/><link name="b"/>'
    (tmp_path / "r.urdf").write_text(f'<robot name="r">{links}{still}{turns}</robot>')
    (tmp_path / "r.toml").write_text(
        'name = "r"\nurdf = "r.urdf"\nbody_radius = 0.1\n'
        'keypoint = [{ name = "k", link = "b", offset = [0, 0, 1] }]\n'
    )
    settings = replace(SETTINGS, robot=str(tmp_path / "r.toml"))
    robot = Robot.named(settings.robot)
    first = Assignment.of(JointPrior.uniform(robot.lower, robot.upper, settings.bins))
    (note,) = robot.notes
    for notes, times in ((True, 1), (False, 0)):
        said: list[str] = []
        with (
            Hub("tcp://127.0.0.1:0", "run", settings, robot, first) as hub,
            fleet_of(hub, 2, said.append, notes=notes) as fleet,
        ):
            pump(hub, fleet, lambda got: {r.worker for r in got} == {0, 1})
        assert said.count(f"note: {note}") == times
        assert sum(note in line for line in said) == times


def test_a_killed_worker_is_replaced_and_no_index_is_lost_or_doubled():
    said: list[str] = []
    with hub_at(credits=4) as hub, fleet_of(hub, 1, said.append) as fleet:
        before = pump(hub, fleet, lambda got: len(got) >= 20)
        process = fleet.members[0].process
        assert process is not None
        process.kill()
        joined = hub.delivery.workers_joined
        after = pump(
            hub, fleet, lambda got: hub.delivery.workers_joined > joined and len(got) >= 20
        )
        got = indices(before + after, 0)
        assert got == list(range(len(got)))
        assert hub.delivery.workers_lost == 1
        assert 0 <= hub.delivery.lost_with_worker <= 4
        assert hub.delivery.lost == 0
        assert "worker 0 died (killed: SIGKILL); starting again in 0.1 s" in said


def test_a_worker_that_recycles_is_replaced_without_loss():
    with hub_at() as hub, fleet_of(hub, 1, recycle_frames=10) as fleet:
        got = indices(pump(hub, fleet, lambda got: len(got) >= 25), 0)
        assert got == list(range(len(got)))
        assert hub.delivery.workers_lost == 0
        assert hub.delivery.workers_joined == 3


def test_a_refused_fleet_says_why_and_is_gone():
    with hub_at() as hub:
        with (
            pytest.raises(FleetError, match="640x480"),
            fleet_of(hub, 2, wanted={"width": 640, "height": 480}) as fleet,
        ):
            pump(hub, fleet, lambda got: False)
        assert fleet.running == 0


def test_a_worker_that_keeps_dying_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    options = WorkerOptions("tcp://127.0.0.1:9")
    with (
        pytest.raises(FleetError, match=r"died 3 times in a row \(exit code 1\)"),
        Fleet(1, options, pause_s=0.01, max_failures=2) as fleet,
    ):
        poll_for_ever(fleet)


def test_a_fleet_ends_with_its_trainer():
    said: list[str] = []
    with hub_at() as hub, fleet_of(hub, 2, said.append) as fleet:
        pump(hub, fleet, lambda got: {r.worker for r in got} == {0, 1})
        hub.close("enough")
        deadline = time.monotonic() + PATIENCE_S
        while not fleet.ended:
            assert time.monotonic() < deadline
            fleet.poll()
            time.sleep(0.02)
        assert said.count("the trainer said goodbye: enough") == 1
        assert [member.code for member in fleet.members] == [0, 0]


def test_a_fleet_outlasts_a_trainer_that_vanishes():
    said: list[str] = []
    with hub_at() as first, fleet_of(first, 1, said.append) as fleet:
        pump(first, fleet, lambda got: bool(got))
        first.workers[0].alive = False  # nobody to say goodbye to
        first.close()
        with hub_at(first.address) as second:
            pump(second, fleet, lambda got: bool(got))
        gone = f"the trainer at {first.address} is gone; waiting up to 600 s for it to come back"
        back = "the trainer is back: worker 0 connected to run run as worker 0, uniform"
        # Whichever comes first: the connection's end, or a word of the trainer that came after.
        assert said[1] in (gone, "the trainer said goodbye: this trainer does not know it")
        assert said[2:] == [back]


def test_a_fleet_finds_the_next_sitting_of_a_run_that_was_stopped():
    said: list[str] = []
    with hub_at() as first, fleet_of(first, 1, said.append) as fleet:
        before = indices(pump(first, fleet, lambda got: bool(got)), 0)
        first.close("the trainer was stopped", again=True)
        with hub_at(first.address, standing=first.standing) as second:
            after = indices(pump(second, fleet, lambda got: bool(got)), 0)
        assert before + after == list(range(len(before + after)))
        assert said[1] == "the trainer said goodbye: the trainer was stopped"
        assert said[2].startswith("the trainer is back: worker 0 connected to run")


@pytest.mark.parametrize("keys", [False, True])
def test_a_link_that_was_cut_heals_and_no_index_is_lost_or_doubled(keys: bool, tmp_path: Path):
    if keys:
        write_keys(tmp_path / "keys")
    security = Security(keys=tmp_path / "keys" if keys else None)
    said: list[str] = []
    with hub_at(credits=4, security=security) as hub:
        ports = Address.parse(hub.address).port, hub._data_port.port
        wanted = WorkerOptions(f"tcp://{FAR}:{ports[0]}", engine="stick", keys=security.keys)
        with Proxy(*ports) as proxy, Fleet(1, wanted, say=said.append, pause_s=0.1) as fleet:
            before = pump(hub, fleet, lambda got: len(got) >= 4)
            proxy.cut()
            before += pump(hub, fleet, lambda got: any("gone" in line for line in said))
            proxy.join()
            after = pump(hub, fleet, lambda got: len(got) >= 4)
        got = indices(before + after, 0)
        assert got == list(range(len(got)))
        assert len(said) == 3
        assert "is gone" in said[1]
        assert said[2].startswith("the trainer is back: worker 0 connected to run run")


def test_a_frozen_worker_is_replaced_and_no_index_is_lost_or_doubled():
    said: list[str] = []
    with hub_at(credits=4) as hub:
        wanted = WorkerOptions(hub.local_address, engine="stick")
        with Fleet(1, wanted, say=said.append, pause_s=0.1, silence_s=20) as fleet:
            before = pump(hub, fleet, lambda got: len(got) >= 4)
            process = fleet.members[0].process
            assert process is not None
            process.send_signal(signal.SIGSTOP)
            before += pump(hub, fleet, lambda got: process.poll() is not None)
            after = pump(hub, fleet, lambda got: len(got) >= 4)
        got = indices(before + after, 0)
        assert got == list(range(len(got)))
        assert "worker 0 showed no life for 20 s: ended" in said


def test_stopping_ends_even_a_worker_that_does_not_listen(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("simulator.fleet.fleet.STOP_S", 0.5)
    with hub_at() as hub, fleet_of(hub, 1) as fleet:
        pump(hub, fleet, lambda got: bool(got))
        process = fleet.members[0].process
        assert process is not None
        process.send_signal(signal.SIGSTOP)
        fleet.stop()
        assert process.returncode == -signal.SIGKILL


@contextmanager
def standalone(address: str) -> Iterator["subprocess.Popen[str]"]:
    """A fleet of two in a process of its own."""
    script = (
        "import sys\n"
        "from simulator.fleet.fleet import Fleet\n"
        "from simulator.fleet.worker import WorkerOptions\n"
        f"sys.exit(Fleet(2, WorkerOptions({address!r}, engine='stick')).run())\n"
    )
    path = os.pathsep.join(filter(None, sys.path))
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
    )
    with parent:
        try:
            yield parent
        finally:
            parent.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_outlives_its_fleet(number: signal.Signals):
    with hub_at() as hub, standalone(hub.address) as parent:
        poll_until(hub, lambda got: len(hub.workers) == 2)
        children = psutil.Process(parent.pid).children()
        assert len(children) == 2
        parent.send_signal(number)
        _, alive = psutil.wait_procs(children, timeout=PATIENCE_S)
        assert alive == []
        assert parent.wait(PATIENCE_S) == (-number if number == signal.SIGKILL else 0)


def test_a_standalone_fleet_ends_well_when_the_trainer_is_done():
    with hub_at() as hub, standalone(hub.address) as parent:
        poll_until(hub, lambda got: len(hub.workers) == 2)
        hub.close()
        assert parent.wait(PATIENCE_S) == 0
        assert parent.stdout is not None
        assert parent.stdout.read().splitlines()[-1] == "all workers ended"


@pytest.mark.parametrize("workers", [0, 1025])
def test_a_number_of_workers_out_of_range_is_an_error(workers: int):
    with pytest.raises(FleetError, match="1 to 1024"):
        Fleet(workers, WorkerOptions("tcp://127.0.0.1:9"))
