"""Work on a Ray cluster comes to what it comes to here, survives its processes, and leaves none."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cli_parts
import psutil
import pytest
from cli_parts import started
from recording_parts import jointloop, shard_bytes
from simulator_parts import hub_at

from simulator.recordings.recording import Recording
from simulator.transport import Received, Security, write_keys

RAY_PATIENCE_S = 600.0
"""Longest wait for what Ray does: its processes take long to start on a busy machine."""
SMALL = ["--samples", "12", "--shard-samples", "5", "--engine", "stick", "--size", "64x48"]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a cluster of this machine alone."""
    port = free_port()
    words = ["start", "--head", "--block", f"--port={port}", "--num-cpus=2"]
    words += ["--node-ip-address=127.0.0.1", "--include-dashboard=false", "--disable-usage-stats"]
    words += ["--object-store-memory=200000000", f"--temp-dir={tmp_path_factory.mktemp('r')}"]
    command = [sys.executable, "-m", "ray.scripts.scripts", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as head:
        assert head.stdout is not None
        seen = []
        for line in head.stdout:
            seen.append(line)
            if b"Ray runtime started" in line:
                break
        else:
            raise AssertionError(b"".join(seen).decode())
        drain = threading.Thread(target=head.stdout.read, daemon=True)
        drain.start()
        yield f"127.0.0.1:{port}"
        children = psutil.Process(head.pid).children(recursive=True)
        head.terminate()
        psutil.wait_procs(children, timeout=30)
        for child in children:
            if child.is_running():
                child.kill()
        drain.join()


def patiently(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    return jointloop(*words, timeout_s=RAY_PATIENCE_S)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_recording_made_on_a_cluster_is_that_made_here_byte_for_byte(
    cluster: str, tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    done = patiently("record", "--out", here, *SMALL)
    assert done.returncode == 0, done.stderr
    done = patiently("record", "--out", there, *SMALL, "--ray", cluster)
    assert done.returncode == 0, done.stderr
    wanted = shard_bytes(Recording.open(here))
    assert len(wanted) == 4
    assert shard_bytes(Recording.open(there)) == wanted
    (there / "000001.tar").unlink()
    kept = (there / "000000.tar").stat().st_mtime_ns
    done = patiently("record", "--out", there, "--resume", "--ray", cluster)
    assert "5 of them now" in done.stdout
    assert shard_bytes(Recording.open(there)) == wanted
    assert (there / "000000.tar").stat().st_mtime_ns == kept


@pytest.mark.slow
@pytest.mark.blender
@pytest.mark.timeout(1800)
def test_a_shard_rendered_on_a_cluster_is_that_rendered_here(cluster: str, tmp_path: Path) -> None:
    words = ["--samples", "2", "--size", "64x48", "--variety", "calm", "--workers", "1"]
    for folder, more in (("here", []), ("there", ["--ray", cluster])):
        done = patiently("record", "--out", tmp_path / folder, *words, *more)
        assert done.returncode == 0, done.stderr
    here, there = (shard_bytes(Recording.open(tmp_path / name)) for name in ("here", "there"))
    assert here == there


def tasks() -> list[psutil.Process]:
    """The processes of Ray that are at work on one of ours."""
    found = psutil.process_iter(["cmdline"])
    return [p for p in found if p.info["cmdline"] and p.info["cmdline"][0] == "ray::_said"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_simulators_on_a_cluster_bring_keys_survive_their_tasks_and_go_with_ctrl_c(
    cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulator_parts.PATIENCE_S", RAY_PATIENCE_S)
    write_keys(tmp_path / "keys")
    security = Security(keys=tmp_path / "keys")
    with hub_at(security=security, credits=2) as hub:
        words = ["simulate", "--connect", hub.address, "--keys", str(security.keys)]
        words += ["--workers", "2", "--engine", "stick", "--ray", cluster]
        with started(*words) as process:
            take(hub, lambda got: {each.worker for each in got} == {0, 1})
            (first, second), joined = tasks(), hub.delivery.workers_joined
            simulators = [child for task in (first, second) for child in task.children()]
            assert len(simulators) == 2
            first.kill()
            before = take(hub, lambda got: hub.delivery.workers_joined > joined and len(got) > 4)
            assert {each.worker for each in before} <= {0, 1, 2}
            simulators += [child for task in tasks() for child in task.children()]
            process.send_signal(signal.SIGINT)
            asked = time.monotonic()
            output = process.communicate(timeout=RAY_PATIENCE_S)[0]
            print(f"ended after {time.monotonic() - asked:.1f} s")
        assert process.returncode == 0, output
        assert output.rstrip().endswith("stopped")
        assert "Traceback" not in output
        assert psutil.wait_procs(simulators, timeout=RAY_PATIENCE_S)[1] == []


def take(hub, done) -> list[Received]:
    """Use up samples until `done` says so of them."""
    received: list[Received] = []
    deadline = time.monotonic() + RAY_PATIENCE_S
    while not done(received):
        assert time.monotonic() < deadline, hub.delivery
        for each in hub.poll(0.05):
            received.append(each)
            hub.consumed(each.worker)
    return received


def serve_http(listener: socket.socket) -> None:
    there, _ = listener.accept()
    with there:
        there.recv(64)
        there.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.mark.parametrize("verb", ["simulate", "record"])
@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1:{free}", "no Ray cluster answers at 127.0.0.1:{free}: Connection refused"),
        ("127.0.0.1:{http}", "what answers at 127.0.0.1:{http} is no Ray cluster"),
        ("ray://127.0.0.1:{free}", "expected HOST:PORT of a cluster's head"),
    ],
    ids=["nobody", "another program", "another form"],
)
def test_no_cluster_at_the_address_is_one_line_within_seconds(
    tmp_path: Path, verb: str, address: str, words: str
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        threading.Thread(target=serve_http, args=(listener,), daemon=True).start()
        ports = {"free": free_port(), "http": listener.getsockname()[1]}
        own = {
            "simulate": ["--connect", "tcp://127.0.0.1:5555"],
            "record": ["--out", str(tmp_path / "r"), "--samples", "1"],
        }[verb]
        done = jointloop(verb, *own, "--engine", "stick", "--ray", address.format(**ports))
    assert done.returncode == 2
    assert words.format(**ports) in done.stderr
    assert len((done.stdout + done.stderr).splitlines()) == 1
    assert not (tmp_path / "r").exists()


def test_ray_missing_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "simulator.fleet.cluster", raising=False)
    words = ["simulate", "--connect", "tcp://127.0.0.1:5555", "--ray", "127.0.0.1:6379"]
    assert cli_parts.jointloop(*words) == 2
    error = capsys.readouterr().err
    assert error == "jointloop: error: a Ray cluster needs Ray: pip install 'jointloop[ray]'\n"
