import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from clock_parts import PATIENCE_S
from simulator_parts import ROBOT, SETTINGS, hub_at, poll_until, sample

from simulator.fleet.ends import Exit
from simulator.fleet.worker import WorkerOptions, main
from simulator.transport import Hub


@contextmanager
def worker_of(hub: Hub | None, **options: object) -> Iterator["subprocess.Popen[str]"]:
    """A worker process of the stick engine."""
    address = hub.local_address if hub else options.pop("address")
    wanted = WorkerOptions(**({"address": address, "engine": "stick"} | options))  # type: ignore[arg-type]
    command = [sys.executable, "-m", "simulator.fleet.worker", wanted.to_json()]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    with process:
        try:
            yield process
        finally:
            process.kill()


def ends(process: "subprocess.Popen[str]", hub: Hub | None = None) -> tuple[Exit, str]:
    """Exit and last line of a worker, while the hub listens."""
    if hub is None:
        process.wait(PATIENCE_S)
    else:
        poll_until(hub, lambda got: process.poll() is not None)
    assert process.stdout is not None
    return Exit(process.returncode), process.stdout.read().splitlines()[-1]


def test_a_worker_renders_what_it_was_assigned():
    with hub_at(credits=3) as hub, worker_of(hub) as process:
        received = poll_until(hub, lambda got: len(got) == 3)
        for index, each in enumerate(received):
            assert each.sample.hidden == sample(index).hidden
            np.testing.assert_array_equal(each.sample.image, sample(index).image)
        hub.close("enough")
        assert ends(process) == (Exit.DONE, "goodbye: the trainer said goodbye: enough")


def test_a_worker_waits_for_its_trainer():
    with hub_at() as hub:
        address = hub.address
    with worker_of(None, address=address) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"trainer: waiting for a trainer at {address}\n"
        with hub_at(address) as hub:
            poll_until(hub, lambda got: len(got) > 2)
            hub.close()
            assert ends(process)[0] == Exit.DONE


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_worker_cleanly(number: signal.Signals):
    with hub_at() as hub, worker_of(hub) as process:
        poll_until(hub, lambda got: bool(got))
        process.send_signal(number)
        assert ends(process, hub)[0] == Exit.DONE
        poll_until(hub, lambda got: not hub.workers[0].alive)
        assert hub.delivery.workers_lost == 0


def test_a_worker_that_the_trainer_does_not_know_any_longer_wants_to_be_replaced():
    with hub_at() as hub, worker_of(hub) as process:
        poll_until(hub, lambda got: bool(got))
        hub._workers.depart(hub.workers[0], died=True)  # as if its control connection was reset
        code, line = ends(process, hub)
        assert code == Exit.TRAINER_GONE
        assert line == "trainer: the trainer said goodbye: this trainer does not know it"


def test_a_worker_ends_when_its_trainer_is_gone():
    script = (
        "from simulator_parts import hub_at\n"
        "with hub_at() as hub:\n"
        "    print(hub.address, flush=True)\n"
        "    while True: hub.poll(1)\n"
    )
    trainer = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), *sys.path])},
    )
    with trainer:
        assert trainer.stdout is not None
        address = trainer.stdout.readline().strip()
        with worker_of(None, address=address) as process:
            assert process.stdout is not None
            assert "connected" in process.stdout.readline()
            trainer.kill()
            code, line = ends(process)
            assert code == Exit.TRAINER_GONE
            assert line.startswith(f"trainer: the trainer at {address} is gone; waiting up to")


def test_a_refused_worker_says_why():
    with hub_at() as hub, worker_of(hub, wanted={"width": 640, "height": 480}) as process:
        code, line = ends(process, hub)
        assert code == Exit.REFUSED
        assert "640x480" in line
        assert "64x48" in line


def test_a_worker_asks_to_be_replaced_after_so_many_frames():
    with hub_at() as hub, worker_of(hub, recycle_frames=5) as process:
        received = poll_until(hub, lambda got: len(got) == 5)
        assert ends(process, hub)[0] == Exit.RECYCLE
        assert len(received) == 5
        assert hub.delivery.workers_lost == 0


def test_a_worker_asks_to_be_replaced_when_it_has_grown():
    with hub_at(credits=64) as hub, worker_of(hub, recycle_mb=-1e6) as process:
        assert ends(process, hub)[0] == Exit.RECYCLE


def test_a_worker_gives_up_waiting_with_one_line():
    with worker_of(None, address="tcp://127.0.0.1:9", wait_s=0.5) as process:
        code, line = ends(process)
        assert code == Exit.UNCONNECTED
        assert "no trainer at tcp://127.0.0.1:9" in line


def test_a_worker_without_blender_says_so(monkeypatch: pytest.MonkeyPatch):
    from jointloop.common.errors import NoBlenderError
    from simulator.sample_maker import SampleMaker

    monkeypatch.setitem(sys.modules, "bpy", None)
    for name in ("blender_scenes.robot_scene", "blender_scenes.blender"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(NoBlenderError, match="pip install"):
        SampleMaker(SETTINGS)


def test_options_survive_their_way_to_the_process():
    options = WorkerOptions("tcp://127.0.0.1:9", keys=Path("keys"), worker=3)
    assert WorkerOptions.from_json(options.to_json()) == options


def test_a_bad_address_is_one_line(capsys: pytest.CaptureFixture[str]):
    for address in ("nonsense", "tcp://10.0.0.1:5555"):
        assert main([WorkerOptions(address).to_json()]) == Exit.UNCONNECTED
        assert capsys.readouterr().out.count("\n") == 1


def test_a_worker_whose_robot_differs_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(ROBOT.__dict__, "fingerprint", "another")
    with hub_at() as hub, worker_of(hub) as process:
        code, words = ends(process, hub)
    assert code == Exit.FAILED
    assert "another one here than at the trainer" in words
